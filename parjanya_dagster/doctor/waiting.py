"""Why an image is not done, in the doctor's words: a boundary and a next step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from parjanya_dagster.belief.snapshot import LiveRun, RunState
from parjanya_dagster.belief.tags import RECONCILER
from parjanya_dagster.doctor.findings import KINDS, OURS, Boundary
from parjanya_dagster.doctor.grace_periods import GracePeriods
from parjanya_dagster.truth.models import Event, Heartbeat, ImageRow
from parjanya_dagster.truth.stages import STAGE_OF, Status

NOTHING = "Nothing: it goes on by itself."


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Where an image is held, and what to do about it."""

    boundary: Boundary | None  # None: it is done
    next_step: str
    detail: str = ""  # what its row does not show
    since: float | None = None


def held_at(
    row: ImageRow,
    now: float,
    history: Sequence[Event],
    loops: Mapping[str, Heartbeat],
    runs: Sequence[LiveRun] | None = None,
    grace: GracePeriods | None = None,
) -> Held:
    """Where a row is held, and what to do about it.

    `runs`: those that Dagster believes live. None: they were not read, or cannot be.
    """
    status = Status(row.pipeline_status)
    if status is Status.CURATED:
        return Held(boundary=None, next_step="", since=row.updated_at)
    if status is Status.FAILED:
        return _failed(row)
    if status is Status.PENDING_UPLOAD:
        return Held(boundary=Boundary.TRUTH, next_step="Upload it.", since=row.arrived_at)
    if row.in_flight(now):
        return Held(boundary=Boundary.EXECUTION, next_step=NOTHING)
    if row.not_before > now and row.suspect:
        return Held(
            boundary=Boundary.EXECUTION,
            next_step=KINDS["rows_crashing"].next_step,
            detail=f"Its process died {row.attempts} times; it is tried again alone.",
            since=row.updated_at,
        )
    if row.not_before > now:
        reasons = [event.reason for event in history if event.kind == "retry"]
        detail = f"The last reason: {reasons[-1]}" if reasons else ""
        return Held(
            boundary=Boundary.EXECUTION,
            next_step=KINDS["retrying"].next_step,
            detail=detail,
            since=row.retry_since,
        )
    return _waiting(row, STAGE_OF[status], now, loops, runs, grace or GracePeriods())


def _failed(row: ImageRow) -> Held:
    if row.failure_class in OURS:
        step = f"Fix the cause, then parjanya replay --failed --reason {row.failure_class}."
        return Held(boundary=Boundary.EXECUTION, next_step=step, since=row.updated_at)
    step = "The image is at fault: replace the object, and its new version goes through."
    return Held(boundary=Boundary.TRUTH, next_step=step, since=row.updated_at)


def _waiting(
    row: ImageRow,
    stage: str,
    now: float,
    loops: Mapping[str, Heartbeat],
    runs: Sequence[LiveRun] | None,
    grace: GracePeriods,
) -> Held:
    due = row.due_at if row.due_at is not None else row.not_before
    beat = loops.get(RECONCILER)
    if beat is None or now - beat.at > grace.heartbeat:
        ago = "has never completed" if beat is None else f"completed {now - beat.at:.0f} s ago"
        return Held(
            boundary=Boundary.BELIEF,
            next_step=KINDS["reconciler_blind"].next_step,
            detail=f"Nobody compares Truth with what runs: the reconciler {ago}.",
            since=beat.at if beat else None,
        )
    if runs is None:
        return Held(
            boundary=Boundary.INTENT,
            next_step="parjanya doctor",
            detail="Dagster's runs could not be read.",
            since=due,
        )
    for run in runs:
        if row.batch in run.keys and stage in run.ahead:
            return _covered(run)
    if now - due <= grace.pending:
        return Held(
            boundary=Boundary.INTENT,
            next_step=NOTHING,
            detail="The reconciler asks for a run soon.",
            since=due,
        )
    step = KINDS["pending_without_intent"].next_step
    return Held(boundary=Boundary.INTENT, next_step=step, detail="Nobody asked for one.", since=due)


def _covered(run: LiveRun) -> Held:
    if run.state in (RunState.CREATED, RunState.QUEUED):
        detail = f"Run {run.run_id} will do it, and waits in the queue."
        return Held(
            boundary=Boundary.INTENT,
            next_step=KINDS["queued_too_long"].next_step,
            detail=detail,
            since=run.since,
        )
    if run.state is RunState.STARTING:
        detail = f"Run {run.run_id} will do it, and is being started."
        return Held(
            boundary=Boundary.EXECUTION,
            next_step=KINDS["starting_too_long"].next_step,
            detail=detail,
            since=run.since,
        )
    return Held(
        boundary=Boundary.EXECUTION,
        next_step=NOTHING,
        detail=f"Run {run.run_id} will do it.",
        since=run.since,
    )
