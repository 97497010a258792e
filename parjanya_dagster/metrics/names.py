"""Every metric: its kind, its labels, what it says. Rules, dashboards and docs use these.

A metric is absent if its value could not be read. Unknown is never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PREFIX = "parjanya_"


@dataclass(frozen=True, slots=True)
class Metric:
    """One family of Prometheus."""

    kind: Literal["gauge", "counter", "histogram"]
    labels: tuple[str, ...]
    says: str


METRICS: dict[str, Metric] = {
    # Can it be measured at all?
    "readable": Metric("gauge", ("layer",), "1 where the layer could be read, 0 where not."),
    "measuring_seconds": Metric("gauge", (), "What reading all of this took."),
    # Truth
    "images": Metric("gauge", ("tenant", "status"), "Images by pipeline status."),
    "verdicts": Metric(
        "gauge",
        ("tenant", "verdict", "decided_by"),
        "Decided images by the verdict that counts. Those for review wait for a person.",
    ),
    "failed_images": Metric("gauge", ("tenant", "failure_class"), "Failed images by class."),
    "in_flight": Metric("gauge", ("tenant",), "Images under a lease."),
    "conservation": Metric(
        "gauge", ("tenant",), "Rows registered less rows present and departed. Must be 0."
    ),
    "clock_ahead_seconds": Metric("gauge", (), "How far Truth's clock is ahead of this machine's."),
    "due": Metric("gauge", ("lane", "stage", "tenant"), "Backlog: images that could be claimed."),
    "due_oldest_seconds": Metric(
        "gauge", ("lane", "stage", "tenant"), "Since when the oldest of them is due."
    ),
    # Belief
    "heartbeat_age_seconds": Metric("gauge", ("loop",), "Since a loop last completed."),
    "loop_seconds": Metric("gauge", ("loop",), "What its last completion took."),
    "reconciliations_total": Metric("counter", (), "Completed reconciliations."),
    "reconciling_seconds_total": Metric("counter", (), "What they took."),
    "sensor_on": Metric("gauge", ("sensor",), "1 where Dagster runs the sensor."),
    "sensor_failed_ticks": Metric("gauge", ("sensor",), "Failed ticks in a row, up to now."),
    "partition_keys": Metric("gauge", (), "Partition keys that Dagster knows."),
    # Intent
    "runs": Metric("gauge", ("lane", "state"), "Runs that have not ended, by state."),
    "run_oldest_seconds": Metric(
        "gauge", ("lane", "state"), "Since when the oldest of them is in that state."
    ),
    "launch_deadline_seconds": Metric(
        "gauge", ("lane",), "How long a launched run of the lane may take until its process runs."
    ),
    "uncovered": Metric("gauge", ("lane",), "Images due that no live run has before it."),
    "uncovered_oldest_seconds": Metric(
        "gauge", ("lane",), "Since when the oldest of them is due. 0: all are covered."
    ),
    "queue_full": Metric("gauge", ("lane",), "1 where the backlog guard asks for no more runs."),
    "lane_held": Metric("gauge", ("lane",), "1 where the lane drifted and is held."),
    "intent_emitted_total": Metric("counter", ("lane",), "Runs the reconciler asked for."),
    "intent_guarded_total": Metric(
        "counter", (), "Batches held back by the backlog guard, once per reconciliation."
    ),
    "intent_deduplicated_total": Metric(
        "counter", (), "Batches left to a live run that covers them, once per reconciliation."
    ),
    "intent_cooled_total": Metric(
        "counter", (), "Batches that waited after a failed run, once per reconciliation."
    ),
    # Execution
    "outcomes_total": Metric(
        "counter",
        ("tenant", "stage", "outcome"),
        "completed, retry, sent_back, failed; lost: refused, since another holds the row.",
    ),
    "retries_total": Metric("counter", ("stage", "reason"), "Transient failures by reason."),
    "leases_lapsed_total": Metric("counter", (), "Rows freed from workers presumed dead."),
    "runs_buried_total": Metric("counter", (), "Runs marked failed since their process is gone."),
    "work_seconds_total": Metric(
        "counter", ("tenant", "stage"), "Seconds of work, shared out by images."
    ),
    "gpu_seconds_total": Metric(
        "counter", ("tenant",), "Seconds that runs with a GPU spent at a stage, loading included."
    ),
    "seconds_per_image": Metric("gauge", ("stage",), "As measured lately; newer runs weigh more."),
    "run_quiet_seconds": Metric(
        "gauge", ("lane",), "The longest that a started run has had no outcome."
    ),
    "run_start_seconds": Metric(
        "histogram",
        ("lane", "phase"),
        "How long runs took to start: launching, importing, loading.",
    ),
    # all layers
    "findings": Metric(
        "gauge", ("code", "boundary", "severity"), "What `parjanya doctor` finds without buckets."
    ),
    "drifted": Metric("gauge", ("lane",), "1 where a lane runs something else than was declared."),
    "running_info": Metric(
        "gauge", ("lane", "code", "image", "packages"), "1: what the lane's newest run really was."
    ),
}


def table() -> str:
    """The metrics as a Markdown table."""
    lines = ["| metric | kind | labels | says |", "|---|---|---|---|"]
    lines += [
        f"| `{PREFIX}{name}` | {metric.kind} | {', '.join(metric.labels)} | {metric.says} |"
        for name, metric in METRICS.items()
    ]
    return "\n".join(lines) + "\n"
