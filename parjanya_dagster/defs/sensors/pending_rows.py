"""The loop that turns what is due into intent: the sensor `pending_rows`."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dagster import (
    AssetKey,
    DefaultSensorStatus,
    RunRequest,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)

from parjanya_dagster.belief import blind_loops
from parjanya_dagster.belief.observe import observe
from parjanya_dagster.belief.runs import DagsterBelief
from parjanya_dagster.belief.tags import (
    INTENT_TAG,
    PARTITIONS,
    POLICY_TAG,
    PRIORITY,
    RANGE_END,
    RANGE_START,
    RECONCILER,
    REGRADE,
    REPLAY_TAG,
    SHARE_TAG,
    STAGES_TAG,
)
from parjanya_dagster.defs.partitions import image_batches
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.errors import CloudUnavailable
from parjanya_dagster.intent.dispatch import send
from parjanya_dagster.intent.plan import Plan, Request
from parjanya_dagster.intent.reconcile import reconcile
from parjanya_dagster.lanes import Lane
from parjanya_dagster.platform import Platform
from parjanya_dagster.regrade.advance import Advance, unattended
from parjanya_dagster.truth.models import DueBatch, Regrade
from parjanya_dagster.truth.stages import STAGES

INTERVAL = 1  # seconds; the loop of Dagster's sensor daemon is 5
ATTEND = 20.0  # seconds that a tick goes on looking, so that what arrives is seen at once
LOOK_EVERY = 0.5  # seconds between looks at what is due
LOOK_AGAIN = 5.0  # seconds after which everything is compared again, change or no change
SETTLE = 0.7  # seconds that what is due must have stood still before intent is emitted,
REGRADE_SLICE = 5.0  # seconds of a tick that sending back the rows of a regrade may take
SETTLE_MOST = 4.0  # but no longer than this


def pending_rows_sensor(lanes: Sequence[Lane], jobs: Sequence[Any]) -> Any:
    """The reconciler's sensor over the jobs of these lanes."""

    @sensor(
        name="pending_rows",
        jobs=list(jobs),
        minimum_interval_seconds=INTERVAL,
        default_status=DefaultSensorStatus.RUNNING,
        description="The reconciler: compares Truth with what runs, and asks for what is missing.",
    )
    def pending_rows(context: SensorEvaluationContext, platform: PlatformResource) -> SensorResult:
        place = platform.open()
        belief = place.believing(DagsterBelief(context.instance, lanes))
        end = place.clock() + ATTEND
        while True:
            _go_on(place, end)
            due = _settled(place, end)
            decided = reconcile(
                place.store,
                lambda now: observe(place.store, belief, now),
                belief.bury,
                place.lanes,
                place.limits,
                place.clock,
            ).plan
            decided = replace(decided, requests=_eligible(place, decided.requests))
            _send(place, decided.requests)
            place.groups.tend(place.lanes)
            if decided.add_keys and place.clock() < end:
                # At once, so that this tick knows where they stand: neighbours share a run.
                context.instance.add_dynamic_partitions(PARTITIONS, list(decided.add_keys))
            elif decided.requests or not _await_change(place, due, end):
                break
        runs = [one for one in decided.requests if one.lane.name not in place.queues]
        return SensorResult(
            run_requests=[run_request(request, _asked(place, request)) for request in runs],
            dynamic_partitions_requests=(
                [image_batches.build_add_request(list(decided.add_keys))]
                if decided.add_keys
                else []
            ),
            skip_reason=None if decided.requests else _quiet(decided),
        )

    return pending_rows


def _eligible(place: Platform, requests: Sequence[Request]) -> tuple[Request, ...]:
    """Requests whose rows have what they need, where asking in vain would cost an instance."""
    costly = place.queues.keys() | place.settings.groups.keys()
    return tuple(
        request
        for request in requests
        if (request.lane.name not in costly and STAGES[0] in request.lane.stages)
        or place.eligibility.left(request)
    )


def _send(place: Platform, requests: Sequence[Request]) -> None:
    """Intent for lanes that have a queue of their own. What is not sent is asked for again.

    A queue that takes nothing is noted, and hinders no other lane.
    """
    for request in (one for one in requests if one.lane.name in place.queues):
        lane = request.lane.name
        try:
            with blind_loops.noted(place.store, f"sending to {lane}", place.clock()):
                send(place.store, place.queues[lane], request, place.clock)
        except CloudUnavailable:
            continue


def _settled(place: Platform, end: float) -> list[DueBatch]:
    """Wait until what is due stands still for a moment, so that a burst goes into one run."""
    began = quiet = place.clock()
    due = place.store.due(began)
    while due and (now := place.clock()) < min(began + SETTLE_MOST, end):
        if now - quiet >= SETTLE:
            break
        place.pause(SETTLE / 2)
        fresh = place.store.due(place.clock())
        if fresh != due:
            due, quiet = fresh, place.clock()
    return due


def _go_on(place: Platform, end: float) -> None:
    """Go on with regrades that whoever asked for them does not attend to any more."""
    for regrade in unattended(place.store, place.clock()):
        stop = min(place.clock() + REGRADE_SLICE, end)
        advance = Advance(place.store, place.registry.get, place.clock, regrade)
        if not advance.run(stop=lambda: place.clock() >= stop):  # noqa: B023 - called at once
            place.store.drop_hold(regrade.replay_id)  # still unattended


def _asked(place: Platform, request: Request) -> Regrade | None:
    """The regrade that a run is for: the last one that covers its partitions."""
    if not request.regrade:
        return None
    found = (one for one in place.store.regrades() if any(map(one.covers, request.keys)))
    return next(found, None)


def _await_change(place: Platform, due: list[DueBatch], end: float) -> bool:
    """Wait until something else is due, or it is time to compare everything again.

    Where Truth tells of changes, it is not asked in between. False: the tick has lasted long
    enough.
    """
    again = place.clock() + LOOK_AGAIN
    while (now := place.clock()) < again:
        if now + LOOK_EVERY > end:
            return False
        place.pause(LOOK_EVERY)
        changed = place.hints.poll() if place.hints is not None else None
        if changed or (changed is None and place.store.due(place.clock()) != due):
            return True
    return True


def run_request(request: Request, regrade: Regrade | None = None) -> RunRequest:
    """Dagster's form of a planned run: a range of partitions in the lane's job."""
    tags = {SHARE_TAG: request.lane.name}
    if request.regrade:  # without a record of it, rows wait for a policy that a backfill named
        tags = {SHARE_TAG: f"{request.lane.name}:{REGRADE}", REPLAY_TAG: "backfill"}
    if regrade is not None:
        tags |= {REPLAY_TAG: regrade.replay_id, POLICY_TAG: regrade.policy}
    return RunRequest(
        run_key=request.run_key,
        job_name=request.lane.job,
        asset_selection=[AssetKey(stage) for stage in request.stages],
        tags={
            RANGE_START: request.keys[0],
            RANGE_END: request.keys[-1],
            INTENT_TAG: RECONCILER,
            STAGES_TAG: json.dumps(request.stages),
            PRIORITY: str(request.priority),
            **tags,
        },
    )


def _quiet(decided: Plan) -> str:
    if not decided.due_rows and not decided.guarded:
        return "Nothing is due."
    return (
        f"{decided.due_rows} rows are due: {decided.covered} batches are covered by live runs, "
        f"{decided.cooling} wait after a failed run, {decided.guarded} wait behind a full queue."
    )
