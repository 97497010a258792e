"""The chart and both lanes' runs on a real control plane of Kubernetes.

API server, controllers, scheduler, roles and admission are real, and of the version that Debian has
the sources of (1.20). So are daemon, code server, launcher, runs and doctor. The nodes are played.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterRunStatus

from tests.cluster.control_plane import ADMIN, NAMESPACE, ROOT, ControlPlane, Object, Refused
from tests.cluster.kubelet import GPU, Kubelet, node
from tests.cluster.site import OPERATORS, SITE
from tests.deploy import chart
from tests.deploy.cluster import Cluster
from tests.deploy.objects import SITES, objects, of
from tests.support.pictures import picture
from tests.support.servers import PostgresServer
from tests.support.waiting import wait_until

FOREIGN = OPERATORS | {"HTTPRoute", "ScaledObject", "ExternalSecret", "NodePool", "EC2NodeClass"}
TOKEN_AT = "/var/run/secrets/kubernetes.io/serviceaccount"
CLAIM = "parjanya-models"
PART = "parjanya/part"
IMAGES = 3


@pytest.mark.parametrize("site", SITES)
def test_the_server_takes_every_object_of_the_chart(api: ControlPlane, site: str) -> None:
    for one in objects(site):
        if one["kind"] not in FOREIGN:
            assert api.create(one, dry=True)["kind"] == one["kind"]


def test_every_pod_is_admitted_and_only_who_asks_the_cluster_gets_a_token(
    installed: ControlPlane,
) -> None:
    """By the server's own admission, which mounts tokens and checks accounts and classes."""
    expected = {
        one["spec"]["template"]["metadata"]["labels"][PART]
        for kind in ("Deployment", "Job")
        for one in of(kind, SITE).values()
    }

    def made() -> dict[str, Object]:
        return {pod["metadata"]["labels"][PART]: pod for pod in installed.all("Pod").values()}

    wait_until(lambda: made().keys() == expected, "each Deployment and Job has a pod")
    with_token = {
        part
        for part, pod in made().items()
        if any(
            mount["mountPath"] == TOKEN_AT
            for container in pod["spec"]["containers"]
            for mount in container["volumeMounts"]
        )
    }
    assert with_token == {"metrics", "desk"}
    assert {pod["spec"]["priority"] for pod in made().values()} == {0}


@pytest.mark.parametrize(
    ("account", "allowed"),
    [
        ("control", {"create jobs", "get jobs", "delete jobs", "get jobs/status", "list pods",
                     "get pods/log", "list events"}),
        ("metrics", {"list pods", "list events"}),
        ("desk", {"list pods", "list events"}),
        *((name, set[str]()) for name in ("code", "runs", "uploads", "login", "model")),
    ],
)  # fmt: skip
def test_who_may_do_what_by_the_servers_own_word(
    installed: ControlPlane, account: str, allowed: set[str]
) -> None:
    asked = [
        *(f"{verb} jobs" for verb in ("create", "get", "delete")),
        *("get jobs/status", "list pods", "get pods/log", "list events"),
        *("create pods", "create pods/exec", "get secrets", "list secrets", "get configmaps"),
        *("create serviceaccounts/token", "create rolebindings", "update roles"),
    ]
    groups = {"jobs": "batch", "roles": "rbac.authorization.k8s.io"}
    groups["rolebindings"] = groups["roles"]
    told = {
        one
        for one in asked
        if installed.may(
            f"parjanya-{account}",
            one.partition(" ")[0],
            one.partition(" ")[2],
            group=groups.get(one.partition(" ")[2].partition("/")[0], ""),
        )
    }
    assert told == allowed


RUNBOOK = ROOT / "docs" / "runbook.md"
NEEDS_A_KUBELET = ("logs", "exec")
NOT_HERE = ("scaledobject",)  # a kind of KEDA


def kubectl_lines() -> list[str]:
    """What the runbook says to type, but for what only a node or an operator could answer."""
    lines = re.findall(r"`(kubectl [^`]+)`", RUNBOOK.read_text().replace("\n  ", " "))
    return [line for line in lines if not {*NEEDS_A_KUBELET, *NOT_HERE} & set(line.split())]


