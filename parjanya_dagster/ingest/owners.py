"""Owners: which tenant a bucket belongs to. Nothing but the bucket decides."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from parjanya_dagster.errors import InvalidTenant, SettingsInvalid, UnknownTenant
from parjanya_dagster.truth.models import Tenant, check_slug
from parjanya_dagster.truth.store import Tenants

TENANT = "{tenant}"


@dataclass(frozen=True, slots=True)
class BucketNames:
    """How tenants' buckets are named: `{tenant}-uploads`. Empty: no name makes a tenant."""

    template: str = ""

    def __post_init__(self) -> None:
        if self.template and self.template.count(TENANT) != 1:
            raise SettingsInvalid(
                f"PARJANYA_TENANTS__BUCKETS is {self.template!r}: it has {TENANT} in it once, such "
                f"as '{TENANT}-uploads'."
            )

    @property
    def prefix(self) -> str:
        """What all such names begin with."""
        return self.template.partition(TENANT)[0]

    def tenant(self, bucket: str) -> str | None:
        """The tenant that a bucket's name means; None: it means none."""
        if not self.template:
            return None
        before, _, after = (re.escape(part) for part in self.template.partition(TENANT))
        match = re.fullmatch(f"{before}(.+){after}", bucket)
        try:
            return check_slug(match[1]) if match else None
        except InvalidTenant:
            return None


@dataclass(frozen=True, slots=True)
class Owners:
    """The owners of buckets as Truth has them at one moment."""

    tenants: dict[str, Tenant]  # by bucket
    names: BucketNames

    @classmethod
    def read(cls, store: Tenants, names: BucketNames) -> Owners:
        """Raises TruthUnavailable."""
        return cls({tenant.bucket: tenant for tenant in store.tenants()}, names)

    def known(self, bucket: str) -> Tenant | None:
        return self.tenants.get(bucket)

    def new(self, bucket: str) -> str:
        """The slug of the tenant that a first object in this bucket makes. Raises UnknownTenant."""
        slug = self.names.tenant(bucket)
        if slug is None:
            raise UnknownTenant(
                f"The bucket {bucket!r} does not name a tenant. If it is one's: "
                "parjanya tenant add SLUG --bucket BUCKET."
            )
        return slug

    def register(self, bucket: str, add: Callable[[str, str], Tenant]) -> Tenant:
        """Register the tenant of a new bucket. Raises UnknownTenant where its name is taken."""
        slug = self.new(bucket)
        tenant = add(slug, bucket)
        if tenant.bucket != bucket:
            raise UnknownTenant(
                f"The bucket {bucket!r} is not that of the tenant {slug!r}, which has "
                f"{tenant.bucket!r}."
            )
        self.tenants[bucket] = tenant
        return tenant


def register_by_hand(
    store: Tenants, add: Callable[[str, str | None], Tenant], slug: str, bucket: str = ""
) -> Tenant:
    """Register a tenant with a bucket; empty: the bucket that its name means.

    One that is registered is left as it is. Raises InvalidTenant where the bucket is another
    tenant's, or where the tenant is registered with another bucket.
    """
    owners = {tenant.bucket: tenant.slug for tenant in store.tenants()}
    owner = owners.get(bucket or slug, slug)
    if owner != slug:
        raise InvalidTenant(f"The bucket {bucket or slug!r} is that of the tenant {owner!r}.")
    registered = add(slug, bucket or None)
    if bucket and registered.bucket != bucket:
        raise InvalidTenant(f"{slug!r} is registered already, with {registered.bucket!r}.")
    return registered
