"""Arrivals: what lies in a tenant's bucket and has no row yet gets one.

Level-triggered: a sweep compares the bucket with Truth. Events only make it look sooner (see
`mailbox`). Doing it twice registers nothing twice, so dying anywhere in here loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from parjanya_dagster.errors import (
    InvalidTenant,
    ObjectGone,
    StorageUnavailable,
    UnknownTenant,
)
from parjanya_dagster.ingest.departures import Departures
from parjanya_dagster.ingest.known_buckets import KnownBuckets
from parjanya_dagster.ingest.owners import TENANT, BucketNames, Owners
from parjanya_dagster.objects.keys import INCOMING, is_folder, refusal, shown
from parjanya_dagster.objects.store import ObjectInfo, Objects
from parjanya_dagster.truth.models import Arrival, Tenant, image_id
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.store.paging import present_pages

CHUNK = 500


@dataclass(frozen=True, slots=True)
class Position:
    """Where a sweep stopped for want of time, so that the next one goes on there."""

    tenant: str
    after: str = ""  # the last key that was looked at
    row: str = ""  # all keys were; the last row whose object was looked for


@dataclass(slots=True)
class _Listed:
    """What was listed of a bucket, over as many sweeps as that takes.

    Lost with its process: then departures wait for the next round.
    """

    began: float
    ids: set[str] = field(default_factory=set)
    present: int = 0  # rows that Truth says are there
    missing: list[str] = field(default_factory=list)  # rows whose object was not listed
    believed: bool = False  # that what is missing is gone


@dataclass(slots=True)
class Swept:
    """What a sweep found."""

    registered: dict[str, int] = field(default_factory=dict)  # batch -> new rows
    seen: int = 0  # objects looked at
    unfinished: int = 0  # objects that are still being written
    departed: int = 0  # rows whose object is gone
    held: dict[str, int] = field(default_factory=dict)  # tenant -> missing, and not believed gone
    refused: dict[str, str] = field(default_factory=dict)  # what cannot be taken in, and why
    tenants: list[str] = field(default_factory=list)  # registered by this sweep
    stopped: Position | None = None  # out of time there

    @property
    def complete(self) -> bool:
        """Whether the sweep came to the end of the last bucket."""
        return self.stopped is None

    def absorb(self, later: Swept) -> None:
        """Add what a later sweep of the same tick found."""
        for batch, rows in later.registered.items():
            self.registered[batch] = self.registered.get(batch, 0) + rows
        self.departed += later.departed
        self.tenants += later.tenants
        self.seen, self.unfinished = later.seen, later.unfinished
        self.refused, self.stopped = later.refused, later.stopped
        self.held |= later.held

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
    names: BucketNames = field(default_factory=lambda: BucketNames(TENANT))
    candidates: Callable[[], Sequence[str]] | None = None  # buckets that may be new tenants'
    listed: dict[str, _Listed] = field(default_factory=dict)  # of tenants that take several sweeps
    share: float = 0.2  # of a tenant's images that may depart in one round; see Departures
    hold_seconds: float = 24 * 3600.0

    @property
    def departures(self) -> Departures:
        return Departures(
            store=self.store,
            objects=self.objects,
            clock=self.clock,
            share=self.share,
            hold_seconds=self.hold_seconds,
        )

    def discover(self, swept: Swept) -> list[Tenant]:
        """All tenants in the order of slugs: those in Truth, and those of new buckets.

        A bucket is a new tenant's when its name says so and its first object lies in it.
        """
        owners = Owners.read(self.store, self.names)
        for bucket in (self.candidates or self.objects.buckets)():
            if owners.known(bucket) is not None:
                continue
            try:
                if next(self.objects.listing(bucket, INCOMING), None) is None:
                    continue
                swept.tenants.append(owners.register(bucket, self.add_tenant).slug)
            except (InvalidTenant, UnknownTenant, StorageUnavailable, ObjectGone) as error:
                swept.refused[f"{bucket}/"] = str(error)
        return sorted(owners.tenants.values(), key=lambda tenant: tenant.slug)

    def add_tenant(self, slug: str, bucket: str | None = None) -> Tenant:
        """Register a tenant, or return the one that is registered. Raises InvalidTenant."""
        return self.store.put_tenant(
            Tenant(
                slug=slug,
                bucket=bucket or slug,
                prefix=INCOMING,
                policy=self.new_policy(),
                created_at=self.clock(),
            )
        )

    def sweep(
        self, deadline: float, departures: bool = True, start: Position | None = None
    ) -> Swept:
        """Register what is new; with `departures`, note what is gone. Stops after `deadline`.

        Goes on from `start`, and always gets somewhere, so sweeps that go on from each other come
        to the end. A bucket that does not answer is named among the refused and stops no other
        tenant. Raises StorageUnavailable where none answers, and TruthUnavailable.
        """
        swept = Swept()
        start = start or Position("")
        buckets = KnownBuckets(self.store, self.objects, self.clock)
        buckets.refresh()
        tried, answered, away = 0, 0, None
        for tenant in self.discover(swept):
            if tenant.status != "active" or tenant.slug < start.tenant:
                continue
            if tried and self.clock() > deadline:
                swept.stopped = Position(tenant.slug)
                break
            tried += 1
            at = start if tenant.slug == start.tenant else Position(tenant.slug)
            try:
                buckets.require(tenant)
                swept.stopped = self._sweep_tenant(tenant, swept, deadline, departures, at)
                answered += 1
            except (StorageUnavailable, ObjectGone) as error:
                swept.refused[f"{tenant.bucket}/"] = str(error)
                away = error
            if swept.stopped:
                break
        if away is not None and not answered and swept.complete:
            raise StorageUnavailable(str(away)) from away
        return swept

    def _sweep_tenant(
        self, tenant: Tenant, swept: Swept, deadline: float, departures: bool, at: Position
    ) -> Position | None:
        """Returns where it stopped; None: at the end."""
        if not at.row:
            if not at.after:
                self.listed[tenant.slug] = _Listed(self.clock())
            listed = self.listed.get(tenant.slug)
            after = (at.after,) if at.after else ()
            for infos in _chunks(self.objects.listing(tenant.bucket, tenant.prefix, *after)):
                ids = {image_id(tenant.bucket, info.key, info.version): info for info in infos}
                if listed is not None:
                    listed.ids.update(ids)
                swept.seen += len(ids)
                new = [ids[one] for one in sorted(ids.keys() - self.store.known(ids))]
                self._register(tenant, new, swept)
                if self.clock() > deadline:
                    return Position(tenant.slug, infos[-1].key)
        stopped = None
        if departures and tenant.slug in self.listed:
            stopped = self._depart(tenant, self.listed[tenant.slug], swept, deadline, at.row)
        if stopped is None:
            self.listed.pop(tenant.slug, None)
        return stopped

    def _register(self, tenant: Tenant, new: Sequence[ObjectInfo], swept: Swept) -> None:
        arrivals = []
        for info in new:
            if is_folder(info.key):
                continue
            if (why := refusal(info.key)) is not None:
                swept.refused[shown(info.key)] = why
            elif not self.objects.complete(tenant.bucket, info, self.clock()):
                swept.unfinished += 1
            else:
                arrivals.append(
                    Arrival(
                        tenant=tenant.slug,
                        bucket=tenant.bucket,
                        key=info.key,
                        version=info.version,
                        size=info.size,
                        landed_at=info.modified_at,
                    )
                )
        done = self.store.register(arrivals, self.clock()) if arrivals else []
        swept.add(one.batch for one in done if one.created)

    def _depart(
        self, tenant: Tenant, listed: _Listed, swept: Swept, deadline: float, after: str
    ) -> Position | None:
        """Rows whose object is not in the bucket any more. What came later is left alone."""
        for page in present_pages(self.store, tenant.slug, after=after):
            after = page[-1].image_id
            listed.present += len(page)
            listed.missing += [
                row.image_id
                for row in page
                if row.bucket == tenant.bucket
                and row.key.startswith(tenant.prefix)
                and row.image_id not in listed.ids
                and row.arrived_at < listed.began
            ]
            if self.clock() > deadline:
                return Position(tenant.slug, row=after)
        if not listed.believed:
            listed.believed = self.departures.believed(tenant, len(listed.missing), listed.present)
        if not listed.believed:
            swept.held[tenant.slug] = len(listed.missing)
            return None
        departed, listed.missing = self.departures.record(listed.missing, deadline)
        swept.departed += departed
        if listed.missing:
            return Position(tenant.slug, row=after)
        self.departures.done(tenant)
        return None


def _chunks(items: Iterable[ObjectInfo]) -> Iterator[list[ObjectInfo]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
