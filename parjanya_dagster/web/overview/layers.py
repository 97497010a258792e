"""The four columns of the page: the numbers of each layer, and whether it does its part."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from parjanya_dagster.belief.snapshot import RunState
from parjanya_dagster.belief.tags import RECONCILER
from parjanya_dagster.doctor.case import SENSOR_OF
from parjanya_dagster.doctor.findings import Boundary, Severity
from parjanya_dagster.doctor.rules_runs import living
from parjanya_dagster.intent.along import shared
from parjanya_dagster.metrics.measure import BELIEF, TRUTH, Measured
from parjanya_dagster.truth.stages import Status
from parjanya_dagster.web.text import ago, number, span

GOOD, WARN, BAD, UNKNOWN = "good", "warn", "bad", "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One of the four columns."""

    name: str
    rule: str  # what it is, in a few words
    tone: str
    value: str
    caption: str
    lines: tuple[tuple[str, str], ...]


def _tone(seen: Measured, boundary: Boundary) -> str:
    ours = [finding for finding in seen.findings if finding.boundary is boundary]
    if any(finding.severity is Severity.ERROR for finding in ours):
        return BAD
    return WARN if ours else GOOD


def _not_known(name: str, rule: str) -> Layer:
    """A layer that was not read: neither zero nor never."""
    return Layer(name=name, rule=rule, tone=UNKNOWN, value="—", caption="not known", lines=())


def truth(seen: Measured) -> Layer:
    counts = seen.facts.counts
    rows = sum(count.rows for count in counts)
    lost = sum(abs(count.registered - count.rows - count.departed) for count in counts)
    decided = sum(count.by_status.get(Status.CURATED, 0) for count in counts)
    failed = sum(count.by_status.get(Status.FAILED, 0) for count in counts)
    readable = seen.readable(TRUTH)
    return Layer(
        name="Truth",
        rule="survives everything",
        tone=_tone(seen, Boundary.TRUTH) if readable else UNKNOWN,
        value=number(rows) if readable else "—",
        caption="images",
        lines=(
            ("decided", number(decided)),
            ("failed", number(failed)),
            ("under a lease", number(sum(count.in_flight for count in counts))),
            ("missing rows", number(lost)),
            ("tenants", number(len(counts))),
        )
        if readable
        else (),
    )


def belief(seen: Measured) -> Layer:
    if not seen.readable(BELIEF) or seen.facts.loops is None:
        return _not_known("Belief", "may be deleted")
    loops, now = seen.facts.loops, seen.facts.now
    beat = loops.get(RECONCILER)
    lines = [
        (f"{sensor} completed", ago(now - loops[loop].at) if loop in loops else "never")
        for loop, sensor in SENSOR_OF.items()
    ]
    if beat is not None:
        lines.append(("a reconciliation takes", span(float(beat.payload.get("seconds", 0.0)))))
    lines += [
        ("failed ticks in a row", number(max((s.failures for s in seen.facts.sensors), default=0)))
    ]
    if seen.facts.snapshot is not None:
        lines.append(("partition keys", number(len(seen.facts.snapshot.keys))))
    return Layer(
        name="Belief",
        rule="may be deleted",
        tone=_tone(seen, Boundary.BELIEF),
        value=span(now - beat.at) if beat else "never",
        caption="since the reconciler looked" if beat else "did the reconciler look",
        lines=tuple(lines),
    )


def intent(seen: Measured) -> Layer:
    snapshot = seen.facts.snapshot
    if snapshot is None:
        return _not_known("Intent", "durable, by identity")
    live, _ = living(snapshot, seen.lanes, seen.limits)
    due = sum(batch.rows for batch in snapshot.due)
    oldest = min((batch.oldest for batch in snapshot.due), default=snapshot.now)
    uncovered = 0
    for share in shared(snapshot, seen.lanes, live, seen.limits):
        uncovered += sum(need.rows for need in share.needs)
    queued = sum(run.state in (RunState.CREATED, RunState.QUEUED) for run in live)
    asked = sum(amount for what, amount in seen.facts.totals.items() if what.startswith("emitted|"))
    return Layer(
        name="Intent",
        rule="durable, by identity",
        tone=_tone(seen, Boundary.INTENT),
        value=number(due),
        caption="images due",
        lines=(
            ("no run has them before it", number(uncovered)),
            ("the oldest is due", ago(snapshot.now - oldest) if due else "—"),
            ("runs in the queue", number(queued)),
            ("runs asked for so far", number(int(asked))),
            ("lanes held", ", ".join(sorted(seen.limits.held_lanes)) or "none"),
        ),
    )


def execution(seen: Measured, per_minute: float | None) -> Layer:
    snapshot = seen.facts.snapshot
    if snapshot is None:
        return _not_known("Execution", "disposable")
    live, _ = living(snapshot, seen.lanes, seen.limits)
    states = Counter(run.state for run in live)
    quiet = [
        snapshot.now - max(run.since, run.pulse.progress_at if run.pulse else 0.0)
        for run in live
        if run.state is RunState.STARTED
    ]
    lines = [
        ("images per minute", "—" if per_minute is None else number(round(per_minute))),
        ("runs being started", number(states[RunState.STARTING])),
        ("longest with no outcome", span(max(quiet)) if quiet else "—"),
        ("failed in the last hour", number(len(snapshot.failed))),
        ("code", _code(seen)),
    ]
    return Layer(
        name="Execution",
        rule="disposable",
        tone=_tone(seen, Boundary.EXECUTION),
        value=number(states[RunState.STARTED]),
        caption="run at work" if states[RunState.STARTED] == 1 else "runs at work",
        lines=tuple(lines),
    )


def _code(seen: Measured) -> str:
    if not seen.running:
        return "no run yet"
    version = seen.running[0][3].get("code", "unknown").rpartition("+")[2][:8]
    drifted = {drift.lane for drift in seen.facts.drifts}
    return f"{version}{', drifted' if drifted else ''}"
