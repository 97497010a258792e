"""Who reaches whom: the policies of each example, asked connection by connection."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from chart_render import EXAMPLES, example, render, rendered
from reach import Pod, part, sends, takes

SITES = {file.stem: example(file.stem)["network"] for file in EXAMPLES}
PARTS = ("code", "daemon", "ui", "run", "uploads", "metrics", "migrate", "declare", "desk")
DOORS = ("login", "viewers", "desk-login")
OUTSIDE = "8.8.8.8"
METADATA = "169.254.169.254"  # a machine's own credentials
DNS = Pod(labels={"k8s-app": "kube-dns"}, namespace="kube-system")
NODE_DNS = "169.254.20.10"

Policies = list[dict[str, Any]]


@pytest.fixture(params=sorted(SITES))
def site(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def policies(site: str) -> Policies:
    return [one for one in rendered(site) if one["kind"] == "NetworkPolicy"]


@pytest.fixture
def doors(policies: Policies) -> set[str]:
    """Those that this site has: each is let through to something."""
    return {
        name
        for name in DOORS
        if any(one["metadata"]["name"].startswith(f"{name}-to-") for one in policies)
    }


def inside(blocks: list[str]) -> str:
    """An address in these blocks."""
    return str(ip_network(blocks[0])[0])


def test_everybody_finds_names_by_the_cluster_or_the_node(
    policies: Policies, doors: set[str]
) -> None:
    for name in (*PARTS, *doors, "model"):
        assert sends(policies, part(name), DNS, 53)
        assert sends(policies, part(name), NODE_DNS, 53)


@pytest.mark.parametrize("name", PARTS)
def test_databases_and_buckets_are_inside_the_site(
    policies: Policies, site: str, name: str
) -> None:
    for port in SITES[site].get("storePorts", [443, 5432]):
        assert sends(policies, part(name), inside(SITES[site]["stores"]), port)
        for outside in (OUTSIDE, METADATA, NODE_DNS):
            assert not sends(policies, part(name), outside, port), (outside, port)


def test_the_api_of_the_cluster_is_for_those_who_launch_and_look(
    policies: Policies, site: str, doors: set[str]
) -> None:
    api = inside(SITES[site]["clusterApi"])
    asking = {name for name in (*PARTS, *doors, "model") if sends(policies, part(name), api, 6443)}
    assert asking == {"daemon", "ui", "metrics", "desk"}


def test_only_logins_ask_the_internet_and_they_ask_nobody_inside(
    policies: Policies, site: str, doors: set[str]
) -> None:
    store = inside(SITES[site]["stores"])
    for door in map(part, doors):
        assert sends(policies, door, OUTSIDE, 443)
        assert not sends(policies, door, OUTSIDE, 80)
        for address in (store, "10.0.3.7", "172.20.0.1", "192.168.0.9", METADATA):
            for port in (443, 5432, 9000):
                assert not sends(policies, door, address, port)


def test_runs_reach_a_model_server_and_nobody_else_does(
    policies: Policies, doors: set[str]
) -> None:
    for name in (*PARTS, *doors):
        allowed = name in ("run", "declare")
        assert sends(policies, part(name), part("model"), 8000) is allowed
        assert takes(policies, part("model"), part(name), 8000) is allowed


def test_a_model_server_reaches_nobody(policies: Policies, site: str) -> None:
    for address in (inside(SITES[site]["stores"]), OUTSIDE, METADATA):
        for port in (443, 5432, 9000):
            assert not sends(policies, part("model"), address, port)


def test_runs_reach_a_collector_where_there_is_one_and_nobody_else_does() -> None:
    collector = Pod(labels={"app": "otel-collector"}, namespace="monitoring")
    told = render({"traces": {"endpoint": "http://otel-collector.monitoring:4318"}})
    traced = [one for one in told if one["kind"] == "NetworkPolicy"]
    sending = {name for name in (*PARTS, *DOORS) if sends(traced, part(name), collector, 4318)}
    assert sending == {"run"}
    assert not sends(traced, part("run"), OUTSIDE, 4318)
    (settings,) = [one for one in told if one["metadata"]["name"] == "parjanya-settings"]
    assert settings["data"]["OTEL_EXPORTER_OTLP_ENDPOINT"].endswith(":4318")


def test_a_run_reaches_no_other_part(policies: Policies) -> None:
    for name, port in (
        ("code", 4000), ("ui", 3000), ("login", 4180), ("uploads", 8400), ("desk", 3100),
    ):  # fmt: skip
        assert not sends(policies, part("run"), part(name), port)
        assert not takes(policies, part(name), part("run"), port)


def test_the_ui_and_the_daemon_ask_the_code_location(policies: Policies) -> None:
    for name in ("ui", "daemon"):
        assert sends(policies, part(name), part("code"), 4000)
        assert takes(policies, part("code"), part(name), 4000)


@pytest.mark.parametrize(
    ("behind", "port", "let_in"),
    [("ui", 3000, {"login", "viewers"}), ("desk", 3100, {"desk-login"})],
)
def test_only_logins_reach_what_stands_behind_them(
    policies: Policies, doors: set[str], behind: str, port: int, let_in: set[str]
) -> None:
    for name in (*PARTS, *doors):
        assert takes(policies, part(behind), part(name), port) is (name in let_in), name
        assert sends(policies, part(name), part(behind), port) is (name in let_in), name
