"""The asset `taste`: a partition is a tenant, and its run learns from what people decided.

Annotations stay evaluated in this module: Dagster reads the type of `context`.
"""

from typing import Any

from dagster import (
    AllPartitionMapping,
    AssetDep,
    AssetExecutionContext,
    AssetKey,
    AssetSelection,
    DefaultSensorStatus,
    DynamicPartitionsDefinition,
    MaterializeResult,
    MetadataValue,
    SensorEvaluationContext,
    SensorResult,
    asset,
    define_asset_job,
    in_process_executor,
    sensor,
)

from parjanya_dagster.belief.tags import STAGES_TAG
from parjanya_dagster.defs.resources import PlatformResource

PARTITIONS = "tastes"
SELDOM = 300  # seconds between two looks for new tenants
_CURATED = AssetDep(AssetKey("curated"), partition_mapping=AllPartitionMapping())


@asset(
    name="taste",
    deps=[_CURATED],
    partitions_def=DynamicPartitionsDefinition(name=PARTITIONS),
    group_name="images",
    kinds={"json", "numpy"},
    description="What a tenant's people would accept, learned from what they decided. The same "
    "decisions give the same bytes, and no new version. No policy is changed by it.",
    code_version="1",
)
def taste(context: AssetExecutionContext, platform: PlatformResource) -> MaterializeResult[Any]:
    from parjanya_dagster.learning import keeping
    from parjanya_dagster.learning.decisions import learn

    opened, tenant = platform.open(), context.partition_key
    bucket = opened.tenant(tenant).bucket
    kept = learn(opened.store, opened.objects, opened.tastes, tenant)
    held_out, learned = kept.taste.held_out, kept.taste.learned_from
    agreement, sure = held_out["agreement"], held_out["agreement_where_sure"]
    curve = "\n".join(
        f"| {one.low:.1f}–{one.high:.1f} | {one.n} | {100 * one.accepted:.0f} % | "
        f"{'yes' if one.reached else 'no: unknown'} |"
        for one in kept.taste.calibration
    )
    return MaterializeResult(
        metadata={
            "version": kept.version,
            "new": kept.new,
            "hash": kept.taste.hash,
            "place": MetadataValue.path(opened.objects.place(bucket, keeping.key_of(kept.version))),
            "decisions": learned["decisions"],
            "features": len(kept.taste.features),
            "held_out_agreement": agreement["share"],
            "held_out_sure": held_out["sure"]["share"],
            "held_out_agreement_where_sure": sure["share"] if sure["n"] else "nothing is sure",
            "calibration": MetadataValue.md(
                f"| stated | n | accepted | borne out |\n|---|---|---|---|\n{curve}"
            ),
        }
    )


taste_job = define_asset_job(
    "taste_job",
    selection=AssetSelection.assets(taste),
    executor_def=in_process_executor,
    tags={STAGES_TAG: "[]"},  # so the reconciler leaves its runs alone
    description="Learns a tenant's taste.",
)


@sensor(
    name="tastes",
    job=taste_job,
    minimum_interval_seconds=SELDOM,
    default_status=DefaultSensorStatus.RUNNING,
    description="Adds a partition for each tenant. It asks for no run: people do.",
)
def tastes_sensor(context: SensorEvaluationContext, platform: PlatformResource) -> SensorResult:
    known = set(context.instance.get_dynamic_partitions(PARTITIONS))
    new = sorted({tenant.slug for tenant in platform.open().store.tenants()} - known)
    if new:
        context.instance.add_dynamic_partitions(PARTITIONS, new)
    return SensorResult(skip_reason=f"{len(known) + len(new)} tenants may have a taste.")
