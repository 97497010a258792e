"""The assets: uploads → validated → enriched → scored → curated, one partition a batch.

Annotations stay evaluated in this module: Dagster reads the type of `context`.
"""

import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
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

from parjanya_dagster.belief.tags import INTENT_TAG, RECONCILER, REGRADE
from parjanya_dagster.defs.metadata import partition_metadata
from parjanya_dagster.defs.partitions import image_batches
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.defs.run_start import report_start
from parjanya_dagster.errors import WrongJob
from parjanya_dagster.execution.garbage_collection import seldom
from parjanya_dagster.execution.heartbeat import SignsOfLife, note_pace
from parjanya_dagster.execution.manifest import Contents, contents, write_manifest
from parjanya_dagster.execution.pacing import pace_of
from parjanya_dagster.execution.preflight import anything_to_do, require_fit
from parjanya_dagster.execution.run_ledger import Book, gpu_attached
from parjanya_dagster.execution.stages.build import stage_work
from parjanya_dagster.execution.worker import Tally, work_off
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.requests import Reset

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
    ) -> MaterializeResult:
        place = platform.open()
        report_start(context, place)
        return run_stage(context, place, name)

    return stage_asset


def run_stage(context: AssetExecutionContext, platform: Platform, stage: str) -> MaterializeResult:
    """Claim, work, commit over the due rows of the run's partitions; then say what was done.

    A run that the reconciler asked for works on what is due. Any other run means "compute this
    again": it resets its partitions first, once per backfill. Nothing is reset or claimed before
    the stage's engine has passed its preflight.
    """
    keys = context.partition_keys
    tags = context.run.tags
    _stop_where_misplaced(context, platform, stage)
    if stage == "validated":
        _preload(platform, context)
    asked = tags.get(INTENT_TAG) in (RECONCILER, REGRADE)
    book = Book(platform.store, context.run.run_id, stage, platform.clock, gpu=gpu_attached())
    signs = SignsOfLife(
        platform.store,
        context.run.run_id,
        stage,
        platform.clock,
        silence=platform.settings.run_silence,
        stall=platform.settings.run_stall,
        book=book,
    )
    with signs, seldom() if stage == "curated" else nullcontext():
        settings, store = platform.settings, platform.store
        idle = asked and not anything_to_do(settings, store, stage, keys, platform.clock())
        if not idle:
            require_fit(settings, store, stage, context.run.run_id, platform.clock)
        if not asked:
            _send_back(context, platform, stage)
        tally = work_off(
            platform.store,
            signs.over(stage_work(platform, stage, context.run.run_id)),
            keys,
            owner=context.run.run_id,
            pace=pace_of(platform, stage),
            clock=platform.clock,
            tally=book.tally,
            stop=lambda: idle,
        )
        book.started(context.run.job_name, {f"loading {stage}": tally.load_seconds})
        signs.finishing()
        note_pace(platform.store, stage, tally, platform.clock())
        stale = platform.store.stale_manifests() if stage == "curated" else {}
        for key in keys:  # one at a time: a run may have hundreds of partitions
            known = contents(platform.store, key) if stage == "curated" else None
            if key in stale:
                write_manifest(platform.store, platform.objects, key, stale[key], known)
            _report(context, platform, stage, key, tally, known)
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
    lane = next(lane for lane in platform.lanes if stage in lane.stages)
    if lane.tags and context.run.job_name != lane.job:
        raise WrongJob(
            f"{stage} needs the nodes of the lane {lane.name!r}, and this run of "
            f"{context.run.job_name} does not have them. Nothing was changed. Launch it from the "
            f"job {lane.job} (Jobs → {lane.job} → Partitions → Launch backfill), or with "
            "`parjanya regrade`."
        )


def _send_back(context: AssetExecutionContext, platform: Platform, stage: str) -> None:
    """Reset the run's partitions to the stage, once per backfill."""
    tags = context.run.tags
    replay = tags.get(BACKFILL_TAG) or tags.get(ROOT_RUN_TAG) or context.run.run_id
    policy = _wanted_policy(context.run.run_config)
    if policy:
        policy = platform.registry.named(policy).ref
    rows = platform.store.reset(
        context.partition_keys,
        Reset(
            stage=stage,
            reason=f"replay {replay} from {stage}" + (f" under {policy}" if policy else ""),
            run_id=context.run.run_id,
            policy=policy or None,
        ),
        platform.clock(),
        replay,
    )
    context.log.info(f"{rows} rows go through {stage} again (replay {replay}).")


def _wanted_policy(run_config: Mapping[str, Any]) -> str:
    """The policy that the run config names, at whichever of its assets."""
    chosen = [
        str((one or {}).get("config", {}).get("policy", ""))
        for one in (run_config.get("ops") or {}).values()
    ]
    return next(filter(None, chosen), "")


def _report(
    context: AssetExecutionContext,
    platform: Platform,
    stage: str,
    key: str,
    tally: Tally,
    known: Contents | None,
) -> None:
    seconds = {
        "run/seconds_loading": round(tally.load_seconds, 3),
        "run/seconds_working": round(tally.image_seconds, 3),
        "run/seconds_in_truth": round(tally.commit_seconds, 3),
        "run/models_loaded": ", ".join(sorted(MODEL_RUNTIMES & sys.modules.keys())) or "none",
    }
    metadata = partition_metadata(platform, stage, key, tally, known)
    context.add_asset_metadata({**metadata, **seconds}, partition_key=key)


def _preload(platform: Platform, context: AssetExecutionContext) -> None:
    """Load the models of the run's later stages beside the work of its first one."""
    chosen = {key.path[-1] for key in context.run.asset_selection or ()}
    later = [stage for stage in ("enriched", "scored") if not chosen or stage in chosen]
    threading.Thread(target=_warm, args=(platform, later), name="preload", daemon=True).start()


def _warm(platform: Platform, stages: Sequence[str]) -> None:
    """Errors are left for the work itself, which hands its rows back and fails the run."""
    from parjanya_dagster.execution.stages.by_policy import ByPolicy

    for stage in stages:
        try:
            work = stage_work(platform, stage, "preload")
            if isinstance(work, ByPolicy):
                work.load()
        except Exception:
            return


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
    "scored", "enriched", {"pytorch"}, "How good the picture is, technically: 0 to 100.", "1"
)
curated = _stage(
    "curated",
    "scored",
    {"parquet", "yaml"},
    "Accepted, rejected or sent to review under the tenant's policy, with reasons.",
    "1",
)

STAGE_ASSETS = (validated, enriched, scored, curated)