@pytest.mark.parametrize("line", kubectl_lines())
def test_a_line_of_the_runbook_is_one_that_the_server_takes(
    installed: ControlPlane, tmp_path: Path, line: str
) -> None:
    program = ROOT / ".deploy-venv" / "bin" / "kubectl"
    if not program.exists():
        pytest.skip("kubectl: `make deploy-check` installs it")
    daemon = of("Deployment", SITE)["parjanya-code"]
    with suppress(Refused):  # Dagster's chart makes it
        installed.create(daemon | {"metadata": {"name": "dagster-daemon"}})
    done = subprocess.run(
        [program, *shlex.split(line)[1:]],
        env={"KUBECONFIG": str(installed.kubeconfig(tmp_path / "admin.yaml", ADMIN)),
             "HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


class RealCluster(Cluster):
    """Its launcher and its doctor are who the chart makes them, with a token of the server's."""

    api: ControlPlane

    def nodes(self, environment: Mapping[str, str]) -> Kubelet:
        return Kubelet(self.api, environment)

    def launcher(self) -> dict[str, Any]:
        token = self.api.token_of("parjanya-control")
        config = self.api.kubeconfig(self.home / "control.yaml", token)
        return chart.launcher_config(chart.values(SITE)) | {
            "load_incluster_config": False,
            "kubeconfig_file": str(config),
            "dagster_home": str(self.home / "dagster"),
        }


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, installed: ControlPlane, postgres: PostgresServer
) -> Iterator[RealCluster]:
    """Images have landed. The node for models has no GPU yet."""
    database = postgres.create_database()
    home = tmp_path_factory.mktemp("cluster") / "home"
    cluster = RealCluster(
        home, installed, postgres.url(database), lanes__gpu__models=CLAIM, runs__lease="20"
    )
    room = {"cpu": "16", "memory": "64Gi"}
    for one in (
        node("control", "", **room),
        node("cpu", "cpu", **room),
        node("gpu", "gpu", **room),
    ):
        cluster.node.join(one)
    for one in volume():
        installed.create(one)
    try:
        put(cluster, *range(IMAGES))
        cluster.start()
        yield cluster
    finally:
        cluster.close()
        postgres.drop_database(database)


def volume() -> list[Object]:
    """A volume with models, and the claim that the site names."""
    modes, room = ["ReadOnlyMany"], {"storage": "1Gi"}
    claim = {"namespace": NAMESPACE, "name": CLAIM}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": CLAIM},
            "spec": {
                "capacity": room,
                "accessModes": modes,
                "hostPath": {"path": "/models"},
                "claimRef": claim,
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": CLAIM},
            "spec": {"accessModes": modes, "resources": {"requests": room}, "storageClassName": ""},
        },
    ]


def put(cluster: RealCluster, *numbers: int) -> None:
    cluster.incoming("acme").mkdir(parents=True, exist_ok=True)
    for n in numbers:
        (cluster.incoming("acme") / f"{n}.jpg").write_bytes(picture(n))


def pods(cluster: RealCluster, lane: str) -> dict[str, Object]:
    """Those of a lane's runs that have not ended."""
    return {
        name: pod
        for name, pod in cluster.api.all("Pod").items()
        if pod["metadata"]["labels"].get("parjanya/lane") == lane
        and pod["status"]["phase"] in ("Pending", "Running")
    }


def findings(cluster: RealCluster) -> dict[str, str]:
    """Summaries by code."""
    said = cluster.parjanya("doctor", "--json")
    assert said.stdout, said.stderr
    answer = json.loads(said.stdout)
    assert answer["could_not_read"] == {}
    return {one["code"]: one["summary"] for one in answer["findings"]}


def with_gpus(cluster: RealCluster, number: int) -> None:
    room = {"allocatable": {GPU: str(number)}, "capacity": {GPU: str(number)}}
    cluster.api.change("Node", "gpu", {"status": room}, "/status")


def waits_for_a_node(cluster: RealCluster) -> list[str]:
    return [
        name
        for name, pod in pods(cluster, "gpu").items()
        if any(
            (one["type"], one["status"]) == ("PodScheduled", "False")
            for one in pod["status"].get("conditions", [])
        )
    ]


def all_decided(cluster: RealCluster, number: int) -> None:
    cluster.until(lambda: cluster.settled({"acme": number}), "every image is decided")
    cluster.until(cluster.idle, "every run has ended")
    assert {row.pipeline_status for row in cluster.rows("acme").values()} == {"curated"}


