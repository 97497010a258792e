"""The sensor `releases`: a run for each release that nobody writes, and a partition for each."""

from collections import defaultdict
from collections.abc import Sequence

from dagster import (
    AssetKey,
    AssetMaterialization,
    DagsterInstance,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRecord,
    RunRequest,
    RunsFilter,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)
from dagster._core.storage.dagster_run import FINISHED_STATUSES

from parjanya_dagster.belief.tags import PARTITION, PRIORITY, SHARE_TAG
from parjanya_dagster.defs.released import PARTITIONS, release_job, release_metadata
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.platform import Platform
from parjanya_dagster.release.attendance import Run, needed
from parjanya_dagster.truth.releases import COMPLETE

INTERVAL = 10  # seconds
SELDOM = 300.0  # seconds between two looks at all releases of all tenants
LAST = -300  # of priorities: a release waits behind what arrives, and behind regrades
MOST_RUNS = 100  # of one release that are looked at


@sensor(
    name="releases",
    job=release_job,
    minimum_interval_seconds=INTERVAL,
    default_status=DefaultSensorStatus.RUNNING,
    description="Asks for a run where a release is not written and nobody writes it.",
)
def releases_sensor(context: SensorEvaluationContext) -> SensorResult:
    opened = PlatformResource().open()  # as a resource it would open Dagster's storage
    open_ = opened.store.open_releases()
    looked_at, now = float(context.cursor or 0.0), opened.clock()
    look = not 0 <= now - looked_at < SELDOM
    if not open_ and not look:
        return SensorResult(cursor=context.cursor, skip_reason=_why_nothing(0))
    instance = context.instance
    known = set(instance.get_dynamic_partitions(PARTITIONS))
    if new := sorted({release.key for release in open_} - known):
        instance.add_dynamic_partitions(PARTITIONS, new)
    found = needed(open_, _runs(instance, [one.key for one in open_]), opened.clock())
    for dead in found.dead:
        run = instance.get_run_by_id(dead.run_id)
        if run is not None and run.status not in FINISHED_STATUSES:
            instance.report_run_failed(run, "nobody has attended its release for too long")
    # One at a time: a release reads and writes as fast as the disk does.
    requests = [
        RunRequest(
            partition_key=release.key,
            tags={SHARE_TAG: PARTITIONS, PRIORITY: str(LAST)},
        )
        for release in found.ask[:1]
    ]
    written = []
    if look:
        written, looked_at = _untold(opened, instance), now
    return SensorResult(
        run_requests=requests,
        asset_events=written,
        cursor=repr(looked_at),
        skip_reason=None if requests or written else _why_nothing(len(open_)),
    )


def _why_nothing(being_written: int) -> str:
    return f"{being_written} releases are being written."


def _runs(instance: DagsterInstance, keys: Sequence[str]) -> dict[str, list[Run]]:
    """The last runs of each release."""
    runs: dict[str, list[Run]] = defaultdict(list)
    for key in keys:
        of_key = RunsFilter(job_name=release_job.name, tags={PARTITION: key})
        runs[key] = [_run(one) for one in instance.get_run_records(of_key, limit=MOST_RUNS)]
    return runs


def _run(record: RunRecord) -> Run:
    run = record.dagster_run
    began = run.status in (DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING)
    changed = record.update_timestamp.timestamp()
    return Run(
        run_id=run.run_id,
        began_at=(record.start_time or changed) if began else None,
        ended_at=(record.end_time or changed) if run.status in FINISHED_STATUSES else None,
    )


def _untold(platform: Platform, instance: DagsterInstance) -> list[AssetMaterialization]:
    """Complete releases of which Dagster knows nothing: the command line wrote them, or the events
    of their runs were deleted."""
    told = instance.get_materialized_partitions(AssetKey("released"))
    complete = [
        release
        for tenant in platform.store.tenants()
        for release in platform.store.releases(tenant.slug)
        if release.state == COMPLETE and release.key not in told
    ]
    known = set(instance.get_dynamic_partitions(PARTITIONS))
    if new := sorted({release.key for release in complete} - known):
        instance.add_dynamic_partitions(PARTITIONS, new)
    return [
        AssetMaterialization(
            AssetKey("released"),
            partition=release.key,
            description="It is complete.",
            metadata=release_metadata(platform, release),
        )
        for release in complete
    ]
