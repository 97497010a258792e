"""diagnose(): a pure function from facts to findings. Is Intent missing, or can it not be realized?

Each rule reads the facts and yields findings of its own codes. `diagnose_runs` has the rules that
compare what is due with what runs; here are those about Truth, and about who should be watching.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from parjanya_dagster.belief.ledger import kind_of
from parjanya_dagster.belief.tags import RECONCILER
from parjanya_dagster.doctor.facts import Facts, Missing
from parjanya_dagster.doctor.findings import Finding, Severity, finding, some
from parjanya_dagster.doctor.grace_periods import GracePeriods
from parjanya_dagster.doctor.launch_obstacles import findings as obstacle_findings
from parjanya_dagster.doctor.rules_cloud import CLOUD_RULES
from parjanya_dagster.doctor.rules_runs import RUN_RULES
from parjanya_dagster.intent.plan import Limits
from parjanya_dagster.lanes import Lane

ARRIVALS = "arrivals"
SENSOR_OF = {RECONCILER: "pending_rows", ARRIVALS: "arrivals"}
"""Heartbeat of a loop -> the sensor that runs it."""


@dataclass(frozen=True, slots=True)
class Case:
    """Facts, and what to judge them by."""

    facts: Facts
    lanes: Sequence[Lane]
    limits: Limits
    grace: GracePeriods = field(default_factory=GracePeriods)


Rule = Callable[[Case], Iterator[Finding]]


def diagnose(case: Case) -> list[Finding]:
    """Everything that is wrong by these facts: errors first, then the longest standing."""
    facts = case.facts
    found = [one for rule in RULES for one in rule(case)]
    found += [one for rule in CLOUD_RULES for one in rule(facts, case.grace)]
    if facts.snapshot is not None:
        for judge in RUN_RULES:
            found += judge(facts.snapshot, case.lanes, case.limits, case.grace)
    found += obstacle_findings(facts.obstacles, facts.now, case.grace)
    return sorted(
        found,
        key=lambda one: (one.severity is not Severity.ERROR, one.since or facts.now, one.code),
    )


def _rows_missing(case: Case) -> Iterator[Finding]:
    for one in case.facts.counts:
        lost = one.registered - one.rows - one.departed
        if lost:
            yield finding(
                "rows_missing",
                f"{one.tenant}: {one.registered} rows were registered, but {one.rows} are present "
                f"and {one.departed} departed: {abs(lost)} {'missing' if lost > 0 else 'too many'}",
                tenant=one.tenant,
                registered=one.registered,
                present=one.rows,
                departed=one.departed,
            )


def _rows_stranded(case: Case) -> Iterator[Finding]:
    for tenant, rows in case.facts.stranded.items():
        yield finding(
            "rows_stranded",
            f"{tenant}: {some(rows, 'row')} pending, and no claim can ever reach them",
            tenant=tenant,
            rows=rows,
        )


def _objects_unregistered(case: Case) -> Iterator[Finding]:
    for one in case.facts.buckets:
        if one.unregistered:
            yield finding(
                "objects_unregistered",
                f"{one.tenant}: {some(one.unregistered, 'object')} of {one.objects} without a row, "
                f"{one.example} among them",
                one.oldest,
                tenant=one.tenant,
                bucket=one.bucket,
                objects=one.objects,
                without_row=one.unregistered,
            )


def _objects_absent(case: Case) -> Iterator[Finding]:
    for one in case.facts.buckets:
        if one.absent:
            yield finding(
                "rows_without_object",
                f"{one.tenant}: {some(one.absent, 'row')} present in Truth, and not as objects in "
                f"the bucket {one.bucket!r}, {one.absent_example} among them",
                tenant=one.tenant,
                bucket=one.bucket,
                objects=one.objects,
                rows_without_object=one.absent,
            )


def _places(case: Case) -> Iterator[Finding]:
    kinds: dict[tuple[str, str, str], list[Missing]] = defaultdict(list)
    for one in case.facts.missing:
        code = "preview_missing" if one.what == "preview" else "object_missing"
        if one.found_in is not None:
            code = "object_elsewhere"
        kinds[code, one.row.tenant, one.found_in or ""].append(one)
    for (code, tenant, where), those in kinds.items():
        row = those[0].row
        bucket = row.preview_bucket if those[0].what == "preview" else row.bucket
        what = f"{len(those)} of {case.facts.places_checked} places looked at"
        evidence: dict[str, float | int | str] = {"found_in": where} if where else {}
        said = f"is in the bucket {where!r}" if where else "is not there"
        yield finding(
            code,
            f"{tenant}: the {those[0].what} of {row.key} should be in the bucket {bucket!r} and "
            f"{said} ({what})",
            tenant=tenant,
            rows=len(those),
            looked_at=case.facts.places_checked,
            bucket=bucket or "none",
            image=row.image_id,
            **evidence,
        )


def _refused(case: Case) -> Iterator[Finding]:
    beat = (case.facts.loops or {}).get(ARRIVALS)
    refused: dict[str, str] = dict(beat.payload.get("refused", {})) if beat else {}
    if refused:
        name, why = next(iter(refused.items()))
        yield finding(
            "arrivals_refused",
            f"{some(len(refused), 'name')} not taken in, {name} among them: {why}",
            names=len(refused),
            example=name,
        )


def _clock_skew(case: Case) -> Iterator[Finding]:
    facts, most = case.facts, case.grace.clock_skew
    if facts.ahead is not None and abs(facts.ahead) > most:
        way = "ahead of" if facts.ahead > 0 else "behind"
        yield finding(
            "clock_skew",
            f"Truth's server is {abs(facts.ahead):.0f} s {way} this machine; leases assume "
            f"{most:.0f} s at most",
            seconds=round(facts.ahead, 1),
        )
    ahead = {name: beat.at - facts.now for name, beat in (facts.loops or {}).items()}
    future = {name: seconds for name, seconds in ahead.items() if seconds > most}
    if future:
        name = max(future, key=lambda one: future[one])
        yield finding(
            "clock_skew",
            f"The last heartbeat of {name} lies {future[name]:.0f} s in the future",
            heartbeat=name,
            seconds=round(future[name], 1),
        )


def _blind(case: Case) -> Iterator[Finding]:
    facts = case.facts
    if facts.loops is None:
        return
    for loop, sensor in SENSOR_OF.items():
        code = "reconciler_blind" if loop == RECONCILER else "arrivals_blind"
        beat = facts.loops.get(loop)
        if beat is None:
            yield finding(code, f"The loop of {sensor} has never completed", heartbeat=loop)
            continue
        # A loop that takes long on a large bucket rests in proportion before the next one.
        allowed = case.grace.heartbeat + 25.0 * float(beat.payload.get("seconds", 0.0))
        silent = facts.now - beat.at
        if silent > allowed:
            yield finding(
                code,
                f"The loop of {sensor} last completed {silent:.0f} s ago, whatever its schedule "
                "shows",
                beat.at,
                heartbeat=loop,
                seconds=round(silent),
                allowed=round(allowed),
            )


def _sensors(case: Case) -> Iterator[Finding]:
    for one in case.facts.sensors:
        if not one.running:
            yield finding("sensor_stopped", f"The sensor {one.name} is switched off")
        if one.failures >= case.grace.failed_ticks:
            yield finding(
                "ticks_failing",
                f"The last {one.failures} ticks of {one.name} failed: {one.error}",
                one.failing_since,
                sensor=one.name,
                ticks=one.failures,
            )


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
    for one in case.facts.troubled:
        since = one.row.retry_since
        if since is None or one.row.suspect:
            continue
        if now - since > grace.retrying or one.row.retries >= grace.retries:
            by_reason[one.row.pipeline_status, kind_of(one.reason)].append(since)
    for (status, reason), began in by_reason.items():
        yield finding(
            "retrying",
            f"{some(len(began), 'row')} in {status} retried for the same reason: {reason}",
            min(began),
            rows=len(began),
            status=status,
        )


def _rows_crashing(case: Case) -> Iterator[Finding]:
    rows = [one.row for one in case.facts.troubled if one.row.suspect and one.row.attempts >= 2]
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
        those = [
            row
            for row in case.facts.ours
            if (row.tenant, row.failure_class) == (tenant, failure_class)
        ]
        yield finding(
            "infrastructure_failures",
            f"{tenant}: {some(rows, 'row')} failed as {failure_class}, by no fault of the image: "
            f"{those[0].failure_reason}",
            min(row.updated_at for row in those),
            tenant=tenant,
            failure_class=failure_class,
            rows=rows,
            image=those[0].image_id,
        )


def _drifted(case: Case) -> Iterator[Finding]:
    for one in case.facts.drifts:
        held = one.lane in case.limits.held_lanes
        parts = {part: f"{ran} (declared {want})" for part, (want, ran) in one.differs.items()}
        yield finding(
            "drifted",
            f"{str(one).capitalize()}{'. The lane is held' if held else ''}",
            one.since,
            lane=one.lane,
            run=one.run_id,
            **parts,
        )


RULES: tuple[Rule, ...] = (
    _rows_missing,
    _rows_stranded,
    _objects_unregistered,
    _objects_absent,
    _places,
    _refused,
    _clock_skew,
    _blind,
    _sensors,
    _preflight,
    _retrying,
    _rows_crashing,
    _infrastructure_failures,
    _drifted,
)
