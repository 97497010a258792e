"""A real control plane of Kubernetes on loopback: etcd, API server, controllers and scheduler.

Its programs are built by `make cluster-check` from Debian's sources. It checks what it is given,
asks for tokens, obeys roles, makes pods of Jobs and places them. It has no kubelet: no container is
started (`tests.cluster.kubelet` plays the nodes).
"""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from parjanya_dagster.instance.home import free_port
from tests.support.waiting import tail, wait_until

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / ".kubernetes"
NAMESPACE = "parjanya"
ADMIN = "admin"
Object = dict[str, Any]

# What would need kubelets or a cloud is not started.
CONTROLLERS = ("*", "-nodelifecycle", "-nodeipam", "-attachdetach", "-route", "-service",
               "-cloud-node-lifecycle", "-csrsigning", "-csrapproving")  # fmt: skip
GROUPS = {  # of the kinds that are asked for here
    "Job": "apis/batch/v1",
    "Deployment": "apis/apps/v1",
    "ReplicaSet": "apis/apps/v1",
    "NetworkPolicy": "apis/networking.k8s.io/v1",
    "Ingress": "apis/networking.k8s.io/v1",
    "Role": "apis/rbac.authorization.k8s.io/v1",
    "RoleBinding": "apis/rbac.authorization.k8s.io/v1",
    "PriorityClass": "apis/scheduling.k8s.io/v1",
    "PodDisruptionBudget": "apis/policy/v1beta1",  # v1 came with 1.21
    "SubjectAccessReview": "apis/authorization.k8s.io/v1",
}
PLURALS = {"NetworkPolicy": "networkpolicies", "Ingress": "ingresses",
           "PriorityClass": "priorityclasses"}  # fmt: skip
OF_THE_CLUSTER = {"Namespace", "Node", "PersistentVolume", "PriorityClass", "SubjectAccessReview"}


