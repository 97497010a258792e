"""Arrivals: what lies in a tenant's bucket and has no row yet gets one.

Level-triggered: a sweep compares the bucket with Truth. Events only make it look sooner. Doing it
twice registers nothing twice, so dying anywhere in here loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from parjanya_dagster.errors import InvalidTenant, ObjectGone, StorageUnavailable
from parjanya_dagster.truth.objects import ObjectInfo, Objects
from parjanya_dagster.truth.rows import Arrival, Tenant, check_slug, image_id
from parjanya_dagster.truth.store import Store

INCOMING = "incoming/"
"""Uploads land under this prefix of a tenant's bucket."""

CHUNK = 500


@dataclass(slots=True)
class Swept:
    """What a sweep found."""

    registered: dict[str, int] = field(default_factory=dict)  # batch -> new rows
    seen: int = 0  # objects looked at
    unfinished: int = 0  # objects that are still being written
    departed: int = 0  # rows whose object is gone
    refused: dict[str, str] = field(default_factory=dict)  # what cannot be taken in, and why
    tenants: list[str] = field(default_factory=list)  # registered by this sweep
    complete: bool = True  # False: out of time, the next sweep goes on

    def absorb(self, later: Swept) -> None:
        """Add what a later sweep of the same tick found."""
        for batch, rows in later.registered.items():
            self.registered[batch] = self.registered.get(batch, 0) + rows
        self.departed += later.departed
        self.tenants += later.tenants
        self.seen, self.unfinished = later.seen, later.unfinished
        self.refused, self.complete = later.refused, later.complete

    def add(self, batches: Iterable[str]) -> None:
        for batch in batches:
            self.registered[batch] = self.registered.get(batch, 0) + 1


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Compares buckets with Truth."""

    store: Store
    objects: Objects
    clock: Callable[[], float]
    new_policy: Callable[[], str]  # what a tenant that nobody knew is pinned to

    def discover(self, swept: Swept) -> list[Tenant]:
        """All tenants: those in Truth, and those whose first object lies in a new bucket."""
        known = {tenant.bucket: tenant for tenant in self.store.tenants()}
        for bucket in self.objects.buckets():
            if bucket in known:
                continue
            try:
                if next(self.objects.listing(bucket, INCOMING), None) is None:
                    continue
                check_slug(bucket)
            except (InvalidTenant, StorageUnavailable) as error:
                swept.refused[f"{bucket}/"] = str(error)
                continue
            known[bucket] = self.add_tenant(bucket)
            swept.tenants.append(bucket)
        return list(known.values())

    def add_tenant(self, slug: str, bucket: str | None = None) -> Tenant:
        """Register a tenant, or return the one that is registered. Raises InvalidTenant."""
        return self.store.put_tenant(
            Tenant(slug, bucket or slug, INCOMING, self.new_policy(), created_at=self.clock())
        )

    def sweep(self, deadline: float, departures: bool = True) -> Swept:
        """Register what is new; with `departures`, note what is gone. Stops after `deadline`.

        A bucket that does not answer is named among the refused and stops no other tenant.
        Raises StorageUnavailable where none answers, and TruthUnavailable.
        """
        swept = Swept()
        answered, away = 0, None
        for tenant in self.discover(swept):
            if tenant.status != "active":
                continue
            if self.clock() > deadline:
                swept.complete = False
                break
            try:
                self._sweep_tenant(tenant, swept, deadline, departures)
                answered += 1
            except (StorageUnavailable, ObjectGone) as error:
                swept.refused[f"{tenant.bucket}/"] = str(error)
                away = error
        if away is not None and not answered:
            raise StorageUnavailable(str(away)) from away
        return swept

    def _sweep_tenant(
        self, tenant: Tenant, swept: Swept, deadline: float, departures: bool
    ) -> None:
        listed: set[str] = set()
        started = self.clock()
        for infos in _chunks(self.objects.listing(tenant.bucket, tenant.prefix)):
            if self.clock() > deadline:
                swept.complete = False
                return
            ids = {image_id(tenant.bucket, info.key, info.version): info for info in infos}
            listed.update(ids)
            swept.seen += len(ids)
            new = [ids[one] for one in sorted(ids.keys() - self.store.known(ids))]
            self._register(tenant, new, swept)
        if departures:
            swept.departed += self._depart(tenant, listed, started)

    def _register(self, tenant: Tenant, new: Sequence[ObjectInfo], swept: Swept) -> None:
        arrivals = []
        for info in new:
            if not info.key.isprintable():
                swept.refused[_shown(info.key)] = (
                    "Its name is not printable UTF-8. Rename the file; nothing else is wrong."
                )
            elif not self.objects.complete(tenant.bucket, info, self.clock()):
                swept.unfinished += 1
            else:
                arrivals.append(
                    Arrival(
                        tenant.slug,
                        tenant.bucket,
                        info.key,
                        info.version,
                        info.size,
                        info.modified_at,
                    )
                )
        done = self.store.register(arrivals, self.clock()) if arrivals else []
        swept.add(one.batch for one in done if one.created)

    def _depart(self, tenant: Tenant, listed: set[str], started: float) -> int:
        """Rows whose object is not in the bucket any more. What came later is left alone."""
        gone: list[str] = []
        after = ""
        while page := self.store.present(tenant.slug, after, 1000):
            after = page[-1].image_id
            gone += [
                row.image_id
                for row in page
                if row.bucket == tenant.bucket
                and row.key.startswith(tenant.prefix)
                and row.image_id not in listed
                and row.arrived_at < started
            ]
        really = [one for one in gone if not self._still_there(tenant, one)]
        return self.store.depart(really, self.clock(), "the object is not in its bucket any more")

    def _still_there(self, tenant: Tenant, one: str) -> bool:
        """Ask again before believing that something is gone: a listing may miss a rename."""
        row = self.store.get(one)
        if row is None:
            return False
        try:
            return self.objects.head(row.bucket, row.key).version == row.version
        except StorageUnavailable:
            return True
        except ObjectGone:
            return False


def _shown(key: str) -> str:
    return key.encode("utf-8", "backslashreplace").decode()


def _chunks(items: Iterable[ObjectInfo]) -> Iterator[list[ObjectInfo]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
