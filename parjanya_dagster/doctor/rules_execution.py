"""Rules on execution: what keeps workers from doing their work."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from parjanya_dagster.belief.ledger import kind_of
from parjanya_dagster.doctor.case import Case, Rule
from parjanya_dagster.doctor.findings import Finding, finding, some


def _preflight(case: Case) -> Iterator[Finding]:
    for stage, verdict in sorted(case.facts.preflights.items()):
        if not verdict.ok:
            yield finding(
                "preflight_failed",
                f"Execution cannot realize Intent: {stage} with the engine {verdict.engine}: "
                f"{verdict.problem}",
                verdict.at if verdict.since is None else verdict.since,
                stage=stage,
                times=max(verdict.times, 1),
                host=verdict.host,
                run=verdict.run_id,
            )


def _retrying(case: Case) -> Iterator[Finding]:
    now, grace = case.facts.now, case.grace
    by_reason: dict[tuple[str, str], list[float]] = defaultdict(list)
    for troubled in case.facts.troubled:
        since = troubled.row.retry_since
        if since is None or troubled.row.suspect:
            continue
        if now - since > grace.retrying or troubled.row.retries >= grace.retries:
            by_reason[troubled.row.pipeline_status, kind_of(troubled.reason)].append(since)
    for (status, reason), began in by_reason.items():
        yield finding(
            "retrying",
            f"{some(len(began), 'row')} in {status} retried for the same reason: {reason}",
            min(began),
            rows=len(began),
            status=status,
        )


def _rows_crashing(case: Case) -> Iterator[Finding]:
    rows = [
        troubled.row
        for troubled in case.facts.troubled
        if troubled.row.suspect and troubled.row.attempts >= 2
    ]
    if rows:
        yield finding(
            "rows_crashing",
            f"{some(len(rows), 'row')} in flight when their process died, up to "
            f"{max(row.attempts for row in rows)} times",
            min(row.updated_at for row in rows),
            rows=len(rows),
            attempts=max(row.attempts for row in rows),
            image=max(rows, key=lambda row: row.attempts).image_id,
        )


def _infrastructure_failures(case: Case) -> Iterator[Finding]:
    classes = Counter((row.tenant, row.failure_class or "unknown") for row in case.facts.ours)
    for (tenant, failure_class), rows in classes.items():
        alike = [
            row
            for row in case.facts.ours
            if (row.tenant, row.failure_class) == (tenant, failure_class)
        ]
        yield finding(
            "infrastructure_failures",
            f"{tenant}: {some(rows, 'row')} failed as {failure_class}, by no fault of the image: "
            f"{alike[0].failure_reason}",
            min(row.updated_at for row in alike),
            tenant=tenant,
            failure_class=failure_class,
            rows=rows,
            image=alike[0].image_id,
        )


def _drifted(case: Case) -> Iterator[Finding]:
    for drift in case.facts.drifts:
        held = drift.lane in case.limits.held_lanes
        parts = {part: f"{ran} (declared {want})" for part, (want, ran) in drift.differs.items()}
        yield finding(
            "drifted",
            f"{str(drift).capitalize()}{'. The lane is held' if held else ''}",
            drift.since,
            lane=drift.lane,
            run=drift.run_id,
            **parts,
        )


EXECUTION_RULES: tuple[Rule, ...] = (
    _preflight,
    _retrying,
    _rows_crashing,
    _infrastructure_failures,
    _drifted,
)
