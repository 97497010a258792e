"""What Truth expects in the buckets, beside what lies in them. Told, and nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from parjanya_dagster.errors import StorageUnavailable
from parjanya_dagster.ingest.known_buckets import objection
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.models import Tenant
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.store.paging import present_pages

EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What one tenant's rows need: their objects, and the previews of those that have one."""

    tenant: str
    bucket: str
    images: int  # rows whose object is present, as Truth says
    missing: int = 0  # of their objects and previews, not in the bucket
    examples: tuple[str, ...] = ()  # keys
    unknown: str = ""  # why the bucket could not be compared


def expected(
    store: Store, objects: Objects, progress: Callable[[str, int], None]
) -> Iterator[Expected]:
    """Compare each tenant's rows with a listing of its bucket, by key."""
    for tenant in store.tenants():
        images = 0
        try:
            held = _keys(store, objects, tenant)
            unknown = ""
        except StorageUnavailable as error:
            held, unknown = set(), str(error)
        missing: list[str] = []
        count = 0
        for page in present_pages(store, tenant.slug):
            images += len(page)
            progress(tenant.slug, images)
            if unknown:
                continue
            needed = [(row.bucket, row.key) for row in page]
            needed += [(row.preview_bucket or "", row.preview_key) for row in page
                       if row.preview_key]  # fmt: skip
            lacking = [key for bucket, key in needed if bucket == tenant.bucket and key not in held]
            count += len(lacking)
            missing += lacking[: EXAMPLES - len(missing)]
        yield Expected(
            tenant=tenant.slug,
            bucket=tenant.bucket,
            images=images,
            missing=count,
            examples=tuple(missing),
            unknown=unknown,
        )


def _keys(store: Store, objects: Objects, tenant: Tenant) -> set[str]:
    known = store.known_buckets().get(tenant.bucket)
    if known is not None:
        why = objection(known, objects.identity(tenant.bucket))
        if why is not None:
            raise StorageUnavailable(f"{why} parjanya tenant adopt {tenant.slug}")
    return {info.key for info in objects.listing(tenant.bucket, "")}
