"""Both lanes on Kubernetes: from images to Jobs to decisions, and what is said when a pod hangs.

Daemon, code server, launcher, runs and doctor are the real ones. The API is an emulator on
loopback, and a node is played (`tests.deploy.cluster`); no container is started.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
from dagster import DagsterRunStatus

from tests.deploy.cluster import CPU_IMAGE, GPU, GPU_IMAGE, Cluster
from tests.deploy.kubernetes_api import KubernetesApi
from tests.support.pictures import picture
from tests.support.servers import PostgresServer

IMAGES = 21  # one more than go along with the gpu lane while nothing was measured
KUBERNETES = "1.34"


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer
) -> Iterator[Cluster]:
    """Images have landed; the node has no GPU yet, and only the image of the cpu lane."""
    api = KubernetesApi()
    api.start()
    database = postgres.create_database()
    home = tmp_path_factory.mktemp("cluster") / "home"
    cluster = Cluster(home, api, postgres.url(database))
    try:
        incoming = cluster.incoming("acme")
        incoming.mkdir(parents=True)
        for n in range(IMAGES):
            (incoming / f"{n}.jpg").write_bytes(picture(n))
        cluster.start()
        cluster.until(lambda: jobs(cluster, "gpu"), "the gpu lane's Job is made")
        yield cluster
    finally:
        cluster.close()
        api.stop()
        postgres.drop_database(database)


def jobs(cluster: Cluster, lane: str) -> list[dict[str, Any]]:
    return [
        job
        for job in cluster.api.all("jobs").values()
        if job["spec"]["template"]["metadata"]["labels"]["parjanya/lane"] == lane
    ]


def container(job: dict[str, Any]) -> dict[str, Any]:
    return job["spec"]["template"]["spec"]["containers"][0]


def findings(cluster: Cluster) -> dict[str, dict[str, Any]]:
    said = cluster.parjanya("doctor", "--json")
    assert said.stdout, said.stderr
    answer = json.loads(said.stdout)
    assert answer["could_not_read"] == {}
    return {one["code"]: one for one in answer["findings"]}


def test_jobs_of_both_lanes_are_valid_kubernetes_objects(cluster: Cluster) -> None:
    for lane in ("cpu", "gpu"):
        for job in jobs(cluster, lane):
            kubernetes_validate.validate(job, KUBERNETES, strict=True)


def test_a_gpu_is_asked_for_exactly_in_the_gpu_lane(cluster: Cluster) -> None:
    for lane, gpus, image in (("cpu", None, CPU_IMAGE), ("gpu", "1", GPU_IMAGE)):
        assert jobs(cluster, lane)
        for job in jobs(cluster, lane):
            one, pod = container(job), job["spec"]["template"]["spec"]
            assert one["resources"]["limits"].get(GPU) == gpus
            assert GPU not in one["resources"]["requests"]
            assert one["image"] == image
            assert pod["nodeSelector"] == {"parjanya/lane": lane}
            assert pod["priorityClassName"] == f"parjanya-{lane}-runs"
            tolerated = {toleration["key"] for toleration in pod["tolerations"]}
            assert (GPU in tolerated) is (gpus is not None)


def test_nodes_do_not_move_runs(cluster: Cluster) -> None:
    for job in jobs(cluster, "gpu"):
        annotations = job["spec"]["template"]["metadata"]["annotations"]
        assert annotations["karpenter.sh/do-not-disrupt"] == "true"


def test_a_pod_without_a_node_becomes_a_finding_with_the_schedulers_words(
    cluster: Cluster,
) -> None:
    one = findings(cluster)["run_unplaced"]
    assert one["boundary"] == "Execution"
    assert f"0/3 nodes are available: 1 Insufficient {GPU}" in one["summary"]
    assert one["evidence"]["run"] in one["summary"]


def test_an_image_that_cannot_be_pulled_becomes_a_finding_that_names_it(cluster: Cluster) -> None:
    cluster.node.gpus = 1
    cluster.until(lambda: "run_image_missing" in findings(cluster), "the finding is there")
    found = findings(cluster)
    assert "run_unplaced" not in found
    assert GPU_IMAGE in found["run_image_missing"]["summary"]
    assert found["run_image_missing"]["severity"] == "error"


def test_once_the_image_is_there_every_image_is_decided(cluster: Cluster) -> None:
    cluster.node.images.add(GPU_IMAGE)
    cluster.until(lambda: cluster.settled({"acme": IMAGES}), "every image is decided")
    cluster.until(cluster.idle, "every run has ended")
    assert {row.pipeline_status for row in cluster.rows("acme").values()} == {"curated"}
    with cluster.dagster() as dagster:
        assert {run.status for run in dagster.get_runs()} == {DagsterRunStatus.SUCCESS}
    found = findings(cluster)
    assert [code for code in found if code.startswith("run_")] == []


def test_a_terminated_run_takes_its_job_with_it(cluster: Cluster) -> None:
    cluster.node.gpus = 0  # so that the run waits for a node
    before = {job["metadata"]["name"] for job in jobs(cluster, "gpu")}
    (cluster.incoming("acme") / "late.jpg").write_bytes(picture(99))

    def fresh() -> list[str]:
        return [
            job["metadata"]["name"]
            for job in jobs(cluster, "gpu")
            if job["metadata"]["name"] not in before
        ]

    cluster.until(fresh, "a run waits for a node")
    name = fresh()[0]
    run_id = name.removeprefix("dagster-run-")
    with cluster.dagster() as dagster:
        assert dagster.run_launcher.terminate(run_id)
        assert dagster.get_run_by_id(run_id).status is DagsterRunStatus.CANCELING
    assert name not in cluster.api.all("jobs")


def test_a_process_of_the_control_plane_that_is_away_is_named(cluster: Cluster) -> None:
    """Last, since neither comes back."""
    assert {"code_location_away", "daemon_away"}.isdisjoint(findings(cluster))
    cluster.kill("code")
    cluster.until(lambda: "code_location_away" in findings(cluster), "the code location is named")
    assert "daemon_away" not in findings(cluster)
    cluster.kill("daemon")
    cluster.until(lambda: "daemon_away" in findings(cluster), "the daemon is named")
    assert "code_location_away" not in findings(cluster)
