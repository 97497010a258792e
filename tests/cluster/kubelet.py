"""The nodes of a cluster, played: pods that the scheduler has placed become processes here.

It does what a kubelet does as far as a run can tell: it starts what a pod asks for, says how that
goes, and ends it where the pod is deleted. It mounts nothing, pulls nothing and isolates nothing.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from tests.cluster.control_plane import ControlPlane, Object, Refused

GPU = "nvidia.com/gpu"


def node(name: str, lane: str, **room: str) -> Object:
    """A node of a lane, as Karpenter or an administrator would have made it."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"parjanya/lane": lane} if lane else {}},
        "spec": {
            "taints": [{"key": "parjanya/lane", "value": lane, "effect": "NoSchedule"}]
            if lane
            else []
        },
        "status": {
            "allocatable": {"pods": "100", "ephemeral-storage": "200Gi"} | room,
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


@dataclass
class Kubelet:
    """All nodes at once."""

    api: ControlPlane
    environment: Mapping[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)  # by pod
    said: dict[str, str] = field(default_factory=dict)

    def join(self, one: Object) -> None:
        """A node joins, and is ready."""
        self.api.create(one)
        self.api.change(
            "Node", one["metadata"]["name"], {"spec": {"taints": one["spec"]["taints"]}}
        )
        self.api.change("Node", one["metadata"]["name"], {"status": one["status"]}, "/status")

    def turn(self) -> None:
        """Go on with each pod of a run that has a node."""
        for name, pod in self.api.all("Pod").items():
            if pod["metadata"].get("labels", {}).get("parjanya/part") != "run":
                continue
            if "deletionTimestamp" in pod["metadata"]:
                self._end(name)
            elif not pod["spec"].get("nodeName"):
                continue
            elif name not in self.processes:
                self._start(name, pod)
            elif (status := self.processes[name].poll()) is not None:
                self._say(name, "Succeeded" if status == 0 else "Failed")

    def _start(self, name: str, pod: Object) -> None:
        (container,) = pod["spec"]["containers"]
        given = {one["name"]: one["value"] for one in container.get("env", []) if "value" in one}
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", *container["args"]],
            env={**self.environment, **given},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._say(name, "Running")

    def _end(self, name: str) -> None:
        """The pod is deleted: its process is asked to end, and what is left of it goes."""
        process = self.processes.get(name)
        if process is not None and process.poll() is None:
            process.terminate()
            process.wait()
        with suppress(Refused):
            self.api.delete("Pod", name, at_once=True)

    def _say(self, name: str, phase: str) -> None:
        if self.said.get(name) != phase:
            with suppress(Refused):  # it was deleted in between
                self.api.change("Pod", name, {"status": {"phase": phase}}, "/status")
            self.said[name] = phase
