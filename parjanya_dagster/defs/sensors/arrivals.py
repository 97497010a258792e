"""The sensor that fills Truth: `arrivals`. Its loop is in `attending`."""

import json
from typing import Any

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
from parjanya_dagster.defs.sensors.arrivals_tick import (
    attend_mailbox,
    attend_sweeping,
    rests,
)
from parjanya_dagster.ingest.arrivals import Swept

INTERVAL = 1  # seconds; the loop of Dagster's sensor daemon is 5
TEND = 5.0  # seconds of a tick for uploads whose time is up


@sensor(
    name="arrivals",
    minimum_interval_seconds=INTERVAL,
    default_status=DefaultSensorStatus.RUNNING,
    description="Registers what landed in tenants' buckets, and adds the partitions it needs.",
)
def arrivals(context: SensorEvaluationContext, platform: PlatformResource) -> SensorResult:
    place = platform.open()
    state: dict[str, Any] = json.loads(context.cursor or "{}")
    if place.mailbox is None and rests(place, state):
        return SensorResult(skip_reason="The last sweep took long; the next one waits.")
    attend = attend_sweeping if place.mailbox is None else attend_mailbox
    total = attend(place, state)
    total.add(place.uploads.tend(place.clock() + TEND).registered)
    known = set(context.instance.get_dynamic_partitions(image_batches.name or ""))
    new = sorted(set(total.registered) - known)
    return SensorResult(
        cursor=json.dumps(state),
        dynamic_partitions_requests=[image_batches.build_add_request(new)] if new else [],
        asset_events=[_landed(total)] if total.registered else [],
        skip_reason=None if total.registered else _idle(total),
    )


def _landed(swept: Swept) -> AssetMaterialization:
    return AssetMaterialization(
        AssetKey("uploads"),
        description="New images were registered.",
        metadata={"images": sum(swept.registered.values()), "batches": len(swept.registered)},
    )


def _idle(swept: Swept) -> str:
    waiting = f", {swept.unfinished} still being written" if swept.unfinished else ""
    refused = f", {len(swept.refused)} refused" if swept.refused else ""
    return f"Nothing new among {swept.seen} objects{waiting}{refused}."
