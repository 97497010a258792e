"""Who a run is on Kubernetes: the Jobs that the real launcher makes, beside the manifests.

Dagster's launcher lays three things over one another: its own configuration, what the code location
hands on, and the tags of the lane's job. Which of them wins is seen on the Job alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from dagster import DagsterInstance, instance_for_test

from parjanya_dagster.defs.schedules import retention_job
from parjanya_dagster.lanes import SPLIT
from parjanya_dagster.lanes.placement import placed
from tests.deploy import chart, launched
from tests.deploy.objects import of

KUBERNETES = "1.34"
LANES = {lane.name: lane for lane in placed(SPLIT, "kubernetes", {})}
JOBS = (*(lane.job for lane in LANES.values()), retention_job.name)
"""Every job that Dagster launches: those of lanes, and one without the tags of a lane."""

Made = dict[str, Any]


@pytest.fixture(scope="module")
def instance() -> Iterator[DagsterInstance]:
    with instance_for_test() as instance:
        yield instance


@pytest.fixture
def job(instance: DagsterInstance, tmp_path: Path) -> Callable[[str], Made]:
    """The Job of a run, by the name of its job."""
    tags = {lane.job: dict(lane.tags) for lane in LANES.values()}

    def made(name: str) -> Made:
        return launched.job(chart.values(), instance, tmp_path, name, tags.get(name, {}))

    return made


def pod(job: Made) -> Made:
    return job["spec"]["template"]["spec"]


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


@pytest.mark.parametrize("name", JOBS)
def test_a_run_is_nobody_in_the_cluster(job: Callable[[str], Made], name: str) -> None:
    made = job(name)
    assert pod(made)["serviceAccountName"] == "parjanya-runs"
    assert pod(made)["automountServiceAccountToken"] is False
    kubernetes_validate.validate(made, KUBERNETES, strict=True)


@pytest.mark.parametrize("name", JOBS)
def test_a_run_has_a_label_of_its_own(job: Callable[[str], Made], name: str) -> None:
    assert labels(job(name))["parjanya/part"] == "run"


@pytest.mark.parametrize("name", JOBS)
def test_no_budget_of_the_control_plane_counts_runs(job: Callable[[str], Made], name: str) -> None:
    """The budget cannot tell how many pods a Job should have, and then forbids every eviction."""
    made = labels(job(name))
    for budget in of("PodDisruptionBudget").values():
        assert not selects(budget["spec"]["selector"], made)


@pytest.mark.parametrize("name", JOBS)
def test_a_run_has_the_settings_and_the_truth_of_the_code_location(
    job: Callable[[str], Made], name: str
) -> None:
    (container,) = pod(job(name))["containers"]
    sources = [next(iter(one.values()))["name"] for one in container["envFrom"]]
    ours = chart.location(chart.values())
    for one in (*ours["envConfigMaps"], *ours["envSecrets"]):
        assert sources.count(one["name"]) == 1
    assert len(sources) == len(set(sources))
    assert container["image"] == chart.code_image(chart.values())


@pytest.mark.parametrize("name", JOBS)
def test_a_run_asks_for_what_it_needs_and_not_for_what_the_code_location_needs(
    job: Callable[[str], Made], name: str
) -> None:
    (container,) = pod(job(name))["containers"]
    lane = next((lane for lane in LANES.values() if lane.job == name), None)
    asked = container["resources"]["requests"]
    if lane is not None:
        assert asked["cpu"] == f"{lane.needs.cpu:g}"
        assert asked["memory"] == f"{lane.needs.memory_mib}Mi"
    else:
        assert asked == {"cpu": "250m", "memory": "1Gi"}


@pytest.mark.parametrize("name", JOBS)
def test_a_run_fits_the_strictest_standard_for_pods(job: Callable[[str], Made], name: str) -> None:
    made = pod(job(name))
    (container,) = made["containers"]
    assert made["securityContext"]["runAsNonRoot"] is True
    assert made["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("name", [lane.job for lane in LANES.values()])
def test_pods_without_a_class_come_before_runs(job: Callable[[str], Made], name: str) -> None:
    """The chart has no key for the priority of its pods, so theirs is 0."""
    classes = of("PriorityClass")
    rank = classes[pod(job(name))["priorityClassName"]]["value"]
    assert rank < 0
    # The cluster autoscaler starts no node for pods below -10.
    assert rank > -10
    assert not any(one.get("globalDefault") for one in classes.values())
