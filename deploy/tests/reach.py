"""Which connections network policies allow, as Kubernetes defines them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

Policy = Mapping[str, Any]
Labels = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Pod:
    """One end of a connection that is a pod."""

    labels: Labels
    namespace: str = "parjanya"


def part(name: str) -> Pod:
    return Pod(labels={"parjanya/part": name})


def sends(policies: Iterable[Policy], pod: Pod, to: Pod | str, port: int) -> bool:
    """Whether a pod of ours may open a TCP connection to a pod or an address."""
    return _allows(policies, "egress", "to", pod, to, port)


def takes(policies: Iterable[Policy], pod: Pod, whom: Pod, port: int) -> bool:
    """Whether a pod of ours may be asked by another one."""
    return _allows(policies, "ingress", "from", pod, whom, port)


def _allows(
    policies: Iterable[Policy], way: str, peers: str, pod: Pod, other: Pod | str, port: int
) -> bool:
    ours = [
        one["spec"]
        for one in policies
        if selects(one["spec"]["podSelector"], pod.labels)
        and way.capitalize() in one["spec"]["policyTypes"]
    ]
    if not ours:
        return True  # who is selected by none may do everything
    return any(
        port in [each["port"] for each in rule["ports"] if each["protocol"] == "TCP"]
        and any(_is(peer, other) for peer in rule[peers])
        for spec in ours
        for rule in spec.get(way, [])
    )


def _is(peer: Mapping[str, Any], other: Pod | str) -> bool:
    if isinstance(other, str):
        block = peer.get("ipBlock")
        if block is None:
            return False
        inside = [ip_address(other) in ip_network(one) for one in block.get("except", [])]
        return ip_address(other) in ip_network(block["cidr"]) and not any(inside)
    if "ipBlock" in peer:
        return False
    names = {"kubernetes.io/metadata.name": other.namespace}
    where = peer.get("namespaceSelector")
    near = other.namespace == "parjanya" if where is None else selects(where, names)
    return near and selects(peer.get("podSelector", {}), other.labels)


def selects(selector: Mapping[str, Any], labels: Labels) -> bool:
    """Whether a label selector means these labels."""
    operators = {
        "In": lambda one: labels.get(one["key"]) in one["values"],
        "NotIn": lambda one: labels.get(one["key"]) not in one["values"],
    }
    return all(
        labels.get(name) == value for name, value in selector.get("matchLabels", {}).items()
    ) and all(operators[one["operator"]](one) for one in selector.get("matchExpressions", []))
