"""An instance whose runs are Jobs: real daemon, code server and launcher, an emulated API.

The emulator runs nothing. So `Node` does what a cluster does with a Job, as far as a run can tell:
it makes a pod, gives it a status, starts its arguments as a process, and writes how that ended.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import yaml

from parjanya_dagster.instance.home import HOST, free_port, write_home
from parjanya_dagster.instance.storage import prepare_dagster
from tests.deploy.kubernetes_api import NAMESPACE, KubernetesApi
from tests.support.forking import Program
from tests.support.instance import Instance, with_suppressed_kill

CPU_IMAGE = "registry.example/parjanya:v1"
GPU_IMAGE = "registry.example/parjanya-gpu:v1"
GPU = "nvidia.com/gpu"


@dataclass
class Node:
    """Turns Jobs into pods and pods into processes. What it lacks, it says as Kubernetes does."""

    api: KubernetesApi
    environment: Mapping[str, str]
    gpus: int = 0
    images: set[str] = field(default_factory=lambda: {CPU_IMAGE})
    processes: dict[str, Program] = field(default_factory=dict)
    said: dict[str, dict[str, Any]] = field(default_factory=dict)  # the status of each pod

    def turn(self) -> None:
        """Go on with each Job as far as it can go."""
        jobs, pods = self.api.all("jobs"), self.api.all("pods")
        for name in pods.keys() - jobs.keys():  # a Job takes its pod with it
            self.api.delete("pods", name)
        for name, job in jobs.items():
            if name not in pods:
                self.api.create("pods", _pod(name, job))
            if name not in self.processes:
                container = job["spec"]["template"]["spec"]["containers"][0]
                wanted = int(container["resources"].get("limits", {}).get(GPU, 0))
                if wanted > self.gpus:
                    self._say(name, _unschedulable(f"1 Insufficient {GPU}"))
                elif container["image"] not in self.images:
                    self._say(name, _not_pulled(container["image"]))
                else:
                    self._start(name, container)
            elif (status := self.processes[name].poll()) is not None:
                ended = "succeeded" if status == 0 else "failed"
                if self.said[name] != (phase := {"phase": ended.capitalize()}):
                    self.api.patch("jobs", name, {"status": {ended: 1, "active": 0}})
                    self._say(name, phase)

    def _start(self, name: str, container: Mapping[str, Any]) -> None:
        said = {one["name"]: one["value"] for one in container["env"] if "value" in one}
        self.processes[name] = Program(
            *container["args"], environment={**self.environment, **said}, output=Path(os.devnull)
        )
        self.api.patch("jobs", name, {"status": {"active": 1}})
        self._say(name, {"phase": "Running", "conditions": [], "containerStatuses": []})

    def _say(self, pod: str, status: dict[str, Any]) -> None:
        """Write a status where it is another one: only events wake those who watch."""
        if self.said.get(pod) != status:
            self.api.patch("pods", pod, {"status": status})
            self.said[pod] = status


class Cluster(Instance):
    """An instance with lanes of their own, launched on Kubernetes. It has no web UI."""

    def __init__(self, home: Path, api: Any, truth_url: str, **settings: str) -> None:
        settings = {"truth__url": truth_url, "arrivals__settle": "0"} | settings
        super().__init__(home, lanes__layout="split", **settings)
        self.api = api
        self.environment |= {
            "PARJANYA_LANES__LAUNCHER": "kubernetes",
            # All pods are processes of this machine, so they share folders.
            "PARJANYA_OBJECTS__URL": (home / "buckets").as_uri(),
            "PARJANYA_LANES__GPU__IMAGE": GPU_IMAGE,
            "PARJANYA_ENGINES__ENRICHER": "transformers",
            "DAGSTER_CURRENT_IMAGE": CPU_IMAGE,  # as the chart tells its code servers
            "DAGSTER_HOME": str(home / "dagster"),
        }
        # There is no GPU and no model here: what a pod starts describes with the small engine.
        without_gpu = {"PARJANYA_ENGINES__ENRICHER": "embedded", "PARJANYA_LANES__GPU__GPUS": "0"}
        self.node = self.nodes(self.environment | without_gpu)
        self._services: dict[str, Program] = {}
        self._stopping = threading.Event()
        self._turning = threading.Thread(target=self._turn, name="node")

    def nodes(self, environment: Mapping[str, str]) -> Any:
        """What turns the pods of runs into processes with this environment."""
        return Node(self.api, environment)

    def launcher(self) -> dict[str, Any]:
        """The configuration of the run launcher."""
        return {
            "load_incluster_config": False,
            "kubeconfig_file": str(self.api.kubeconfig(self.home)),
            "service_account_name": "parjanya-runs",
            "job_namespace": NAMESPACE,
            "instance_config_map": "dagster-instance",
            "dagster_home": str(self.home / "dagster"),
        }

    def start(self) -> None:
        assert self.platform
        port = free_port()
        workspace = str(write_home(self.settings, port))
        self._launch_on_kubernetes()
        prepare_dagster(self.settings)
        self._spawn("code", "dagster", "api", "grpc", "-m", "parjanya_dagster.definitions",
                    "-h", HOST, "-p", str(port), "--location-name", "parjanya")  # fmt: skip
        self._spawn("daemon", "dagster._daemon", "run", "-w", workspace)
        self._turning.start()

    def kill(self, name: str) -> None:
        """End a process of the control plane for good: `code` or `daemon`."""
        self._services[name].kill()
        self._services[name].wait()

    def close(self) -> None:
        self._stopping.set()
        if self._turning.ident is not None:
            self._turning.join()
        for process in self.processes():
            with_suppressed_kill(process)
        for child in (*self._services.values(), *self.node.processes.values()):
            child.wait()
        super().close()

    def _turn(self) -> None:
        while not self._stopping.wait(0.3):
            with suppress(HTTPError):  # a Job was deleted in between
                self.node.turn()

    def _spawn(self, name: str, *arguments: str) -> None:
        self._services[name] = Program(
            *arguments,
            environment=self.environment,
            folder=self.home,
            output=self.home / "logs" / f"{name}.log",
        )

    def _launch_on_kubernetes(self) -> None:
        path = self.home / "dagster" / "dagster.yaml"
        config = yaml.safe_load(path.read_text())
        config["run_launcher"] = {
            "module": "dagster_k8s",
            "class": "K8sRunLauncher",
            "config": self.launcher(),
        }
        path.write_text(yaml.safe_dump(config))


def _pod(name: str, job: Mapping[str, Any]) -> dict[str, Any]:
    template = job["spec"]["template"]
    made = datetime.now(UTC).isoformat(timespec="seconds")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "name": name, "creationTimestamp": made},
        "spec": template["spec"],
        "status": {"phase": "Pending"},
    }


def _unschedulable(what: str) -> dict[str, Any]:
    """The scheduler's words, as if it had said them for ten minutes."""
    since = (datetime.now(UTC) - timedelta(minutes=10)).isoformat(timespec="seconds")
    message = f"0/3 nodes are available: {what}. preemption: 0/3 nodes are available."
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
        "lastTransitionTime": since,
    }
    return {"phase": "Pending", "conditions": [condition]}


def _not_pulled(image: str) -> dict[str, Any]:
    waiting = {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{image}"'}
    state = {"name": "dagster", "image": image, "state": {"waiting": waiting}}
    return {"phase": "Pending", "conditions": [], "containerStatuses": [state]}
