"""The assets: uploads → validated → enriched → scored → curated, one partition a batch.

Annotations stay evaluated in this module: Dagster reads the type of `context`.
"""

import sys
import threading
from collections.abc import Mapping
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    Config,
    MaterializeResult,
    asset,
)
from pydantic import Field

from parjanya_dagster.belief.tags import ALONG_TAG, INTENT_TAG, LIGHT_TAG, RECONCILER, REGRADE
from parjanya_dagster.defs.metadata import partition_metadata
from parjanya_dagster.defs.partitions import image_batches
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.defs.run_start import runner_of
from parjanya_dagster.errors import WrongJob
from parjanya_dagster.execution.manifest import Contents
from parjanya_dagster.execution.preload import preload
from parjanya_dagster.execution.stage_run import Replay, StageRunner
from parjanya_dagster.execution.worker import Tally
from parjanya_dagster.intent.along import FEW
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.stages import STAGES, following

GROUP = "images"
BACKFILL_TAG = "dagster/backfill"
MODEL_RUNTIMES = {"torch", "onnxruntime", "transformers", "pyiqa"}
ROOT_RUN_TAG = "dagster/root_run_id"

uploads = AssetSpec(
    "uploads",
    group_name=GROUP,
    kinds={"file"},
    description="Images that tenants dropped into their buckets, under `incoming/`.",
)


class StageConfig(Config):
    """What can be chosen where a run is launched by hand."""

    policy: str = Field(
        "",
        description="Decide under this policy (name@version). Empty: under each tenant's pin.",
    )


def _stage(
    name: str, upstream: str, kinds: set[str], description: str, code_version: str
) -> AssetsDefinition:
    @asset(
        name=name,
        deps=[AssetKey(upstream)],
        partitions_def=image_batches,
        group_name=GROUP,
        kinds=kinds,
        description=description,
        code_version=code_version,
        backfill_policy=BackfillPolicy.single_run(),
    )
    def stage_asset(
        context: AssetExecutionContext, config: StageConfig, platform: PlatformResource
    ) -> MaterializeResult[Any]:
        opened = platform.open()
        return run_asset(context, opened, runner_of(context, opened), name)

    return stage_asset


def run_asset(
    context: AssetExecutionContext, platform: Platform, runner: StageRunner, stage: str
) -> MaterializeResult[Any]:
    """Run a stage over the run's partitions; then say in each partition's metadata what was done.

    A run that the reconciler asked for works on what is due. Any other run means "compute this
    again": it resets its partitions first, once per backfill.
    """
    _stop_where_misplaced(context, platform, stage)
    if stage == "validated":
        _preload(platform, context)

    def report(key: str, tally: Tally, known: Contents | None, put_off: bool) -> None:
        _report(context, platform, stage, key, tally, known, put_off)

    keys = context.partition_keys
    replay = _replay(context, platform, stage)
    most = 0 if replay else _most_rows(context, platform, stage)
    then = _then(context, platform, stage)
    with runner.notice.listening(passed_on=True):
        tally = runner.run(stage, keys, replay=replay, most=most, then=then, batch_done=report)
    if replay:
        context.log.info(
            f"{tally.replayed} rows went through {stage} again (replay {replay.replay_id})."
        )
    context.log.info(
        f"{stage}: {tally.rows} rows over {len(keys)} partitions, "
        f"{tally.image_seconds:.2f} s of work, {tally.commit_seconds:.2f} s in Truth, "
        f"{tally.lost} lost to another worker."
    )
    return MaterializeResult()


def _stop_where_misplaced(context: AssetExecutionContext, platform: Platform, stage: str) -> None:
    """A run outside its lane's job has neither the lane's nodes nor its executor.

    On one machine that does not matter. Where the lane asks for nodes of its own, nothing is
    reset and nothing is claimed. Raises WrongJob.
    """
    job = context.run.job_name
    if _goes_along(context, platform, stage):
        return
    lane = next(lane for lane in platform.lanes if stage in lane.stages)
    if lane.tags and job != lane.job:
        raise WrongJob(
            f"{stage} needs the nodes of the lane {lane.name!r}, and this run of "
            f"{context.run.job_name} does not have them. Nothing was changed. Launch it from the "
            f"job {lane.job} (Jobs → {lane.job} → Partitions → Launch backfill), or with "
            "`parjanya regrade`."
        )


