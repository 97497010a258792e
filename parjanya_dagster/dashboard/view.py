"""A measurement as what the page shows. Pure: plain data in, plain data out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from parjanya_dagster.belief.diagnose import SENSOR_OF
from parjanya_dagster.belief.diagnose_runs import living
from parjanya_dagster.belief.findings import Boundary, Finding, Severity
from parjanya_dagster.belief.snapshot import RunState
from parjanya_dagster.belief.tags import RECONCILER
from parjanya_dagster.intent.needs import by_key, needs_of
from parjanya_dagster.metrics.measure import BELIEF, TRUTH, Measured
from parjanya_dagster.truth.stages import STAGES, WAITS_FOR, WORKABLE, Status

MOST_TENANTS, MOST_FINDINGS = 8, 6
GOOD, WARN, BAD, UNKNOWN = "good", "warn", "bad", "unknown"
VERDICTS = ("accept", "review", "reject")


@dataclass(frozen=True, slots=True)
class Layer:
    """One of the four columns."""

    name: str
    rule: str  # what it is, in a few words
    tone: str
    value: str
    caption: str
    lines: tuple[tuple[str, str], ...]


def view(seen: Measured, per_minute: float | None = None) -> dict[str, Any]:
    """Everything on the page. `per_minute`: images that ended lately; None: not known yet."""
    found = list(seen.findings)
    return {
        "at": datetime.fromtimestamp(seen.facts.now, UTC).strftime("%H:%M:%S UTC"),
        "state": _state(seen),
        "answer": _answer(seen),
        "layers": [_truth(seen), _belief(seen), _intent(seen), _execution(seen, per_minute)],
        "flow": _flow(seen),
        "verdicts": _verdicts(seen),
        "tenants": _tenants(seen),
        "findings": [_finding(one, seen.facts.now) for one in found[:MOST_FINDINGS]],
        "more_findings": max(0, len(found) - MOST_FINDINGS),
        "unread": dict(seen.unread),
    }


def _state(seen: Measured) -> tuple[str, str]:
    if seen.unread:
        return UNKNOWN, "Cannot tell"
    errors = sum(one.severity is Severity.ERROR for one in seen.findings)
    if errors:
        return BAD, f"{errors} error{'s' if errors > 1 else ''}"
    if seen.findings:
        count = len(seen.findings)
        return WARN, f"{count} warning{'s' if count > 1 else ''}"
    return GOOD, "Healthy"


def _answer(seen: Measured) -> str:
    """Is Intent missing, or is Intent present and Execution cannot realize it?"""
    if not seen.readable(TRUTH):
        return "Truth cannot be read, so nothing can be said. Nothing moves, and nothing is lost."
    if not seen.readable(BELIEF):
        return "What runs cannot be read. No run is asked for until it can."
    where = {str(one.boundary) for one in seen.findings}
    if Boundary.TRUTH in where:
        return "What is recorded is not what is there. Begin with Truth."
    if Boundary.BELIEF in where:
        return "Nobody looks, or what is believed is wrong. Begin with Belief."
    if Boundary.INTENT in where:
        return "Intent is missing or held back: rows are due, and no run has them before it."
    if {one.code for one in seen.findings} == {"drifted"}:
        return "Intent is present, and what realizes it is not what was declared."
    if Boundary.EXECUTION in where:
        return "Intent is present, and Execution cannot realize it."
    due = sum(one.rows for one in seen.facts.snapshot.due) if seen.facts.snapshot else 0
    if due:
        return "Neither: what is due is asked for, and what was asked for moves."
    return "Neither: nothing is due."


def _tone(seen: Measured, boundary: Boundary) -> str:
    ours = [one for one in seen.findings if one.boundary is boundary]
    if any(one.severity is Severity.ERROR for one in ours):
        return BAD
    return WARN if ours else GOOD


def _truth(seen: Measured) -> Layer:
    counts = seen.facts.counts
    rows = sum(one.rows for one in counts)
    lost = sum(abs(one.registered - one.rows - one.departed) for one in counts)
    decided = sum(one.by_status.get(Status.CURATED, 0) for one in counts)
    failed = sum(one.by_status.get(Status.FAILED, 0) for one in counts)
    readable = seen.readable(TRUTH)
    return Layer(
        "Truth",
        "survives everything",
        _tone(seen, Boundary.TRUTH) if readable else UNKNOWN,
        _number(rows) if readable else "—",
        "images",
        (
            ("decided", _number(decided)),
            ("failed", _number(failed)),
            ("under a lease", _number(sum(one.in_flight for one in counts))),
            ("missing rows", _number(lost)),
            ("tenants", _number(len(counts))),
        )
        if readable
        else (),
    )


def _belief(seen: Measured) -> Layer:
    loops, now = seen.facts.loops or {}, seen.facts.now
    beat = loops.get(RECONCILER)
    lines = [
        (f"{sensor} completed", _ago(now - loops[loop].at) if loop in loops else "never")
        for loop, sensor in SENSOR_OF.items()
    ]
    if beat is not None:
        lines.append(("a reconciliation takes", _span(float(beat.payload.get("seconds", 0.0)))))
    lines += [
        ("failed ticks in a row", _number(max((s.failures for s in seen.facts.sensors), default=0)))
    ]
    if seen.facts.snapshot is not None:
        lines.append(("partition keys", _number(len(seen.facts.snapshot.keys))))
    readable = seen.readable(BELIEF) and seen.facts.loops is not None
    return Layer(
        "Belief",
        "may be deleted",
        _tone(seen, Boundary.BELIEF) if readable else UNKNOWN,
        _span(now - beat.at) if beat else "never",
        "since the reconciler looked" if beat else "did the reconciler look",
        tuple(lines),
    )


def _intent(seen: Measured) -> Layer:
    snapshot = seen.facts.snapshot
    if snapshot is None:
        return Layer("Intent", "durable, by identity", UNKNOWN, "—", "not known", ())
    live, _ = living(snapshot, seen.lanes, seen.limits)
    due = sum(one.rows for one in snapshot.due)
    oldest = min((one.oldest for one in snapshot.due), default=snapshot.now)
    uncovered = 0
    for lane in seen.lanes:
        ours = [run for run in live if set(run.stages) & set(lane.stages)]
        uncovered += sum(need.rows for need in needs_of(snapshot, lane, by_key(ours))[0])
    queued = sum(run.state in (RunState.CREATED, RunState.QUEUED) for run in live)
    beat = (seen.facts.loops or {}).get(RECONCILER)
    asked = sum(
        amount
        for what, amount in (beat.payload.get("totals", {}) if beat else {}).items()
        if what.startswith("emitted|")
    )
    return Layer(
        "Intent",
        "durable, by identity",
        _tone(seen, Boundary.INTENT),
        _number(due),
        "images due",
        (
            ("no run has them before it", _number(uncovered)),
            ("the oldest is due", _ago(snapshot.now - oldest) if due else "—"),
            ("runs in the queue", _number(queued)),
            ("runs asked for so far", _number(int(asked))),
            ("lanes held", ", ".join(sorted(seen.limits.held_lanes)) or "none"),
        ),
    )


def _execution(seen: Measured, per_minute: float | None) -> Layer:
    snapshot = seen.facts.snapshot
    if snapshot is None:
        return Layer("Execution", "disposable", UNKNOWN, "—", "not known", ())
    live, _ = living(snapshot, seen.lanes, seen.limits)
    states = Counter(run.state for run in live)
    quiet = [
        snapshot.now - max(run.since, run.pulse.progress_at if run.pulse else 0.0)
        for run in live
        if run.state is RunState.STARTED
    ]
    lines = [
        ("images per minute", "—" if per_minute is None else _number(round(per_minute))),
        ("runs being started", _number(states[RunState.STARTING])),
        ("longest with no outcome", _span(max(quiet)) if quiet else "—"),
        ("failed in the last hour", _number(len(snapshot.failed))),
        ("code", _code(seen)),
    ]
    return Layer(
        "Execution",
        "disposable",
        _tone(seen, Boundary.EXECUTION),
        _number(states[RunState.STARTED]),
        "run at work" if states[RunState.STARTED] == 1 else "runs at work",
        tuple(lines),
    )


def _code(seen: Measured) -> str:
    if not seen.running:
        return "no run yet"
    said = seen.running[0][3].get("code", "unknown").rpartition("+")[2]
    drifted = {one.lane for one in seen.facts.drifts}
    return f"{said}{', drifted' if drifted else ''}"


def ended(seen: Measured) -> int:
    """Images that are decided or failed."""
    return sum(
        one.by_status.get(status, 0)
        for one in seen.facts.counts
        for status in (Status.CURATED, Status.FAILED)
    )


def _flow(seen: Measured) -> list[dict[str, Any]]:
    waiting: Counter[str] = Counter()
    for one in seen.facts.counts:
        waiting.update({str(status): rows for status, rows in one.by_status.items()})
    most = max([waiting[str(WAITS_FOR[stage])] for stage in STAGES] + [1])
    return [
        {
            "stage": stage,
            "waiting": _number(waiting[str(WAITS_FOR[stage])]),
            "share": round(100 * waiting[str(WAITS_FOR[stage])] / most),
            "seconds": _span(seen.paces[stage]) if stage in seen.paces else "—",
        }
        for stage in STAGES
    ]


def _verdicts(seen: Measured) -> list[dict[str, Any]]:
    totals: Counter[str] = Counter()
    for one in seen.facts.counts:
        totals.update(one.by_verdict)
        totals["failed"] += one.by_status.get(Status.FAILED, 0)
    whole = max(1, totals.total())
    return [
        {
            "name": name,
            "images": _number(totals[name]),
            "share": round(100 * totals[name] / whole, 2),
        }
        for name in (*VERDICTS, "failed")
    ]


def _tenants(seen: Measured) -> list[dict[str, Any]]:
    found = [
        {
            "tenant": one.tenant,
            "rows": one.rows,
            "images": _number(one.rows),
            "pending": _number(sum(one.by_status.get(status, 0) for status in WORKABLE)),
            "working": _number(one.in_flight),
            **{verdict: _number(one.by_verdict.get(verdict, 0)) for verdict in VERDICTS},
            "failed": _number(one.by_status.get(Status.FAILED, 0)),
        }
        for one in seen.facts.counts
    ]
    return sorted(found, key=lambda one: -int(str(one["rows"])))[:MOST_TENANTS]


def _finding(one: Finding, now: float) -> dict[str, Any]:
    return {
        "boundary": str(one.boundary),
        "code": one.code,
        "tone": BAD if one.severity is Severity.ERROR else WARN,
        "summary": one.summary,
        "next": one.next_step,
        "since": _ago(now - one.since) if one.since else "",
    }


def line_points(values: Sequence[float], width: float, height: float) -> str:
    """The points of an SVG polyline over these values, the largest at the top."""
    if len(values) < 2:
        return ""
    most = max(max(values), 1.0)
    step = width / (len(values) - 1)
    return " ".join(
        f"{index * step:.1f},{height - 1 - value / most * (height - 3):.1f}"
        for index, value in enumerate(values)
    )


def _number(value: float) -> str:
    return f"{int(value):,}".replace(",", "\u202f")


def _ago(seconds: float) -> str:
    return f"{_span(seconds)} ago"


def _span(seconds: float) -> str:
    seconds = max(0.0, seconds)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"
