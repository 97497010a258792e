"""Is a tenant's bucket the one that Truth speaks of? Asked before its emptiness is believed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from parjanya_dagster.errors import BucketUnknown, ObjectGone, StorageUnavailable
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.models import Tenant
from parjanya_dagster.truth.records import KnownBucket
from parjanya_dagster.truth.store import Store

SAMPLE = 100  # rows of which one must be found before an unmarked bucket is adopted


@dataclass(slots=True)
class KnownBuckets:
    """The buckets of tenants, by the identity that each carries."""

    store: Store
    objects: Objects
    clock: Callable[[], float]
    known: dict[str, KnownBucket] = field(default_factory=dict)

    def refresh(self) -> None:
        self.known = self.store.known_buckets()

    def require(self, tenant: Tenant) -> None:
        """Raises BucketUnknown unless the bucket is the tenant's, and StorageUnavailable.

        A bucket that nobody knew is adopted where nothing speaks against it: its tenant is new,
        or some of the tenant's images are in it.
        """
        known = self.known.get(tenant.bucket)
        if known is None:
            self._adopt(tenant)
        elif (why := objection(known, self.objects.identity(tenant.bucket))) is not None:
            raise BucketUnknown(f"{why} parjanya tenant adopt {tenant.slug}")

    def _adopt(self, tenant: Tenant) -> None:
        rows = self.store.present(tenant.slug, "", SAMPLE)
        ours = [row for row in rows if row.bucket == tenant.bucket]
        try:
            marked = self.objects.identity(tenant.bucket) is not None
        except StorageUnavailable:
            if ours:
                raise
            return  # it is made with the first image; until then there is nothing to lose
        if not ours and not self._holds(tenant.bucket, tenant.prefix):
            return  # an empty folder may be a mount point: it is adopted with its first object
        if ours and not marked and not any(self._holds(row.bucket, row.key) for row in ours):
            raise BucketUnknown(
                f"The bucket {tenant.bucket!r} holds none of {len(ours)} images of "
                f"{tenant.slug!r} that were looked for. Is its volume mounted? If it is right, say "
                f"so: parjanya tenant adopt {tenant.slug}"
            )
        self.adopt(tenant)

    def adopt(self, tenant: Tenant) -> KnownBucket:
        """Believe what lies in the tenant's bucket from now on. Raises StorageUnavailable."""
        bucket = KnownBucket(
            bucket=tenant.bucket,
            identity=self.objects.mark(tenant.bucket),
            adopted_at=self.clock(),
        )
        self.store.adopt_bucket(bucket)
        self.known[tenant.bucket] = bucket
        return bucket

    def _holds(self, bucket: str, key: str) -> bool:
        """Whether there is such an object, asked of a bucket that may have no marker yet."""
        try:
            return next(self.objects.listing(bucket, key), None) is not None
        except (ObjectGone, StorageUnavailable):
            return False


def objection(known: KnownBucket, seen: str | None) -> str | None:
    """Why what lies at a bucket's place is not that bucket. None: it is.

    `seen`: the identity that it carries now. The sentence ends before the command that cures it.
    """
    if seen is None:
        return (
            f"The bucket {known.bucket!r} has lost its marker, so nothing in it is believed to be "
            "gone. Is its volume mounted? If its images really lie there, say so:"
        )
    if seen != known.identity:
        return (
            f"Another bucket lies where {known.bucket!r} was: its marker says {seen}, and Truth "
            f"knows {known.identity}. Mount the right one. If this one replaces it, say so:"
        )
    return None
