"""Where tastes lie: an object per version in the bucket of their tenant, written once.

The number of a version is its place. A policy names a version and its hash, so what was written
over, or lies in a foreign bucket, is never taken for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Protocol

from parjanya_dagster.errors import (
    BucketMissing,
    BucketUnknown,
    ObjectGone,
    StorageUnavailable,
    TasteMissing,
    TasteUnusable,
)
from parjanya_dagster.learning.taste import Taste, read
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.store import Buckets, Tenants

ROOT: Final = "taste/"
CONTENT_TYPE: Final = "application/json"
TRIES: Final = 10  # to write the next version while others do
_NAME: Final = re.compile(r"taste/(\d{4,9})\.json")


class Source(Tenants, Buckets, Protocol):
    """What is read of Truth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A version of a tenant's taste."""

    version: int
    taste: Taste
    new: bool = False  # it was written just now


def key_of(version: int) -> str:
    return f"{ROOT}{version:04d}.json"


def versions(objects: Objects, bucket: str) -> list[int]:
    """The versions that lie in a bucket, in order. Raises StorageUnavailable."""
    try:
        keys = [info.key for info in objects.listing(bucket, ROOT)]
    except BucketMissing:
        return []
    return sorted(int(match[1]) for key in keys if (match := _NAME.fullmatch(key)))


def get(objects: Objects, bucket: str, version: int) -> Taste:
    """A version. Raises TasteMissing, TasteBroken, StorageUnavailable."""
    try:
        return read(objects.get(bucket, key_of(version)).data)
    except (ObjectGone, BucketMissing):
        raise TasteMissing(f"There is no version {version} in {bucket}/{ROOT}.") from None


def _hash_of(objects: Objects, bucket: str, version: int) -> str:
    """Empty where what lies there is no taste: the next one is written after it."""
    try:
        return get(objects, bucket, version).hash
    except TasteUnusable:
        return ""


def keep(store: Source, objects: Objects, taste: Taste) -> Kept:
    """Write a taste as the next version, unless it is the newest already.

    Of two who write at once, each gets a version of its own. Raises StorageUnavailable, and
    BucketUnknown where another bucket lies at the place of the known one.
    """
    tenant = store.tenant(taste.tenant)
    assert tenant is not None, "a taste is of a registered tenant"
    bucket = tenant.bucket
    known = store.known_buckets().get(bucket)
    if known is not None and objects.identity(bucket) != known.identity:
        raise BucketUnknown(
            f"What lies at the place of the bucket {bucket!r} is not the bucket that Truth knows, "
            "so no taste is written there. Is its volume mounted?"
        )
    for _ in range(TRIES):
        there = versions(objects, bucket)
        last = there[-1] if there else 0
        if last and _hash_of(objects, bucket, last) == taste.hash:
            return Kept(version=last, taste=taste)
        if objects.put_over(bucket, key_of(last + 1), taste.data, CONTENT_TYPE, ""):
            return Kept(version=last + 1, taste=taste, new=True)
    raise StorageUnavailable(f"Others write {bucket}/{ROOT} all the time.")
