"""The loop that fills Truth: `arrivals`. The other loop is in `reconciler`."""

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

from parjanya_dagster.ingest.arrivals import Swept
from parjanya_dagster.partitions import image_batches
from parjanya_dagster.resources import PlatformResource

INTERVAL = 1  # seconds; the loop of Dagster's sensor daemon is 5
ATTEND = 20.0  # seconds that a tick goes on looking, so that what lands is seen at once
LOOK_EVERY = 0.5  # seconds between looks
TICK_BUDGET = 40.0  # seconds; Dagster ends a tick at 60
DEPARTURES_EVERY = 60.0  # seconds between looks at what is gone
EASE = 20.0  # a sweep may take one part in so many of the time
ARRIVALS_BEAT = "arrivals"


@sensor(
    name="arrivals",
    minimum_interval_seconds=INTERVAL,
    default_status=DefaultSensorStatus.RUNNING,
    description="Registers what landed in tenants' buckets, and adds the partitions it needs.",
)
def arrivals(context: SensorEvaluationContext, platform: PlatformResource) -> SensorResult:
    place = platform.open()
    began = place.clock()
    state: dict[str, float] = json.loads(context.cursor or "{}")
    if waits(state.get("next_sweep", 0.0), began):
        return SensorResult(skip_reason="The last sweep took long; the next one waits.")
    total = Swept()
    while True:
        now = place.clock()
        departures = not waits(state.get("next_departures", 0.0), now)
        swept = place.sweeper.sweep(began + TICK_BUDGET, departures)
        took = place.clock() - now
        if departures and swept.complete:
            state["next_departures"] = now + max(DEPARTURES_EVERY, took * EASE)
        total.absorb(swept)
        place.store.beat(ARRIVALS_BEAT, place.clock(), _seen(swept, took))
        pause = max(LOOK_EVERY, took * EASE)
        if place.clock() + pause > began + ATTEND:
            break
        place.pause(pause)
    total.add(place.uploads.tend(began + TICK_BUDGET).registered)
    state["next_sweep"] = place.clock() + (pause if pause > LOOK_EVERY else 0.0)
    known = set(context.instance.get_dynamic_partitions(image_batches.name or ""))
    new = sorted(set(total.registered) - known)
    return SensorResult(
        cursor=json.dumps(state),
        dynamic_partitions_requests=[image_batches.build_add_request(new)] if new else [],
        asset_events=[_landed(total)] if total.registered else [],
        skip_reason=None if total.registered else _idle(total),
    )


def waits(until: float, now: float) -> bool:
    """Whether it is too early. A time far ahead comes of a clock that went backwards: not then."""
    return now < until <= now + max(DEPARTURES_EVERY, EASE * TICK_BUDGET)


def _seen(swept: Swept, took: float) -> dict[str, Any]:
    return {
        "seconds": round(took, 3),
        "seen": swept.seen,
        "registered": sum(swept.registered.values()),
        "unfinished": swept.unfinished,
        "departed": swept.departed,
        "refused": dict(list(swept.refused.items())[:50]),
        "complete": swept.complete,
    }


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
