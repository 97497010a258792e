"""The bucket of a tenant, once it has proved that it is the one that Truth knows."""

from __future__ import annotations

from parjanya_dagster.errors import BucketUnknown
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.models import Tenant
from parjanya_dagster.truth.store import Buckets


def proven(store: Buckets, objects: Objects, tenant: Tenant) -> str:
    """The name of the bucket. Raises BucketMissing, BucketUnknown: nothing is written there."""
    known = store.known_buckets().get(tenant.bucket)
    if known is not None and objects.identity(tenant.bucket) != known.identity:
        raise BucketUnknown(
            f"What lies at the place of the bucket {tenant.bucket!r} is not the bucket that "
            "Truth knows, so no release is written there. Is its volume mounted?"
        )
    return tenant.bucket
