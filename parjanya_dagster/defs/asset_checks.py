"""Asset checks on `curated`: is anything stuck, failing more than it should, or missing?

They look at the whole house and not at a run's own batches. So of the runs that the reconciler
asks for, one per interval looks. The others repeat its answer and say when it was found: a check
that a run leaves out would show as skipped, and hide what is wrong.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    DagsterInstance,
    MetadataValue,
    multi_asset_check,
)

from parjanya_dagster.belief.drift import declared, drifts
from parjanya_dagster.belief.runs import DagsterBelief
from parjanya_dagster.belief.tags import INTENT_TAG, RECONCILER, REGRADE
from parjanya_dagster.belief.ticks import sensors_seen
from parjanya_dagster.defs.metadata import findings_table
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.doctor.case import SENSOR_OF, Case
from parjanya_dagster.doctor.examine import Bounds, Examiner
from parjanya_dagster.doctor.grace_periods import grace_periods
from parjanya_dagster.doctor.rules import diagnose
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.stages import Status
from parjanya_dagster.truth.storable import storable
from parjanya_dagster.truth.store import Counts, Store

FAMILY, BEAT = "checks", "checks:house"  # where the last answers are, for who deletes them too
EVERY = 300.0  # seconds for which an answer is repeated
STUCK_AFTER = 3600.0  # seconds that a row may be due
CHECK_BOUNDS = Bounds(seconds=5.0, places=40, objects=2000, troubled=50, ours=200)
"""A check is part of a run: it looks at less than the command does."""
MOST_LISTED = 50  # partitions in a table
MOST_FAILED = 0.2  # share of a tenant's images


@dataclass(frozen=True)
class House:
    """What the checks look at."""

    platform: Platform
    instance: DagsterInstance

    @property
    def store(self) -> Store:
        return self.platform.store

    @cached_property
    def counts(self) -> list[Counts]:
        return self.store.counts()


def no_rows_stuck(house: House) -> AssetCheckResult:
    """No row has been due for longer than an hour."""
    now = house.platform.clock()
    stuck = [batch for batch in house.store.due(now) if now - batch.oldest > STUCK_AFTER]
    return AssetCheckResult(
        passed=not stuck,
        severity=AssetCheckSeverity.WARN,
        metadata={
            "rows": sum(batch.rows for batch in stuck),
            "batches": ", ".join(sorted({batch.batch for batch in stuck})[:20]) or "none",
        },
    )


def failure_rate(house: House) -> AssetCheckResult:
    """At most one image in five fails, per tenant."""
    rates = {
        counts.tenant: counts.by_status.get(Status.FAILED, 0) / counts.rows
        for counts in house.counts
        if counts.rows
    }
    return AssetCheckResult(
        passed=all(rate <= MOST_FAILED for rate in rates.values()),
        severity=AssetCheckSeverity.WARN,
        metadata={tenant: round(rate, 4) for tenant, rate in rates.items()},
    )


def conservation(house: House) -> AssetCheckResult:
    """rows ever registered = rows present + rows whose object left its bucket."""
    missing = {
        counts.tenant: counts.registered - counts.rows - counts.departed for counts in house.counts
    }
    return AssetCheckResult(
        passed=not any(missing.values()),
        severity=AssetCheckSeverity.ERROR,
        metadata=dict(missing),
    )


def doctor_finds_nothing(house: House) -> AssetCheckResult:
    """What `parjanya doctor` says: is anything missing, stuck or blind, and where?"""
    opened = house.platform
    examiner = Examiner(
        store=opened.store,
        objects=opened.objects,
        belief=opened.believing(DagsterBelief(house.instance, opened.lanes)),
        sensors=lambda: sensors_seen(house.instance, list(SENSOR_OF.values())),
        clock=opened.clock,
        bounds=CHECK_BOUNDS,
        queues=opened.all_queues,
    )
    facts = examiner.examine()
    findings = diagnose(
        Case(
            facts=facts,
            lanes=opened.lanes,
            limits=opened.limits,
            grace=grace_periods(opened.settings),
        )
    )
    return AssetCheckResult(
        passed=not findings and not facts.unread,
        severity=AssetCheckSeverity.WARN,
        metadata={
            "findings": MetadataValue.md(findings_table(findings, facts.unread)),
            "codes": ", ".join(sorted({finding.code for finding in findings})) or "none",
            "could_not_read": ", ".join(facts.unread) or "nothing",
        },
    )


def decided_under_pin(house: House) -> AssetCheckResult:
    """Every partition is decided under the policy that its tenant is pinned to."""
    others = house.store.mispinned()
    lines = ["| partition | pinned to | decided under | images |", "|---|---|---|---:|"]
    lines += [f"| {o.batch} | {o.pin} | {o.policy} | {o.rows} |" for o in others[:MOST_LISTED]]
    if len(others) > MOST_LISTED:
        lines.append(f"| … {len(others) - MOST_LISTED} more | | | |")
    return AssetCheckResult(
        passed=not others,
        severity=AssetCheckSeverity.WARN,
        metadata={
            "images": sum(other.rows for other in others),
            "partitions": len({other.batch for other in others}),
            "by_partition": MetadataValue.md("\n".join(lines)) if others else "none",
            "to_select_them": ", ".join(sorted({o.batch for o in others})[:MOST_LISTED]) or "none",
        },
    )


def runs_as_declared(house: House) -> AssetCheckResult:
    """What the runs of each lane really were is what was declared."""
    drifted = drifts(house.store)
    lines = ["| lane | run | part | declared | running |", "|---|---|---|---|---|"]
    lines += [
        f"| {drift.lane} | {drift.run_id} | {part} | {want} | {ran} |"
        for drift in drifted[:MOST_LISTED]
        for part, (want, ran) in drift.differs.items()
    ]
    return AssetCheckResult(
        passed=not drifted,
        severity=AssetCheckSeverity.WARN,
        metadata={
            "lanes_declared": ", ".join(sorted(declared(house.store))) or "none",
            "drifted": MetadataValue.md("\n".join(lines)) if drifted else "none",
        },
    )


CHECKS: dict[str, Callable[[House], AssetCheckResult]] = {
    check.__name__: check
    for check in (
        no_rows_stuck,
        failure_rate,
        conservation,
        doctor_finds_nothing,
        decided_under_pin,
        runs_as_declared,
    )
}


@multi_asset_check(
    name="house_checks",
    specs=[
        AssetCheckSpec(name, asset="curated", description=check.__doc__)
        for name, check in CHECKS.items()
    ],
    can_subset=True,
)
def house_checks(
    context: AssetCheckExecutionContext, platform: PlatformResource
) -> Iterator[AssetCheckResult]:
    house = House(platform.open(), context.instance)
    by_hand = context.run.tags.get(INTENT_TAG) not in (RECONCILER, REGRADE)
    names = sorted(key.name for key in context.selected_asset_check_keys)
    yield from answers(house, names, longest=0.0 if by_hand else EVERY)


def answers(house: House, names: Sequence[str], longest: float) -> Iterator[AssetCheckResult]:
    """The answers of these checks. Those that are younger than `longest` are not found again."""
    beat = house.store.heartbeats(FAMILY).get(BEAT)
    known: dict[str, Any] = dict(beat.payload) if beat else {}
    now = house.platform.clock()
    for name in names:
        if not (name in known and 0 <= now - known[name]["at"] < longest):
            known[name] = _kept(CHECKS[name](house), now)
        yield _result(name, known[name])
    if any(known[name]["at"] == now for name in names):
        house.store.beat(BEAT, now, storable(known))


def _kept(result: AssetCheckResult, now: float) -> dict[str, Any]:
    metadata = {name: value.value for name, value in result.metadata.items()}
    return {
        "at": now,
        "passed": result.passed,
        "severity": result.severity.value,
        "metadata": metadata,
    }


def _result(name: str, kept: Mapping[str, Any]) -> AssetCheckResult:
    shown = {
        key: MetadataValue.md(value) if isinstance(value, str) else value
        for key, value in kept["metadata"].items()
    }
    return AssetCheckResult(
        passed=kept["passed"],
        check_name=name,
        asset_key="curated",
        severity=AssetCheckSeverity(kept["severity"]),
        metadata={**shown, "looked_at": MetadataValue.timestamp(kept["at"])},
    )