class Refused(Exception):
    """The API server's answer where it is no."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{status}: {said}")
        self.status = status


def missing() -> list[str]:
    """The programs that are not here."""
    ours = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    return [name for name in ours if not (PROGRAMS / name).exists()] + (
        [] if shutil.which("etcd") else ["etcd"]
    )


class ControlPlane:
    """Start it, talk to its API as anybody, stop it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.url = f"https://127.0.0.1:{free_port()}"

    def start(self) -> None:
        etcd, peers = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        private, public = self._keys()
        tokens = self._folder / "tokens.csv"
        tokens.write_text(f'{ADMIN},{ADMIN},0,"system:masters"\n')
        self._spawn(
            "etcd", shutil.which("etcd") or "", f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls={peers}", f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}", "--unsafe-no-fsync",
        )  # fmt: skip
        self._spawn(
            "kube-apiserver", PROGRAMS / "kube-apiserver", f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none", f"--secure-port={self.url.rpartition(':')[2]}",
            f"--cert-dir={self._folder}", f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC", "--service-cluster-ip-range=10.43.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={private}",
            f"--service-account-key-file={public}", "--feature-gates=TTLAfterFinished=true",
        )  # fmt: skip
        self._until(self._answers, "the API server answers")
        config = self.kubeconfig(self._folder / "admin.yaml", ADMIN)
        self._spawn(
            "kube-controller-manager", PROGRAMS / "kube-controller-manager",
            f"--kubeconfig={config}", "--leader-elect=false", "--port=0", "--secure-port=0",
            f"--controllers={','.join(CONTROLLERS)}",
            f"--service-account-private-key-file={private}", f"--root-ca-file={self._authority}",
            "--feature-gates=TTLAfterFinished=true",
        )  # fmt: skip
        self._spawn(
            "kube-scheduler", PROGRAMS / "kube-scheduler", f"--kubeconfig={config}",
            "--leader-elect=false", "--port=0", "--secure-port=0",
        )  # fmt: skip

    def stop(self) -> None:
        for process in reversed(self._processes.values()):
            process.terminate()
        for process in self._processes.values():
            process.wait()

    def kubeconfig(self, path: Path, token: str) -> Path:
        """Write a kubeconfig file for whoever has this token."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": {
                "server": self.url, "certificate-authority": str(self._authority)}}],
            "users": [{"name": "me", "user": {"token": token}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "current-context": "here",
        }  # fmt: skip
        path.write_text(yaml.safe_dump(config))
        return path

    def token_of(self, account: str) -> str:
        """A token of a service account, as a pod that mounts one gets it."""
        said = self.ask("POST", _path("ServiceAccount", account) + "/token", {"spec": {}})
        return said["status"]["token"]

    def create(self, one: Object, *, dry: bool = False) -> Object:
        """Raises Refused where the server does not take it."""
        place = _path(one["kind"], "", one["metadata"].get("namespace", NAMESPACE))
        if one["kind"] == "PodDisruptionBudget":
            one = one | {"apiVersion": "policy/v1beta1"}
        return self.ask("POST", place + ("?dryRun=All" if dry else ""), one)

    def get(self, kind: str, name: str) -> Object:
        return self.ask("GET", _path(kind, name))

    def all(self, kind: str) -> dict[str, Object]:
        """Objects of a kind by name."""
        kind = {"jobs": "Job", "pods": "Pod"}.get(kind, kind)
        items = self.ask("GET", _path(kind))["items"]
        return {item["metadata"]["name"]: item for item in items}

    def delete(self, kind: str, name: str, *, at_once: bool = False) -> None:
        body = {"gracePeriodSeconds": 0} if at_once else {}
        self.ask("DELETE", _path(kind, name), body | {"propagationPolicy": "Background"})

    def change(self, kind: str, name: str, change: Object, part: str = "") -> Object:
        """Merge into an object, or into its part `/status`."""
        return self.ask("PATCH", _path(kind, name) + part, change)

    def may(self, account: str, verb: str, resource: str, *, group: str = "") -> bool:
        """Whether the server's roles let a service account do this in our namespace."""
        who = f"system:serviceaccount:{NAMESPACE}:{account}"
        asked = {"namespace": NAMESPACE, "verb": verb, "group": group}
        asked["resource"], _, sub = resource.partition("/")
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": who,
                "groups": ["system:serviceaccounts", "system:authenticated"],
                "resourceAttributes": asked | ({"subresource": sub} if sub else {}),
            },
        }
        return self.ask("POST", _path("SubjectAccessReview"), review)["status"]["allowed"]

    def ask(self, method: str, path: str, body: Object | None = None, token: str = ADMIN) -> Object:
        """Raises Refused where the server answers no."""
        merging = method == "PATCH"
        request = urllib.request.Request(
            f"{self.url}/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {token}",
                "Content-Type": f"application/{'merge-patch+' if merging else ''}json",
            },
        )
        trusted = ssl.create_default_context(cafile=str(self._authority))
        try:
            with urllib.request.urlopen(request, timeout=60, context=trusted) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            said = error.read().decode()
            raise Refused(error.code, json.loads(said).get("message", said)) from error

    @property
    def _authority(self) -> Path:
        """What the API server made for itself: its certificate and who signed it."""
        return self._folder / "apiserver.crt"

    def _answers(self) -> bool:
        if not self._authority.exists():
            return False
        try:
            self.ask("GET", "api/v1/namespaces/default")
        except (OSError, Refused):
            return False
        return True

    def _keys(self) -> tuple[Path, Path]:
        """A pair that signs and checks the tokens of service accounts."""
        private, public = self._folder / "accounts.key", self._folder / "accounts.pub"
        for command in (
            ("openssl", "genrsa", "-out", private, "2048"),
            ("openssl", "rsa", "-in", private, "-pubout", "-out", public),
        ):
            subprocess.run(command, check=True, capture_output=True)
        return private, public

    def _spawn(self, name: str, *command: str | Path) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _until(self, true: Any, what: str) -> None:
        wait_until(
            true,
            what,
            died=lambda: any(one.poll() is not None for one in self._processes.values()),
            log=lambda: "\n".join(tail(file) for file in sorted(self._folder.glob("*.log"))),
        )


def _path(kind: str, name: str = "", namespace: str = NAMESPACE) -> str:
    plural = PLURALS.get(kind, kind.lower() + "s")
    group = GROUPS.get(kind, "api/v1")
    place = "" if kind in OF_THE_CLUSTER else f"namespaces/{namespace}/"
    return f"{group}/{place}{plural}" + (f"/{name}" if name else "")
