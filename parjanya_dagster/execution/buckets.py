"""Whether a bucket is the one that Truth knows, before anything is written into it."""

from __future__ import annotations

from collections.abc import Mapping

from parjanya_dagster.errors import BucketUnknown
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.records import KnownBucket


def require_known(
    buckets: Mapping[str, KnownBucket], objects: Objects, bucket: str, what: str
) -> None:
    """What is written into an empty mount point would be hidden when the volume comes back.

    `what`: what is not written there then, such as "no manifest is". Raises BucketUnknown.
    """
    known = buckets.get(bucket)
    if known is not None and objects.identity(bucket) != known.identity:
        raise BucketUnknown(
            f"What lies at the place of the bucket {bucket!r} is not the bucket that Truth knows, "
            f"so {what} written there. Is its volume mounted? `parjanya doctor` says more."
        )
