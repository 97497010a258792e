"""What the doctor can find: each finding names its boundary and the operator's next step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

OURS = (
    "crashed_repeatedly",
    "retry_horizon",
    "sent_back_repeatedly",
    "object_gone",
    "object_changed",
)
"""Classes of failures that are not the fault of the image."""


class Boundary(StrEnum):
    """Where to look: which of the four layers does not do its part."""

    TRUTH = "Truth"
    BELIEF = "Belief"
    INTENT = "Intent"
    EXECUTION = "Execution"


class Severity(StrEnum):
    """An error keeps images from being decided, or breaks a law. A warning may become one."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong."""

    code: str  # its section in the runbook
    boundary: Boundary
    severity: Severity
    summary: str  # a sentence
    next_step: str
    since: float | None = None  # seconds since the epoch; None: cannot be known
    evidence: Mapping[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kind:
    """What all findings of one code have in common."""

    boundary: Boundary
    severity: Severity
    next_step: str


_T, _B, _I, _E = Boundary.TRUTH, Boundary.BELIEF, Boundary.INTENT, Boundary.EXECUTION
_ERROR, _WARNING = Severity.ERROR, Severity.WARNING

KINDS: Mapping[str, Kind] = {
    "rows_missing": Kind(
        _T, _ERROR, "Stop writing to Truth and restore it from its backup; then start again."
    ),
    "rows_stranded": Kind(
        _T, _ERROR, "parjanya explain IMAGE for one of them; materialize its batch again."
    ),
    "objects_unregistered": Kind(
        _T, _WARNING, "Look at the sensor arrivals; parjanya status shows when it last completed."
    ),
    "rows_without_object": Kind(
        _T,
        _WARNING,
        "Wait a minute: the sweep records departures. If it stays, look at the sensor arrivals.",
    ),
    "bucket_not_itself": Kind(
        _T, _ERROR, "Mount the right volume. Only where the bucket is right, adopt it."
    ),
    "departures_held": Kind(
        _T,
        _ERROR,
        "Bring the volume or the folder back. If the images were really deleted: "
        "parjanya tenant departed TENANT. Without either they count as deleted after a day.",
    ),
    "object_missing": Kind(
        _T, _WARNING, "Put the object back under its key, or let the next sweep record it as gone."
    ),
    "object_elsewhere": Kind(
        _T, _ERROR, "Move the object to the bucket its row names, or correct the tenant's bucket."
    ),
    "preview_missing": Kind(
        _T, _WARNING, "Materialize validated for the batch: it writes the previews again."
    ),
    "decided_from_other_evidence": Kind(
        _T,
        _ERROR,
        "parjanya regrade --tenant TENANT --to POLICY, with the policy that decided them: such "
        "images are asked again and decided again.",
    ),
    "arrivals_blocked": Kind(
        _T,
        _ERROR,
        "Mend what the reason names: mount, permissions, bucket. Nothing below that place departs "
        "meanwhile, and other tenants go on.",
    ),
    "arrivals_refused": Kind(
        _T,
        _WARNING,
        "Rename what is refused, or do what the reason says; parjanya status --json lists them.",
    ),
    "policy_unusable": Kind(
        _T,
        _ERROR,
        "parjanya policy publish FILE, or regrade the tenant to one of parjanya policy list. Its "
        "images wait meanwhile, and other tenants go on.",
    ),
    "uploads_waiting": Kind(
        _T, _WARNING, "Bring the tenant's bucket back; the uploads are then looked for again."
    ),
    "due_in_the_future": Kind(
        _T,
        _WARNING,
        "Find the machine whose clock was wrong (NTP). The reconciler's next tick makes the rows "
        "due; it does not where its own clock differs from Truth's.",
    ),
    "clock_skew": Kind(_T, _ERROR, "Synchronize the clocks (NTP) of this machine and the server."),
    "reconciler_blind": Kind(
        _B, _ERROR, "Is parjanya up running? Then read the failed ticks of the sensor pending_rows."
    ),
    "arrivals_blind": Kind(
        _B, _ERROR, "Is parjanya up running? Then read the failed ticks of the sensor arrivals."
    ),
    "daemon_away": Kind(
        _B,
        _ERROR,
        "Start Dagster's daemon, or read its log: parjanya up, or the Deployment or service of "
        "the daemon.",
    ),
    "code_location_away": Kind(
        _B,
        _ERROR,
        "Start the code location, or read in its log why it does not load: parjanya up, or the "
        "Deployment or service of the code.",
    ),
    "ticks_failing": Kind(
        _B, _ERROR, "Read the error of the last tick in the UI, under Automation."
    ),
    "sensor_stopped": Kind(_B, _ERROR, "Switch the sensor on in the UI, under Automation."),
    "keys_missing": Kind(
        _B,
        _WARNING,
        "Wait for the reconciler's next tick, which adds them. If it does not, read its ticks.",
    ),
    "run_dead": Kind(
        _B,
        _WARNING,
        "Wait for the reconciler's next tick, which fails it. If it does not, read its ticks.",
    ),
    "loop_blind": Kind(
        _B,
        _ERROR,
        "Give the loop what it lacks: the permission, queue or network it names.",
    ),
    "dead_letters": Kind(
        _T,
        _WARNING,
        "Read their attribute `reason`, fix the cause, then move them back or delete them.",
    ),
    "messages_refused": Kind(
        _T,
        _WARNING,
        "If it is a tenant's bucket: parjanya tenant add SLUG --bucket BUCKET, and the sweep finds "
        "what landed there. Else correct what sends them.",
    ),
    "queue_missing": Kind(
        _I,
        _ERROR,
        "Make the queue, or correct its name in the settings. Nothing is lost without it.",
    ),
    "queue_forgets": Kind(
        _I, _ERROR, "Set MessageRetentionPeriod of the queue to 1209600 (14 days)."
    ),
    "queue_gives_up": Kind(
        _I,
        _WARNING,
        "Remove the queue's RedrivePolicy, so that an outage does not use up the receipts.",
    ),
    "pending_without_intent": Kind(
        _I, _ERROR, "Read the last tick of the sensor pending_rows: it says why it asks for no run."
    ),
    "intent_held_back": Kind(
        _I, _WARNING, "Look at what fills the queue; raise PARJANYA_RUNS__QUEUED or add capacity."
    ),
    "queued_too_long": Kind(
        _I, _WARNING, "Look at what runs now: the limits of concurrency, and whether runs end."
    ),
    "regrade_stuck": Kind(
        _I, _ERROR, "parjanya policy publish FILE: the regrade then goes on by itself."
    ),
    "run_for_nothing": Kind(_I, _WARNING, "Cancel the run in the UI: no row needs it."),
    "starting_too_long": Kind(
        _E, _WARNING, "Look for capacity: nodes, images, quotas of the run's lane."
    ),
    "capacity_never_came": Kind(
        _E, _ERROR, "Read the group's activity history: quota, capacity, launch template, image."
    ),
    "started_without_commits": Kind(
        _E, _WARNING, "Read the run's log: what it loads, or which image it works on."
    ),
    "preflight_failed": Kind(
        _E,
        _ERROR,
        "Repair what it names, then run parjanya preflight on such a node. Rows are safe.",
    ),
    "manifests_refused": Kind(
        _E,
        _ERROR,
        "Let the tenant's bucket take writes: space, permissions, mount. Decisions are safe, and "
        "the manifests are then written by themselves.",
    ),
    "retrying": Kind(_E, _WARNING, "Restore what the reason names; the rows go on by themselves."),
    "crash_loop": Kind(
        _E, _ERROR, "Read the log of the last failed run and fix what ends it. Rows are safe."
    ),
    "rows_crashing": Kind(
        _E, _WARNING, "Wait: they are tried one by one. Watch the memory of the run."
    ),
    "drifted": Kind(
        _E,
        _ERROR,
        "Deploy what was declared and look at the image of the lane's runs; or, if what runs is "
        "right, parjanya declare in it.",
    ),
    "launcher_failing": Kind(
        _E,
        _ERROR,
        "Mend what the launcher says: the API of the cluster or of ECS, its account, its rights. "
        "Runs are then asked for again.",
    ),
    "run_unplaced": Kind(
        _E, _WARNING, "Compare what the run asks for with the node pool: its limits, quota, taints."
    ),
    "run_image_missing": Kind(
        _E, _ERROR, "Push the image, or correct its name; then look at the pull permissions."
    ),
    "run_refused": Kind(
        _E, _ERROR, "Grant what is refused: a quota, a priority class, an admission rule."
    ),
    "run_not_started": Kind(
        _E, _ERROR, "Look for the secret, config map or command that the reason names."
    ),
    "run_killed": Kind(
        _E, _WARNING, "If it was memory, give the lane more: PARJANYA_LANES__<LANE>__MEMORY_MIB."
    ),
    "infrastructure_failures": Kind(
        _E, _WARNING, "Fix the cause, then parjanya replay --failed --reason CLASS."
    ),
}
"""Code -> what its findings have in common. docs/runbook.md has a section for each."""


def finding(
    code: str, summary: str, since: float | None = None, /, **evidence: float | int | str
) -> Finding:
    kind = KINDS[code]
    return Finding(
        code=code,
        boundary=kind.boundary,
        severity=kind.severity,
        summary=summary,
        next_step=kind.next_step,
        since=since,
        evidence=evidence,
    )


def some(count: int, noun: str, plural: str = "") -> str:
    """A count and its noun."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