def _replay(context: AssetExecutionContext, platform: Platform, stage: str) -> Replay | None:
    """What somebody asked to compute again; None: the reconciler asked, for what is due.

    Who launches a whole job of a lane asks for the lane's own stages. One that only goes along
    works on what is due.
    """
    tags = context.run.tags
    if tags.get(INTENT_TAG) in (RECONCILER, REGRADE):
        return None
    if _goes_along(context, platform, stage) and not context.run.asset_selection:
        return None
    policy = _wanted_policy(context.run.run_config)
    return Replay(
        replay_id=tags.get(BACKFILL_TAG) or tags.get(ROOT_RUN_TAG) or context.run.run_id,
        policy=platform.registry.named(policy).ref if policy else "",
    )


def _goes_along(context: AssetExecutionContext, platform: Platform, stage: str) -> bool:
    """Whether the stage is another lane's, and runs of this job may do it too."""
    job = context.run.job_name
    return any(lane.job == job and stage in lane.along for lane in platform.lanes)


def _most_rows(context: AssetExecutionContext, platform: Platform, stage: str) -> int:
    """Rows that a run takes at a stage; 0: all. One with little to do has a bound, and so has what
    only goes along: few, where nobody said how many."""
    bounds = [_number(context.run.tags.get(LIGHT_TAG, ""))]
    if _goes_along(context, platform, stage):
        said = _number(context.run.tags.get(ALONG_TAG, ""))
        bounds.append(said or FEW)
    return min(filter(None, bounds), default=0)


def _number(text: str) -> int:
    """What makes no sense counts as absent: 0."""
    return int(text) if text.isdecimal() else 0


def _then(context: AssetExecutionContext, platform: Platform, stage: str) -> str:
    """The stage that this process runs after this one. Empty: none, or nobody knows.

    A lane's own job runs its assets in one process. Another may run each in a process of its own.
    """
    run = context.run
    lane = next((lane for lane in platform.lanes if lane.job == run.job_name), None)
    chosen = {key.path[-1] for key in run.asset_selection or ()}
    steps = run.step_keys_to_execute or ()
    return following(
        stage,
        [
            one
            for one in (lane.reach if lane else ())
            if (not chosen or one in chosen) and (not steps or one in steps)
        ],
    )


def _wanted_policy(run_config: Mapping[str, Any]) -> str:
    """The policy that the run config names, at whichever of its assets."""
    named = [
        str((of_asset or {}).get("config", {}).get("policy", ""))
        for of_asset in (run_config.get("ops") or {}).values()
    ]
    return next(filter(None, named), "")


def _report(
    context: AssetExecutionContext,
    platform: Platform,
    stage: str,
    key: str,
    tally: Tally,
    known: Contents | None,
    put_off: bool,
) -> None:
    seconds = {
        "run/seconds_loading": round(tally.load_seconds, 3),
        "run/seconds_working": round(tally.image_seconds, 3),
        "run/seconds_in_truth": round(tally.commit_seconds, 3),
        "run/models_loaded": ", ".join(sorted(MODEL_RUNTIMES & sys.modules.keys())) or "none",
    }
    metadata = partition_metadata(platform, stage, key, tally, known, put_off)
    context.add_asset_metadata({**metadata, **seconds}, partition_key=key)


def _preload(platform: Platform, context: AssetExecutionContext) -> None:
    """Load the models of the run's later stages beside the work of its first one."""
    chosen = {key.path[-1] for key in context.run.asset_selection or ()}
    later = [stage for stage in STAGES[1:] if not chosen or stage in chosen]
    arguments = platform.settings, later, platform.clock
    threading.Thread(target=preload, args=arguments, name="preload", daemon=True).start()


validated = _stage(
    "validated",
    "uploads",
    {"vips"},
    "Sniffed, decoded completely, measured, with a preview.",
    "1",
)
enriched = _stage(
    "enriched", "validated", {"onnx"}, "What is in the picture: category, text, and how sure.", "1"
)
scored = _stage(
    "scored", "enriched", {"numpy"}, "How good the picture is, technically: 0 to 100.", "1"
)
curated = _stage(
    "curated",
    "scored",
    {"parquet", "yaml"},
    "Accepted, rejected or sent to review under the tenant's policy, with reasons.",
    "1",
)

STAGE_ASSETS = (validated, enriched, scored, curated)
