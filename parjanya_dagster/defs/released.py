"""The asset `released`: a partition is a release, and its run writes what is missing of it.

Annotations stay evaluated in this module: Dagster reads the type of `context`.
"""

from typing import TYPE_CHECKING, Any

from dagster import (
    AllPartitionMapping,
    AssetDep,
    AssetExecutionContext,
    AssetKey,
    AssetSelection,
    DynamicPartitionsDefinition,
    MaterializeResult,
    MetadataValue,
    asset,
    define_asset_job,
    in_process_executor,
)

from parjanya_dagster.belief.tags import STAGES_TAG
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.errors import ReleaseBroken, UnknownRelease
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.releases import COMPLETE, Release, parse_key

if TYPE_CHECKING:
    from parjanya_dagster.release.writing import Progress

PARTITIONS = "releases"
releases = DynamicPartitionsDefinition(name=PARTITIONS)
_CURATED = AssetDep(AssetKey("curated"), partition_mapping=AllPartitionMapping())


@asset(
    name="released",
    deps=[_CURATED],
    partitions_def=releases,
    group_name="images",
    kinds={"parquet"},
    description="Releases of tenants' images: frozen lists, written in open formats. A run writes "
    "what is missing of one, or reads a complete one back.",
    code_version="1",
)
def released(context: AssetExecutionContext, platform: PlatformResource) -> MaterializeResult[Any]:
    opened = platform.open()
    release = release_of(opened, context.partition_key)
    if release.state == COMPLETE:
        _read_back(opened, release)
    else:
        release = _write(context, opened, release)
    return MaterializeResult(metadata=release_metadata(opened, release))


release_job = define_asset_job(
    "release_job",
    selection=AssetSelection.assets(released),
    executor_def=in_process_executor,
    tags={STAGES_TAG: "[]"},  # so the reconciler leaves its runs alone
    description="Writes a release, or goes on with one.",
)


def release_of(platform: Platform, key: str) -> Release:
    """The release of a partition. Raises ReleaseInvalid, UnknownRelease."""
    tenant, name, version = parse_key(key)
    release = platform.store.find_release(tenant, name, version)
    if release is None:
        raise UnknownRelease(f"There is no release {key!r}: `parjanya release create` makes one.")
    return release


def release_metadata(platform: Platform, release: Release) -> dict[str, Any]:
    """What people see of a release in the Dagster UI."""
    from parjanya_dagster.release.writing import root_of  # it takes a while to import

    bucket = platform.tenant(release.tenant).bucket
    counts = {
        f"{what}/{value}": images
        for what in ("split", "verdict", "decided_by")
        for value, images in release.counts.get(what, {}).items()
    }
    return {
        "release_id": release.release_id,
        "state": release.state,
        "images": release.images,
        "files": release.files,
        "MB": round(release.size / 1e6, 3),
        "place": MetadataValue.path(platform.objects.place(bucket, root_of(release))),
        "created_by": release.created_by,
        **counts,
    }


def _write(context: AssetExecutionContext, platform: Platform, release: Release) -> Release:
    from parjanya_dagster.release.writing import Writer

    def say(progress: "Progress") -> None:
        context.log.info(
            f"{progress.parts} of {progress.of} parts, {progress.images} images, "
            f"{progress.kept} parts were there."
        )

    writer = Writer(
        store=platform.store, objects=platform.objects, clock=platform.clock, progress=say
    )
    return writer.write(release)


def _read_back(platform: Platform, release: Release) -> None:
    from parjanya_dagster.release.verification import verify

    found = verify(platform.objects, platform.tenant(release.tenant).bucket, release)
    if found.wrong:
        raise ReleaseBroken(f"{release.key}: {'; '.join(found.wrong[:5])}")
