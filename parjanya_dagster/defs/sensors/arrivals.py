"""The sensor that fills Truth: `arrivals`. Its loop is `ingest.watch`."""

from dagster import (
    AssetKey,
    AssetMaterialization,
    DefaultSensorStatus,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)

from parjanya_dagster.defs.partitions import image_batches
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.ingest.results import SweepResult
from parjanya_dagster.ingest.watch import Cursor

INTERVAL = 1  # seconds; `instance.daemon` looks that often, Dagster's own daemon each 5


@sensor(
    name="arrivals",
    minimum_interval_seconds=INTERVAL,
    default_status=DefaultSensorStatus.RUNNING,
    description="Registers what landed in tenants' buckets, and adds the partitions it needs.",
)
def arrivals(context: SensorEvaluationContext) -> SensorResult:
    cursor = Cursor.parse(context.cursor)
    platform = PlatformResource().open()  # as a resource it would open Dagster's storage
    swept = platform.watch.tick(cursor)
    if swept is None:
        return SensorResult(skip_reason="The last sweep took long; the next one waits.")
    new: list[str] = []
    if swept.registered:
        known = set(context.instance.get_dynamic_partitions(image_batches.name or ""))
        new = sorted(set(swept.registered) - known)
    return SensorResult(
        cursor=cursor.text(),
        dynamic_partitions_requests=[image_batches.build_add_request(new)] if new else [],
        asset_events=[_landed(swept)] if swept.registered else [],
        skip_reason=None if swept.registered else _idle(swept),
    )


def _landed(swept: SweepResult) -> AssetMaterialization:
    return AssetMaterialization(
        AssetKey("uploads"),
        description="New images were registered.",
        metadata={"images": sum(swept.registered.values()), "batches": len(swept.registered)},
    )


def _idle(swept: SweepResult) -> str:
    waiting = f", {swept.unfinished} still being written" if swept.unfinished else ""
    refused = f", {len(swept.refused)} refused" if swept.refused else ""
    aside = f", {swept.set_aside} set aside" if swept.set_aside else ""
    return f"Nothing new among {swept.seen} objects{waiting}{refused}{aside}."