def test_a_pod_that_no_node_takes_is_a_finding_in_the_schedulers_words(
    cluster: RealCluster,
) -> None:
    cluster.until(lambda: waits_for_a_node(cluster), "a pod waits for a GPU")
    assert "run_unplaced" not in findings(cluster)  # a node may be on its way
    for name in waits_for_a_node(cluster):  # it has waited for an hour
        (said,) = cluster.api.get("Pod", name)["status"]["conditions"]
        said["lastTransitionTime"] = "2020-01-01T00:00:00Z"
        cluster.api.change("Pod", name, {"status": {"conditions": [said]}}, "/status")
    found = findings(cluster)["run_unplaced"]
    assert "0/3 nodes are available" in found
    assert f"Insufficient {GPU}" in found


def test_with_a_gpu_every_image_is_decided_on_the_nodes_of_its_lane(cluster: RealCluster) -> None:
    with_gpus(cluster, 1)
    all_decided(cluster, IMAGES)
    for name, pod in cluster.api.all("Pod").items():
        if lane := pod["metadata"]["labels"].get("parjanya/lane"):
            assert pod["spec"]["nodeName"] == lane, name
            assert pod["spec"]["serviceAccountName"] == "parjanya-runs"
            assert pod["spec"]["priority"] < 0
            (container,) = pod["spec"]["containers"]
            mounts = {one["mountPath"] for one in container["volumeMounts"]}
            assert TOKEN_AT not in mounts
            assert ("/models" in mounts) is (lane == "gpu")
    with cluster.dagster() as dagster:
        assert {run.status for run in dagster.get_runs()} == {DagsterRunStatus.SUCCESS}


def test_rows_go_on_where_the_pod_of_their_run_is_deleted(cluster: RealCluster) -> None:
    put(cluster, *range(100, 140))

    def at_work() -> list[str]:
        running = [
            n for n, pod in pods(cluster, "cpu").items() if pod["status"]["phase"] == "Running"
        ]
        leased = any(row.lease_owner for row in cluster.rows("acme").values())
        return running if leased else []

    cluster.until(at_work, "a run works on rows")
    for name in at_work():
        cluster.api.delete("Pod", name)
    all_decided(cluster, IMAGES + 40)


def test_a_pod_that_a_quota_refuses_is_a_finding_in_the_servers_words(
    cluster: RealCluster,
) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"},
             "spec": {"hard": {"pods": "1"}}}  # fmt: skip
    cluster.api.create(quota)
    cluster.until(lambda: "status" in cluster.api.get("ResourceQuota", "full"), "it is counted")
    put(cluster, 200)
    cluster.until(lambda: "run_refused" in findings(cluster), "the finding is there")
    assert "exceeded quota: full" in findings(cluster)["run_refused"]
    cluster.api.delete("ResourceQuota", "full")
    all_decided(cluster, IMAGES + 41)


def test_a_launcher_without_rights_is_a_finding_in_the_servers_words(cluster: RealCluster) -> None:
    binding = of("RoleBinding", SITE)["parjanya-launch-runs"]
    cluster.api.delete("RoleBinding", "parjanya-launch-runs")
    # The doctor asks with the same account here; what the launcher said is told all the same.
    put(cluster, 201)
    cluster.until(lambda: "launcher_failing" in said(cluster), "the launcher is named")
    found = said(cluster)["launcher_failing"]
    assert "K8sRunLauncher" in found
    assert 'cannot create resource "jobs"' in found
    cluster.api.create(binding)
    all_decided(cluster, IMAGES + 42)
    assert "launcher_failing" not in findings(cluster)


def said(cluster: RealCluster) -> dict[str, str]:
    """Summaries, whatever could not be read."""
    answer = json.loads(cluster.parjanya("doctor", "--json").stdout)
    return {one["code"]: one["summary"] for one in answer["findings"]}


def test_a_terminated_run_takes_its_job_and_its_pod_with_it(cluster: RealCluster) -> None:
    with_gpus(cluster, 0)
    put(cluster, 202)
    cluster.until(lambda: waits_for_a_node(cluster), "a run waits for a node")
    (name,) = waits_for_a_node(cluster)
    job = cluster.api.get("Pod", name)["metadata"]["labels"]["job-name"]
    with cluster.dagster() as dagster:
        assert dagster.run_launcher.terminate(job.removeprefix("dagster-run-"))
    cluster.until(lambda: job not in cluster.api.all("Job"), "its Job is gone")
    cluster.until(lambda: name not in cluster.api.all("Pod"), "its pod is gone")
