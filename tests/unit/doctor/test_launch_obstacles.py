"""From what a platform says of a pod or a task to what keeps a run from running."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from parjanya_dagster.doctor.findings import Boundary
from parjanya_dagster.doctor.launch_obstacles import (
    IMAGE,
    KILLED,
    NOT_STARTED,
    REFUSED,
    UNPLACED,
    Obstacle,
    findings,
    of_job_event,
    of_pod,
    of_task,
)
from parjanya_dagster.doctor.launchers import MOST, Pods

NOW = 1_760_000_000.0
MADE = "2025-10-09T08:53:20Z"  # NOW


def pod(run: str = "r1", **status: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": f"dagster-run-{run}-x",
            "labels": {"dagster/run-id": run},
            "creationTimestamp": MADE,
        },
        "status": status,
    }


def container(**state: Any) -> dict[str, Any]:
    return {"name": "dagster", "image": "r/parjanya-gpu:9", "state": state}


def unscheduled(message: str = "0/3 nodes are available") -> dict[str, Any]:
    return {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
        "lastTransitionTime": MADE,
    }


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (
            {"conditions": [unscheduled("1 Insufficient nvidia.com/gpu")]},
            UNPLACED,
            "nvidia.com/gpu",
        ),
        (
            {"containerStatuses": [container(waiting={"reason": "ImagePullBackOff"})]},
            IMAGE,
            "r/parjanya-gpu:9",
        ),
        (
            {"initContainerStatuses": [container(waiting={"reason": "ErrImagePull"})]},
            IMAGE,
            "ErrImagePull",
        ),
        (
            {
                "containerStatuses": [
                    container(
                        waiting={
                            "reason": "CreateContainerConfigError",
                            "message": 'secret "parjanya-truth" not found',
                        }
                    )
                ]
            },
            NOT_STARTED,
            'secret "parjanya-truth" not found',
        ),
        (
            {"containerStatuses": [container(terminated={"reason": "OOMKilled", "exitCode": 137})]},
            KILLED,
            "OOMKilled",
        ),
        ({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}, KILLED, "low on"),
        (
            {"containerStatuses": [container(terminated={"reason": "StartError"})]},
            NOT_STARTED,
            "StartError",
        ),
    ],
)
def test_a_pod_that_does_not_run_says_why(status: dict[str, Any], kind: str, words: str) -> None:
    one = of_pod(pod(**status))
    assert one is not None
    assert (one.kind, one.run_id) == (kind, "r1")
    assert words in one.said


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"phase": "Pending"},
        {"containerStatuses": [container(waiting={"reason": "ContainerCreating"})]},
        {"phase": "Running", "containerStatuses": [container(running={"startedAt": MADE})]},
        {"containerStatuses": [container(terminated={"reason": "Completed", "exitCode": 0})]},
        # A run that failed by itself has a log; that is no obstacle of the platform.
        {"containerStatuses": [container(terminated={"reason": "Error", "exitCode": 1})]},
        {"conditions": [{"type": "PodScheduled", "status": "True"}]},
    ],
)
def test_a_pod_that_runs_or_is_on_its_way_has_no_obstacle(status: dict[str, Any]) -> None:
    assert of_pod(pod(**status)) is None


def test_a_job_whose_pod_is_refused_says_why() -> None:
    event = {
        "metadata": {"name": "e", "creationTimestamp": MADE},
        "involvedObject": {"kind": "Job", "name": "dagster-run-r7"},
        "reason": "FailedCreate",
        "message": 'no PriorityClass with name "parjanya-gpu-runs" was found',
    }
    one = of_job_event(event)
    assert one is not None
    assert (one.kind, one.run_id, one.since) == (REFUSED, "r7", NOW)
    assert of_job_event({**event, "reason": "SuccessfulCreate"}) is None
    assert of_job_event({**event, "involvedObject": {"name": "another"}}) is None


def task(**said: Any) -> dict[str, Any]:
    made = datetime.fromtimestamp(NOW, UTC)
    return {"taskArn": "arn:aws:ecs:r:1:task/c/t1", "createdAt": made, **said}


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (
            {"lastStatus": "PROVISIONING", "capacityProviderName": "gpus"},
            UNPLACED,
            "waits for gpus",
        ),
        (
            {
                "lastStatus": "STOPPED",
                "stopCode": "TaskFailedToStart",
                "stoppedReason": "CannotPullContainerError: manifest for r/x:9 not found",
            },
            IMAGE,
            "r/x:9 not found",
        ),
        (
            {
                "lastStatus": "STOPPED",
                "stopCode": "TaskFailedToStart",
                "stoppedReason": "ResourceInitializationError: unable to pull secrets",
            },
            NOT_STARTED,
            "unable to pull secrets",
        ),
        (
            {
                "lastStatus": "STOPPED",
                "stopCode": "EssentialContainerExited",
                "containers": [{"reason": "OutOfMemoryError: Container killed"}],
            },
            KILLED,
            "OutOfMemoryError",
        ),
        ({"lastStatus": "STOPPED", "stopCode": "SpotInterruption"}, KILLED, "SpotInterruption"),
    ],
)
def test_a_task_that_does_not_run_says_why(said: dict[str, Any], kind: str, words: str) -> None:
    one = of_task("r1", task(**said))
    assert one is not None
    assert (one.kind, one.where, one.since) == (kind, "task t1", NOW)
    assert words in one.said


@pytest.mark.parametrize(
    "said",
    [
        {"lastStatus": "PENDING"},
        {"lastStatus": "RUNNING"},
        {"lastStatus": "STOPPED", "stopCode": "EssentialContainerExited"},
        {"lastStatus": "STOPPED", "stopCode": "UserInitiated", "stoppedReason": "Task stopped"},
    ],
)
def test_a_task_that_runs_or_has_run_has_no_obstacle(said: dict[str, Any]) -> None:
    assert of_task("r1", task(**said)) is None


def test_a_node_may_take_a_while_to_come() -> None:
    waits = Obstacle(kind=UNPLACED, run_id="r1", where="pod p", said="Unschedulable", since=NOW)
    assert list(findings([waits], NOW + 299)) == []
    (one,) = findings([waits], NOW + 301)
    assert (one.code, one.boundary, one.since) == ("run_unplaced", Boundary.EXECUTION, NOW)


def test_one_finding_per_kind_tells_of_the_oldest() -> None:
    those = [
        Obstacle(kind=IMAGE, run_id=f"r{n}", where=f"pod p{n}", said="no", since=NOW - n)
        for n in range(3)
    ]
    (one,) = findings(those, NOW)
    assert one.summary == "3 runs with a node, and its image cannot be pulled. pod p2: no"
    assert one.evidence == {"runs": 3, "run": "r2"}


class Core:
    """A Kubernetes client that answers from lists, and keeps what it was asked."""

    def __init__(self, pods: list[dict[str, Any]], events: list[dict[str, Any]]) -> None:
        self.asked: list[str] = []
        self._pods, self._events = pods, events

    def list_namespaced_pod(self, namespace: str, **said: Any) -> Any:
        self.asked.append(said["label_selector"])
        return SimpleNamespace(data=json.dumps({"items": self._pods}).encode())

    def list_namespaced_event(self, namespace: str, **said: Any) -> Any:
        self.asked.append(said["field_selector"])
        return SimpleNamespace(data=json.dumps({"items": self._events}).encode())


def test_events_are_read_only_for_runs_without_a_pod() -> None:
    core = Core([pod("r1", phase="Running")], [])
    assert Pods(core, "parjanya").obstacles(["r1"]) == []
    assert len(core.asked) == 1
    Pods(core, "parjanya").obstacles(["r1", "r2"])
    assert core.asked[1:] == [
        "dagster/run-id in (r1,r2)",
        "involvedObject.kind=Job,reason=FailedCreate",
    ]


def test_pods_of_other_runs_are_nobodys_business() -> None:
    core = Core([pod("other", conditions=[unscheduled()])], [])
    assert Pods(core, "parjanya").obstacles(["r1"]) == []


def test_no_run_is_no_question_and_many_are_bounded() -> None:
    core = Core([], [])
    assert Pods(core, "parjanya").obstacles([]) == []
    assert core.asked == []
    Pods(core, "parjanya").obstacles([f"r{n}" for n in range(MOST + 10)])
    assert core.asked[0].count(",") == MOST - 1
