"""Asset checks on `curated`: is anything stuck, failing more than it should, or missing?"""

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetKey,
    MetadataValue,
    asset_check,
)

from parjanya_dagster.belief.drift import declared, drifts
from parjanya_dagster.belief.runs import DagsterBelief
from parjanya_dagster.belief.ticks import sensors_seen
from parjanya_dagster.defs.metadata import findings_table
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.doctor.case import SENSOR_OF, Case
from parjanya_dagster.doctor.examine import Bounds, Examiner
from parjanya_dagster.doctor.grace_periods import grace_periods
from parjanya_dagster.doctor.rules import diagnose
from parjanya_dagster.truth.stages import Status

STUCK_AFTER = 3600.0  # seconds that a row may be due
CHECK_BOUNDS = Bounds(seconds=5.0, places=40, objects=2000, troubled=50, ours=200)
"""A check is part of a run: it looks at less than the command does."""
MOST_LISTED = 50  # partitions in a table
MOST_FAILED = 0.2  # share of a tenant's images


@asset_check(asset=AssetKey("curated"), description="No row has been due for longer than an hour.")
def no_rows_stuck(
    context: AssetCheckExecutionContext, platform: PlatformResource
) -> AssetCheckResult:
    opened = platform.open()
    now = opened.clock()
    stuck = [batch for batch in opened.store.due(now) if now - batch.oldest > STUCK_AFTER]
    return AssetCheckResult(
        passed=not stuck,
        severity=AssetCheckSeverity.WARN,
        metadata={
            "rows": sum(batch.rows for batch in stuck),
            "batches": ", ".join(sorted({batch.batch for batch in stuck})[:20]) or "none",
        },
    )


@asset_check(asset=AssetKey("curated"), description="At most one image in five fails, per tenant.")
def failure_rate(
    context: AssetCheckExecutionContext, platform: PlatformResource
) -> AssetCheckResult:
    rates = {
        counts.tenant: counts.by_status.get(Status.FAILED, 0) / counts.rows
        for counts in platform.open().store.counts()
        if counts.rows
    }
    return AssetCheckResult(
        passed=all(rate <= MOST_FAILED for rate in rates.values()),
        severity=AssetCheckSeverity.WARN,
        metadata={tenant: round(rate, 4) for tenant, rate in rates.items()},
    )


@asset_check(
    asset=AssetKey("curated"),
    description="rows ever registered = rows present + rows whose object left its bucket.",
)
def conservation(
    context: AssetCheckExecutionContext, platform: PlatformResource
) -> AssetCheckResult:
    missing = {
        counts.tenant: counts.registered - counts.rows - counts.departed
        for counts in platform.open().store.counts()
    }
    return AssetCheckResult(
        passed=not any(missing.values()),
        severity=AssetCheckSeverity.ERROR,
        metadata=dict(missing),
    )


@asset_check(
    asset=AssetKey("curated"),
    description="What `parjanya doctor` says: is anything missing, stuck or blind, and where?",
)
def doctor_finds_nothing(
    context: AssetCheckExecutionContext, platform: PlatformResource
) -> AssetCheckResult:
    opened = platform.open()
    examiner = Examiner(
        store=opened.store,
        objects=opened.objects,
        belief=opened.believing(DagsterBelief(context.instance, opened.lanes)),
        sensors=lambda: sensors_seen(context.instance, list(SENSOR_OF.values())),
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


@asset_check(
    asset=AssetKey("curated"),
    description="Every partition is decided under the policy that its tenant is pinned to.",
)
def decided_under_pin(
    context: AssetCheckExecutionContext, platform: PlatformResource
) -> AssetCheckResult:
    others = platform.open().store.mispinned()
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


@asset_check(
    asset=AssetKey("curated"),
    description="What the runs of each lane really were is what was declared.",
)
def runs_as_declared(
    context: AssetCheckExecutionContext, platform: PlatformResource
) -> AssetCheckResult:
    store = platform.open().store
    drifted = drifts(store)
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
            "lanes_declared": ", ".join(sorted(declared(store))) or "none",
            "drifted": MetadataValue.md("\n".join(lines)) if drifted else "none",
        },
    )


CHECKS = [
    no_rows_stuck,
    failure_rate,
    conservation,
    doctor_finds_nothing,
    decided_under_pin,
    runs_as_declared,
]
