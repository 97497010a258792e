"""The manifest of a batch: a Parquet file with one row per image, replaced as a whole.

An older manifest never replaces a newer one, however long its writer slept. So what lies in the
bucket shows at least what Truth was told that it shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from parjanya_dagster.errors import BucketMissing, ObjectGone, StorageUnavailable
from parjanya_dagster.execution.buckets import require_known
from parjanya_dagster.execution.manifest_table import as_parquet, shows
from parjanya_dagster.objects.store import Object, Objects
from parjanya_dagster.truth.models import Evidence, ImageRow, parse_batch
from parjanya_dagster.truth.records import KnownBucket
from parjanya_dagster.truth.store import Images, Store, Tenants
from parjanya_dagster.truth.store.paging import batch_rows

TRIES = 10  # to write over what another writer wrote meanwhile


def manifest_key(batch: str) -> str:
    """Where the manifest of a batch is, in its tenant's bucket."""
    _, day, number = parse_batch(batch)
    return f"curated/{day}/{number:03d}.parquet"


@dataclass(frozen=True, slots=True)
class Contents:
    """The rows of a batch in the order of their arrival, and their current evidence."""

    rows: Sequence[ImageRow]
    evidence: Mapping[str, Mapping[str, Evidence]]


def contents(store: Store, batch: str) -> Contents:
    rows = all_rows(store, batch)
    return Contents(rows, store.evidence(rows))


def write_manifest(
    store: Store,
    objects: Objects,
    batch: str,
    decided: int,
    known: Contents | None = None,
    buckets: Mapping[str, KnownBucket] | None = None,
) -> str:
    """Write the manifest of a batch as Truth has it now. `decided` was read before.

    `known`: the batch's contents, where they were read since then. `buckets`: those that Truth
    knows, where they were read for several manifests.

    A newer manifest that lies there stays. Its writer tells Truth, or died before it could: then
    the manifest is stale and written again. The same holds for a death of ours before Truth is
    told. Raises StorageUnavailable, and BucketUnknown where another bucket lies at the place of
    the known one.
    """
    key = manifest_key(batch)
    bucket = _bucket(store, batch)
    buckets = store.known_buckets() if buckets is None else buckets
    require_known(buckets, objects, bucket, "no manifest is")
    known = known or contents(store, batch)
    data = as_parquet(known.rows, known.evidence, decided)
    for _ in range(TRIES):
        there = _there(objects, bucket, key)
        if there is not None and _newer(store, batch, there, decided):
            return key
        version = there.version if there else ""
        if objects.put_over(bucket, key, data, "application/vnd.apache.parquet", version):
            store.manifest_written(batch, decided)
            return key
    raise StorageUnavailable(f"Others write {bucket}/{key} all the time.")


def all_rows(store: Images, batch: str) -> list[ImageRow]:
    """Every row of a batch, in the order of their arrival."""
    return sorted(batch_rows(store, [batch]), key=lambda row: (row.landed_at, row.image_id))


def _newer(store: Store, batch: str, there: Object, decided: int) -> bool:
    """Whether a manifest shows more than ours will.

    One that shows more than ever happened comes from a Truth that was lost: an older one was
    restored in its place.
    """
    shown = shows(there.data)
    return decided < shown <= store.decided(batch)


def _there(objects: Objects, bucket: str, key: str) -> Object | None:
    try:
        return objects.get(bucket, key)
    except (ObjectGone, BucketMissing):  # the bucket is made with its first object
        return None


def _bucket(store: Tenants, batch: str) -> str:
    tenant = store.tenant(parse_batch(batch)[0])
    assert tenant is not None, "a batch belongs to a registered tenant"
    return tenant.bucket
