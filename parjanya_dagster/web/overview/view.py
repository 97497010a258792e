"""A measurement as what the page shows. Pure: plain data in, plain data out."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from parjanya_dagster.doctor.findings import Boundary, Finding, Severity
from parjanya_dagster.metrics.measure import BELIEF, TRUTH, Measured
from parjanya_dagster.truth.stages import STAGES, WAITS_FOR, WORKABLE, Status
from parjanya_dagster.web.overview import layers
from parjanya_dagster.web.overview.layers import BAD, GOOD, UNKNOWN, WARN
from parjanya_dagster.web.text import ago, number, span

MOST_TENANTS, MOST_FINDINGS = 8, 6
VERDICTS = ("accept", "review", "reject")
UNREAD = "—"  # in the place of a number that was not read: it is not zero


def view(seen: Measured, per_minute: float | None = None) -> dict[str, Any]:
    """Everything on the page. `per_minute`: images that ended lately; None: not known yet."""
    findings = list(seen.findings)
    return {
        "at": datetime.fromtimestamp(seen.facts.now, UTC).strftime("%H:%M:%S UTC"),
        "state": _state(seen),
        "answer": _answer(seen),
        "layers": [
            layers.truth(seen),
            layers.belief(seen),
            layers.intent(seen),
            layers.execution(seen, per_minute),
        ],
        "flow": _flow(seen),
        "verdicts": _verdicts(seen),
        "tenants": _tenants(seen),
        "findings": [_finding(finding, seen.facts.now) for finding in findings[:MOST_FINDINGS]],
        "more_findings": max(0, len(findings) - MOST_FINDINGS),
        "unread": dict(seen.unread),
        "known": seen.readable(TRUTH),
    }


def _state(seen: Measured) -> tuple[str, str]:
    if seen.unread:
        return UNKNOWN, "Cannot tell"
    errors = sum(finding.severity is Severity.ERROR for finding in seen.findings)
    if errors:
        return BAD, f"{errors} error{'s' if errors > 1 else ''}"
    if seen.findings:
        count = len(seen.findings)
        return WARN, f"{count} warning{'s' if count > 1 else ''}"
    return GOOD, "Healthy"


def _answer(seen: Measured) -> str:
    """Is Intent missing, or is Intent present and Execution cannot realize it?"""
    if not seen.readable(TRUTH):
        return "Truth was not read, so nothing can be said. Whatever became of it, nothing is lost."
    if not seen.readable(BELIEF):
        return "What runs cannot be read. No run is asked for until it can."
    where = {str(finding.boundary) for finding in seen.findings}
    if Boundary.TRUTH in where:
        return "What is recorded is not what is there. Begin with Truth."
    if Boundary.BELIEF in where:
        return "Nobody looks, or what is believed is wrong. Begin with Belief."
    if Boundary.INTENT in where:
        return "Intent is missing or held back: rows are due, and no run has them before it."
    if {finding.code for finding in seen.findings} == {"drifted"}:
        return "Intent is present, and what realizes it is not what was declared."
    if Boundary.EXECUTION in where:
        return "Intent is present, and Execution cannot realize it."
    due = sum(batch.rows for batch in seen.facts.snapshot.due) if seen.facts.snapshot else 0
    if due:
        return "Neither: what is due is asked for, and what was asked for moves."
    return "Neither: nothing is due."


def ended(seen: Measured) -> int:
    """Images that are decided or failed."""
    return sum(
        count.by_status.get(status, 0)
        for count in seen.facts.counts
        for status in (Status.CURATED, Status.FAILED)
    )


def _flow(seen: Measured) -> list[dict[str, Any]]:
    waiting: Counter[str] = Counter()
    for count in seen.facts.counts:
        waiting.update({str(status): rows for status, rows in count.by_status.items()})
    known = seen.readable(TRUTH)
    most = max([waiting[str(WAITS_FOR[stage])] for stage in STAGES] + [1])
    return [
        {
            "stage": stage,
            "waiting": number(waiting[str(WAITS_FOR[stage])]) if known else UNREAD,
            "share": round(100 * waiting[str(WAITS_FOR[stage])] / most),
            "seconds": span(seen.paces[stage]) if stage in seen.paces else "—",
        }
        for stage in STAGES
    ]


def _verdicts(seen: Measured) -> list[dict[str, Any]]:
    totals: Counter[str] = Counter()
    for count in seen.facts.counts:
        totals.update(count.by_effective)
        totals["failed"] += count.by_status.get(Status.FAILED, 0)
    whole = max(1, totals.total())
    return [
        {
            "name": name,
            "images": number(totals[name]) if seen.readable(TRUTH) else UNREAD,
            "share": round(100 * totals[name] / whole, 2),
        }
        for name in (*VERDICTS, "failed")
    ]


def _tenants(seen: Measured) -> list[dict[str, Any]]:
    tenants = [
        {
            "tenant": count.tenant,
            "rows": count.rows,
            "images": number(count.rows),
            "pending": number(sum(count.by_status.get(status, 0) for status in WORKABLE)),
            "working": number(count.in_flight),
            **{verdict: number(count.by_effective.get(verdict, 0)) for verdict in VERDICTS},
            "failed": number(count.by_status.get(Status.FAILED, 0)),
        }
        for count in seen.facts.counts
    ]
    return sorted(tenants, key=lambda tenant: -int(str(tenant["rows"])))[:MOST_TENANTS]


def _finding(finding: Finding, now: float) -> dict[str, Any]:
    return {
        "boundary": str(finding.boundary),
        "code": finding.code,
        "tone": BAD if finding.severity is Severity.ERROR else WARN,
        "summary": finding.summary,
        "next": finding.next_step,
        "since": ago(now - finding.since) if finding.since else "",
    }
