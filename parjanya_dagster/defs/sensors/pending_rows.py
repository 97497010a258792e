"""The reconciler's sensor: `pending_rows`. Its loop is `intent.loop`."""

import json
from collections.abc import Sequence
from typing import Any

from dagster import (
    AssetKey,
    DefaultSensorStatus,
    RunRequest,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)

from parjanya_dagster.belief.runs import DagsterBelief
from parjanya_dagster.belief.tags import (
    ALONG_TAG,
    INTENT_TAG,
    LIGHT,
    LIGHT_TAG,
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
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.intent.plan import Plan, Request
from parjanya_dagster.lanes import Lane
from parjanya_dagster.truth.models import Regrade
from parjanya_dagster.truth.store import Store

INTERVAL = 1  # seconds; `instance.daemon` looks that often, Dagster's own daemon each 5


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
        opened = platform.open()
        for emission in opened.loop(DagsterBelief(context.instance, lanes)).tick():
            if emission.add_keys:  # at once, so that the next pass knows where they stand
                context.instance.add_dynamic_partitions(PARTITIONS, list(emission.add_keys))
        return SensorResult(
            run_requests=[
                run_request(request, _regrade_of(opened.store, request))
                for request in emission.runs
            ],
            skip_reason=None if emission.asks_for_work else _why_nothing(emission.plan),
        )

    return pending_rows


def _regrade_of(store: Store, request: Request) -> Regrade | None:
    """The regrade that a run is for: the last one that covers its partitions."""
    if not request.regrade:
        return None
    covering = (regrade for regrade in store.regrades() if any(map(regrade.covers, request.keys)))
    return next(covering, None)


def run_request(request: Request, regrade: Regrade | None = None) -> RunRequest:
    """Dagster's form of a planned run: a range of partitions in the lane's job."""
    tags = {SHARE_TAG: request.lane.name}
    if request.light:
        tags = {SHARE_TAG: f"{request.lane.name}:{LIGHT}", LIGHT_TAG: str(request.light)}
    if request.regrade:  # without a record of it, rows wait for a policy that a backfill named
        tags = {SHARE_TAG: f"{request.lane.name}:{REGRADE}", REPLAY_TAG: "backfill"}
    if set(request.stages) & set(request.lane.along):
        tags[ALONG_TAG] = str(request.along)
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


def _why_nothing(plan: Plan) -> str:
    if not plan.due_rows and not plan.guarded:
        return "Nothing is due."
    return (
        f"{plan.due_rows} rows are due: {plan.covered} batches are covered by live runs, "
        f"{plan.cooling} wait after a failed run, {plan.guarded} wait behind a full queue."
    )
