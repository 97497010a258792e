"""What keeps the pod or the task of a run from running. Pure: descriptions in, obstacles out.

Descriptions are those of the Kubernetes API (a pod, an event of a Job) and of ECS (a task), as
plain data. Nothing in here calls a server.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from parjanya_dagster.doctor.findings import Finding, finding, some
from parjanya_dagster.doctor.grace_periods import GracePeriods

RUN_LABEL = "dagster/run-id"  # the launcher puts it on Jobs and pods

NOT_LAUNCHED, UNPLACED, IMAGE, REFUSED, NOT_STARTED, KILLED = (
    "launcher_failing",
    "run_unplaced",
    "run_image_missing",
    "run_refused",
    "run_not_started",
    "run_killed",
)
_SUMMARY = {
    NOT_LAUNCHED: "{} asked for, and the launcher failed",
    UNPLACED: "{} asked for, and no node has room for it",
    IMAGE: "{} with a node, and its image cannot be pulled",
    REFUSED: "{} asked for, and the cluster refuses its pod",
    NOT_STARTED: "{} with a node, and its container cannot be started",
    KILLED: "{} killed from outside",
}
_IMAGE_REASONS = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
_START_REASONS = {
    *("CreateContainerConfigError", "CreateContainerError", "RunContainerError"),
    *("CrashLoopBackOff", "StartError", "ContainerCannotRun"),
}
_KILLED_REASONS = {"OOMKilled", "Evicted", "Preempting", "NodeLost", "NodeShutdown"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why a run's worker does not run."""

    kind: str  # the code of its finding
    run_id: str
    where: str  # the pod, the Job or the task
    said: str  # the platform's own words
    since: float  # seconds since the epoch


class Workers(Protocol):
    """The system that runs the workers. Raises whatever its client raises."""

    def obstacles(self, run_ids: Sequence[str]) -> list[Obstacle]: ...


class Nowhere:
    """Plain processes of this machine. Dagster notices by itself when they die."""

    def obstacles(self, run_ids: Sequence[str]) -> list[Obstacle]:
        return []


def of_pod(pod: Mapping[str, Any]) -> Obstacle | None:
    """What keeps this pod from running. None: nothing, or nothing yet."""
    metadata, status = pod["metadata"], pod.get("status") or {}

    def obstacle(kind: str, reason: str, message: str | None, at: str | None = None) -> Obstacle:
        text = f"{reason}: {message}" if message else reason
        since = _seconds(at or metadata["creationTimestamp"])
        run_id = (metadata.get("labels") or {}).get(RUN_LABEL, "")
        return Obstacle(
            kind=kind, run_id=run_id, where=f"pod {metadata['name']}", said=text, since=since
        )

    if status.get("reason") in _KILLED_REASONS:
        return obstacle(KILLED, status["reason"], status.get("message"))
    for container in _containers(status):
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason", "")
        if reason in _IMAGE_REASONS:
            # The message of a back-off names no cause; the image is always worth naming.
            message = f"{container.get('image', '')}: {waiting.get('message', '')}"
            return obstacle(IMAGE, reason, message)
        if reason in _START_REASONS:
            return obstacle(NOT_STARTED, reason, waiting.get("message"))
        ended = (container.get("state") or {}).get("terminated") or {}
        if ended.get("reason") in _KILLED_REASONS:
            return obstacle(KILLED, ended["reason"], ended.get("message"), ended.get("finishedAt"))
        if ended.get("reason") in _START_REASONS:
            return obstacle(NOT_STARTED, ended["reason"], ended.get("message"))
    for condition in status.get("conditions") or ():
        if (condition["type"], condition["status"]) == ("PodScheduled", "False"):
            at = condition.get("lastTransitionTime")
            reason = condition.get("reason", "not scheduled")
            return obstacle(UNPLACED, reason, condition.get("message"), at)
    return None


def of_job_event(event: Mapping[str, Any]) -> Obstacle | None:
    """A warning that the Job of a run cannot make its pod: a quota, an admission rule."""
    about = event["involvedObject"]
    name = about.get("name", "")
    if event.get("reason") != "FailedCreate" or not name.startswith("dagster-run-"):
        return None
    at = event.get("firstTimestamp") or event.get("eventTime")
    since = _seconds(at or event["metadata"]["creationTimestamp"])
    run_id = name.removeprefix("dagster-run-")
    return Obstacle(
        kind=REFUSED, run_id=run_id, where=f"Job {name}", said=event.get("message", ""), since=since
    )


def of_task(run_id: str, task: Mapping[str, Any]) -> Obstacle | None:
    """What keeps this ECS task from running."""
    created = task.get("createdAt")
    since = created.timestamp() if isinstance(created, datetime) else 0.0
    where = f"task {task['taskArn'].rsplit('/', 1)[-1]}"
    status = task.get("lastStatus")
    reasons = [container.get("reason", "") for container in task.get("containers") or ()]
    text = " ".join(filter(None, [task.get("stoppedReason", ""), *reasons]))
    if status == "PROVISIONING":
        provider = task.get("capacityProviderName") or "its capacity provider"
        return Obstacle(
            kind=UNPLACED,
            run_id=run_id,
            where=where,
            said=f"waits for {provider} to give a machine",
            since=since,
        )
    if status != "STOPPED":
        return None
    if "CannotPull" in text:
        return Obstacle(kind=IMAGE, run_id=run_id, where=where, said=text, since=since)
    if "OutOfMemory" in text or task.get("stopCode") in ("SpotInterruption", "TerminationNotice"):
        return Obstacle(
            kind=KILLED,
            run_id=run_id,
            where=where,
            said=text or str(task.get("stopCode")),
            since=since,
        )
    if task.get("stopCode") == "TaskFailedToStart":
        return Obstacle(kind=NOT_STARTED, run_id=run_id, where=where, said=text, since=since)
    return None


def findings(
    obstacles: Sequence[Obstacle], now: float, grace: GracePeriods | None = None
) -> Iterator[Finding]:
    """One finding per kind. A pod may wait a while for a node that is on its way."""
    waits = (grace or GracePeriods()).unplaced
    by_kind: dict[str, list[Obstacle]] = defaultdict(list)
    for obstacle in obstacles:
        if obstacle.kind != UNPLACED or now - obstacle.since > waits:
            by_kind[obstacle.kind].append(obstacle)
    for kind, those in by_kind.items():
        oldest = min(those, key=lambda obstacle: obstacle.since)
        yield finding(
            kind,
            f"{_SUMMARY[kind].format(some(len(those), 'run'))}. {oldest.where}: {oldest.said}",
            oldest.since,
            runs=len(those),
            run=oldest.run_id,
        )


def _containers(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    ]


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
