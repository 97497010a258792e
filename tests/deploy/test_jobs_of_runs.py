"""Who a run is on Kubernetes: the Jobs that the real launcher makes, beside the manifests.

Dagster's launcher lays three things over one another: its own configuration, what the code location
hands on, and the tags of the lane's job. Which of them wins is seen on the Job alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
from dagster import DagsterInstance, instance_for_test

from parjanya_dagster.defs.schedules import retention_job
from parjanya_dagster.lanes import Lane
from tests.deploy import chart, launched
from tests.deploy.objects import SITES, of, pod
from tests.deploy.sites import lanes_of, settings_of

KUBERNETES = "1.34"
GPU = "nvidia.com/gpu"

Made = dict[str, Any]


@pytest.fixture(scope="module")
def instance() -> Iterator[DagsterInstance]:
    with instance_for_test() as instance:
        yield instance


@pytest.fixture(scope="module", params=SITES)
def site(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def lanes(site: str) -> dict[str, Lane]:
    return lanes_of(site)


@pytest.fixture(scope="module")
def image(site: str) -> str:
    """That of the code location, which it tells Dagster."""
    (code,) = pod(of("Deployment", site)["parjanya-code"])["containers"]
    (told,) = [one["value"] for one in code["env"] if one["name"] == "DAGSTER_CURRENT_IMAGE"]
    assert told == code["image"]
    return told


@pytest.fixture(scope="module")
def jobs(
    instance: DagsterInstance,
    tmp_path_factory: pytest.TempPathFactory,
    site: str,
    lanes: dict[str, Lane],
    image: str,
) -> dict[str, Made]:
    """The Jobs of every job that Dagster launches: those of lanes, and one without their tags."""
    folder = tmp_path_factory.mktemp(site)
    values = chart.values(site)
    tags = {name: dict(lane.tags) for name, lane in lanes.items()} | {retention_job.name: {}}
    return {name: launched.job(values, instance, folder, name, tags[name], image) for name in tags}


def labels(job: Made) -> dict[str, str]:
    return job["spec"]["template"]["metadata"]["labels"]


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a label selector of Kubernetes means these labels."""
    operators = {
        "In": lambda one: labels.get(one["key"]) in one["values"],
        "NotIn": lambda one: labels.get(one["key"]) not in one["values"],
        "Exists": lambda one: one["key"] in labels,
        "DoesNotExist": lambda one: one["key"] not in labels,
    }
    return all(
        labels.get(name) == value for name, value in selector.get("matchLabels", {}).items()
    ) and all(operators[one["operator"]](one) for one in selector.get("matchExpressions", []))


def test_a_run_is_nobody_in_the_cluster(jobs: dict[str, Made]) -> None:
    for made in jobs.values():
        assert pod(made)["serviceAccountName"] == "parjanya-runs"
        assert pod(made)["automountServiceAccountToken"] is False
        kubernetes_validate.validate(made, KUBERNETES, strict=True)


def test_a_run_has_a_label_of_its_own(jobs: dict[str, Made]) -> None:
    for made in jobs.values():
        assert labels(made)["parjanya/part"] == "run"


def test_no_budget_of_the_control_plane_counts_runs(site: str, jobs: dict[str, Made]) -> None:
    """The budget cannot tell how many pods a Job should have, and then forbids every eviction."""
    assert of("PodDisruptionBudget", site)
    for budget in of("PodDisruptionBudget", site).values():
        for made in (*jobs.values(), *(one["spec"] for one in of("Job", site).values())):
            template = made.get("spec", made)["template"]["metadata"]["labels"]
            assert not selects(budget["spec"]["selector"], template)


def test_a_run_has_the_settings_and_the_truth_of_the_code_location(
    site: str, jobs: dict[str, Made], lanes: dict[str, Lane], image: str
) -> None:
    (code,) = pod(of("Deployment", site)["parjanya-code"])["containers"]
    ours = {next(iter(one.values()))["name"] for one in code["envFrom"]}
    images = of("ConfigMap", site)["parjanya-settings"]["data"]
    for name, made in jobs.items():
        (container,) = pod(made)["containers"]
        sources = [next(iter(one.values()))["name"] for one in container["envFrom"]]
        assert set(sources) == ours
        assert len(sources) == len(set(sources))
        lane = lanes[name].name.upper() if name in lanes else ""
        assert container["image"] == images.get(f"PARJANYA_LANES__{lane}__IMAGE", image)


def test_a_run_asks_for_what_it_needs_and_not_for_what_the_code_location_needs(
    site: str, jobs: dict[str, Made], lanes: dict[str, Lane]
) -> None:
    wishes = settings_of(site).lanes.by_name
    for name, made in jobs.items():
        (container,) = pod(made)["containers"]
        asked = container["resources"]["requests"]
        if name in lanes:
            lane = lanes[name]
            needs = wishes[lane.name].needs(lane.needs) if lane.name in wishes else lane.needs
            assert asked["cpu"] == f"{needs.cpu:g}"
            assert asked["memory"] == f"{needs.memory_mib}Mi"
        else:
            assert (asked["cpu"], asked["memory"]) == ("250m", "1Gi")
        assert "ephemeral-storage" in asked


def test_a_run_of_a_lane_knows_how_long_it_has_to_hand_back(
    jobs: dict[str, Made], lanes: dict[str, Lane]
) -> None:
    for name in lanes:
        (container,) = pod(jobs[name])["containers"]
        told = [one["value"] for one in container["env"] if one["name"].endswith("STOP_TIMEOUT")]
        assert told == [str(pod(jobs[name])["terminationGracePeriodSeconds"])] == ["60"]


def test_a_gpu_is_held_by_runs_or_by_the_server_that_they_ask() -> None:
    """Settings and lanes of each example: the code location would refuse what contradicts."""
    holding = {site: _gpus(site) for site in SITES}
    assert holding == {"one-node": (0, 0), "team": (1, 0), "fleet": (0, 1)}


def _gpus(site: str) -> tuple[int, int]:
    by_runs = sum(
        int(lane.tags["dagster-k8s/config"]["container_config"]["resources"]["limits"].get(GPU, 0))
        for lane in lanes_of(site).values()
    )
    by_server = sum(
        int(container["resources"]["limits"].get(GPU, 0))
        for one in of("Deployment", site).values()
        for container in pod(one)["containers"]
    )
    return by_runs, by_server


def test_a_run_fits_the_strictest_standard_for_pods(jobs: dict[str, Made]) -> None:
    for made in map(pod, jobs.values()):
        (container,) = made["containers"]
        assert made["securityContext"]["runAsNonRoot"] is True
        assert made["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_pods_without_a_class_come_before_runs(
    site: str, jobs: dict[str, Made], lanes: dict[str, Lane]
) -> None:
    """Dagster's chart has no key for the priority of its pods, so theirs is 0, and so is ours."""
    classes = of("PriorityClass", site)
    for name in lanes:
        one = classes[pod(jobs[name])["priorityClassName"]]
        # The cluster autoscaler starts no node for pods below -10.
        assert -10 < one["value"] < 0
        assert one["preemptionPolicy"] == "Never"
    assert not any(one.get("globalDefault") for one in classes.values())
    for each in of("Deployment", site).values():
        assert "priorityClassName" not in pod(each)
