"""The sweep: each object in a tenant's bucket that has no row yet gets one.

Level-triggered: a sweep compares the bucket with Truth, and events only make the watch look sooner
(see `mailbox`). A second sweep registers nothing twice, so a death anywhere in here loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from parjanya_dagster.errors import (
    CloudUnavailable,
    InvalidTenant,
    ListingIncomplete,
    ObjectGone,
    ParjanyaError,
    PolicyUnusable,
    StorageUnavailable,
    TruthUnavailable,
    UnknownTenant,
)
from parjanya_dagster.ingest.departures import Departures, is_replaced
from parjanya_dagster.ingest.known_buckets import KnownBuckets
from parjanya_dagster.ingest.owners import TENANT, BucketNames, Owners
from parjanya_dagster.ingest.pacing import Pacing
from parjanya_dagster.ingest.recognition import Recognition
from parjanya_dagster.ingest.refusals import NOBODY, Refusals
from parjanya_dagster.ingest.registering import arrival_of, register
from parjanya_dagster.ingest.results import Position, SweepResult, Unfinished
from parjanya_dagster.objects.keys import INCOMING, Aside, is_folder, refusal, set_aside, shown
from parjanya_dagster.objects.store import ObjectInfo, Objects
from parjanya_dagster.truth.models import ImageRow, Tenant, image_id
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.store.paging import present_pages

CHUNK = 500
MOST_DOUBTS = 200
"""Rows of a tenant that are looked up in one round, since another version lies there."""


@dataclass(slots=True)
class _Listing:
    """What was listed of a bucket, over as many sweeps as that takes.

    It is lost with its process: then departures wait for the next round.
    """

    began: float
    listed: dict[str, str] = field(default_factory=dict)  # key -> id of the version that lies there
    doubts: int = 0  # rows that were looked up, since another version lies there
    present: int = 0  # rows that Truth says are there
    missing: list[str] = field(default_factory=list)  # rows whose key was not listed
    hidden: tuple[str, ...] = ()  # what keys begin with that could not be listed
    believed: bool = False  # that what is missing is gone
    departed: int = 0


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Compares buckets with Truth."""

    store: Store
    objects: Objects
    clock: Callable[[], float]
    new_policy: Callable[[], str]  # what a tenant that nobody knew is pinned to
    names: BucketNames = field(default_factory=lambda: BucketNames(TENANT))
    candidates: Callable[[], Sequence[str]] | None = None  # buckets that may be new tenants'
    listings: dict[str, _Listing] = field(default_factory=dict)  # by tenant, while they last
    share: float = 0.2  # of a tenant's images that may depart in one round; see Departures
    hold_seconds: float = 24 * 3600.0
    watched: dict[str, float] = field(default_factory=dict)  # see Departures
    reading: float = 5.0  # seconds of a sweep in which one tenant's objects are recognized
    refusals: Refusals = field(default_factory=Refusals)  # what cannot be taken in, by tenant

    @property
    def departures(self) -> Departures:
        return Departures(
            store=self.store,
            objects=self.objects,
            clock=self.clock,
            share=self.share,
            hold_seconds=self.hold_seconds,
            watched=self.watched,
        )

    def discover(self, swept: SweepResult) -> list[Tenant]:
        """All tenants in the order of slugs: those in Truth, and those of new buckets.

        A bucket is a new tenant's when its name says so and its first object lies in it.
        """
        owners = Owners.read(self.store, self.names)
        self.refusals.begin(NOBODY)
        for bucket in self._candidates(swept):
            if owners.known(bucket) is not None:
                continue
            try:
                listed = self.objects.listing(bucket, INCOMING)
                if all(set_aside(info.key) is not None for info in listed):
                    continue
                swept.tenants.append(owners.register(bucket, self.add_tenant).slug)
            except (
                InvalidTenant,
                UnknownTenant,
                PolicyUnusable,
                StorageUnavailable,
                ObjectGone,
            ) as error:
                self._refuse(NOBODY, f"{bucket}/", str(error), swept)
        self.refusals.finish(NOBODY)
        return sorted(owners.tenants.values(), key=lambda tenant: tenant.slug)

    def _candidates(self, swept: SweepResult) -> Sequence[str]:
        """Buckets that may be new tenants'. Tenants that are known do not need that list."""
        try:
            return (self.candidates or self.objects.buckets)()
        except CloudUnavailable as error:
            self._refuse(NOBODY, "new buckets/", str(error), swept)
            return ()

    def _refuse(self, tenant: str, name: str, why: str, swept: SweepResult) -> None:
        swept.refused[name] = why
        self.refusals.add(tenant, name, why)

    def _set_aside(self, tenant: Tenant, key: str, what: Aside, swept: SweepResult) -> None:
        swept.set_aside += 1
        self.refusals.set_aside(tenant.slug, f"{tenant.bucket}/{shown(key)}", what)

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
        self,
        deadline: float,
        departures: bool = True,
        start: Unfinished | None = None,
        *,
        everyone: bool | None = None,
        pacing: Pacing | None = None,
    ) -> SweepResult:
        """Register what is new; with `departures`, note what is gone. Stops after `deadline`.

        Goes on from `start`, and always gets somewhere, so sweeps that go on from each other come
        to the end. Without `everyone`, only buckets that `start` left in the middle are looked at;
        None: where each had its turn.
        `pacing` says whose turn it is and for how long; without it, everybody's to the end.

        A bucket that does not answer is named among the refused and stops no other tenant. Raises
        StorageUnavailable where none answers from the first to the last, and TruthUnavailable.
        """
        swept, began = SweepResult(), self.clock()
        if everyone is None:
            everyone = start is None or bool(start.turn)
        start, pacing = start or Unfinished(), pacing or Pacing.none()
        under_way = {at.tenant: at for at in start.positions}
        buckets = KnownBuckets(self.store, self.objects, self.clock)
        buckets.refresh()
        turn, tried, answered, skipped, paid = "", 0, 0, bool(start.turn or not everyone), 0.0
        last_error: ParjanyaError | None = None
        for tenant in self.discover(swept):
            at = under_way.get(tenant.slug)
            if tenant.status != "active":
                under_way.pop(tenant.slug, None)
                continue
            waits = at is None and not (everyone and pacing.is_due(tenant.slug, self.clock()))
            if waits or tenant.slug < start.turn:
                skipped = True
                continue
            if tried and self.clock() > deadline:
                turn = turn or tenant.slug
                break
            tried += 1
            now, worth = self.clock(), swept.worth
            looks = departures and (at is not None or pacing.looks_for_departures(tenant.slug, now))
            until = min(deadline, now + pacing.slice)
            under_way.pop(tenant.slug, None)
            if at is None:
                self.refusals.begin(tenant.slug)
            try:
                buckets.require(tenant)
                stopped = self._sweep_tenant(
                    tenant, swept, until, looks, at or Position(tenant.slug), buckets
                )
                answered += 1
            except TruthUnavailable:
                raise
            except ParjanyaError as error:
                self._refuse(tenant.slug, f"{tenant.bucket}/", str(error), swept)
                self.watched.pop(tenant.slug, None)
                last_error, stopped = error, None
            if stopped is None:
                self.refusals.finish(tenant.slug)
            else:
                under_way[tenant.slug] = stopped
            paid += pacing.note(
                tenant.slug,
                began=now,
                now=self.clock(),
                worth=swept.worth - worth,
                finished=stopped is None,
                looked=looks,
            )
        if turn or under_way:
            swept.stopped = Unfinished(turn=turn, positions=tuple(under_way.values()))
        swept.shared = max(0.0, self.clock() - began - paid)
        if last_error is not None and not answered and swept.complete and not skipped:
            raise StorageUnavailable(str(last_error)) from last_error
        return swept

    def _sweep_tenant(
        self,
        tenant: Tenant,
        swept: SweepResult,
        deadline: float,
        departures: bool,
        at: Position,
        buckets: KnownBuckets,
    ) -> Position | None:
        """Returns where it stopped; None: at the end."""
        if not at.row:
            if not at.after:
                self.listings[tenant.slug] = _Listing(self.clock())
            listing = self.listings.get(tenant.slug)
            recognition = Recognition(
                store=self.store, objects=self.objects, clock=self.clock, seconds=self.reading
            )
            listed = self.objects.listing(
                tenant.bucket,
                tenant.prefix,
                at.after,
                lambda key, what: self._set_aside(tenant, key, what, swept),
            )
            try:
                for infos in _chunks(listed):
                    by_id = {
                        image_id(tenant.bucket, info.key, info.version): info for info in infos
                    }
                    if listing is not None:
                        listing.listed |= {info.key: image for image, info in by_id.items()}
                    swept.seen += len(by_id)
                    new = [by_id[image] for image in sorted(by_id.keys() - self.store.known(by_id))]
                    self._register(tenant, new, swept, recognition)
                    if self.clock() > deadline:
                        return Position(tenant.slug, infos[-1].key)
            except ListingIncomplete as error:  # the rest was listed, and nothing in there departs
                for prefix, why in error.hidden.items():
                    self._refuse(tenant.slug, f"{tenant.bucket}/{shown(prefix)}", why, swept)
                if listing is not None:
                    listing.hidden = tuple(error.hidden)
        stopped = None
        if departures and tenant.slug in self.listings:
            whole = self.listings[tenant.slug]
            stopped = self._depart(tenant, whole, swept, deadline, at.row, buckets)
        if stopped is None:
            self.listings.pop(tenant.slug, None)
        return stopped

    def _register(
        self,
        tenant: Tenant,
        new: Sequence[ObjectInfo],
        swept: SweepResult,
        recognition: Recognition,
    ) -> None:
        arrivals = []
        for info in new:
            if is_folder(info.key):
                continue
            if (what := set_aside(info.key)) is not None:
                self._set_aside(tenant, info.key, what, swept)
            elif (why := refusal(info.key)) is not None:
                self._refuse(tenant.slug, f"{tenant.bucket}/{shown(info.key)}", why, swept)
            elif not self.objects.complete(tenant.bucket, info, self.clock()):
                swept.unfinished += 1
            else:
                arrivals.append(arrival_of(tenant, info))
        began = self.clock()
        told = recognition.recognize(tenant.bucket, arrivals) if arrivals else []
        swept.unread += len(arrivals) - len(told)
        for name, why in recognition.refused.items():
            self._refuse(tenant.slug, f"{tenant.bucket}/{name}", why, swept)
        recognition.refused.clear()
        registered, refused = register(self.store, told, self.clock())
        for arrival, why in refused.items():
            self._refuse(tenant.slug, f"{tenant.bucket}/{shown(arrival.key)}", why, swept)
        swept.add(row.batch for row in registered if row.created)
        if registered:
            swept.worth += self.clock() - began

    def _depart(
        self,
        tenant: Tenant,
        listing: _Listing,
        swept: SweepResult,
        deadline: float,
        after: str,
        buckets: KnownBuckets,
    ) -> Position | None:
        """Rows of whose key nothing is in the bucket any more. What came later is left alone.

        Under a key that was listed lies this image, or what replaces it: registering tells. Or it
        is one that Truth takes for replaced by this one.
        """
        for page in present_pages(self.store, tenant.slug, after=after):
            after, now = page[-1].image_id, self.clock()
            listing.present += len(page)
            listing.missing += [
                row.image_id
                for row in page
                if row.bucket == tenant.bucket
                and row.key.startswith(tenant.prefix)
                and (row.key not in listing.listed or self._is_overtaken(row, listing))
                and not row.key.startswith(listing.hidden)
                and not listing.began <= row.arrived_at <= now  # what a wrong clock wrote is later
            ]
            if self.clock() > deadline:
                return Position(tenant.slug, row=after)
        if not listing.believed:
            listing.believed = self.departures.believed(
                tenant, missing=len(listing.missing), present=listing.present
            )
        if not listing.believed:
            swept.held[tenant.slug] = len(listing.missing)
            return None
        departed, listing.missing = self.departures.record(
            listing.missing, deadline, lambda: buckets.require(tenant)
        )
        swept.departed += departed
        listing.departed += departed
        if listing.missing:
            return Position(tenant.slug, row=after)
        if listing.departed:  # else nothing answered, and what a person confirmed still stands
            self.departures.done(tenant)
        return None

    def _is_overtaken(self, row: ImageRow, listing: _Listing) -> bool:
        """Whether what lies there is an image that Truth takes for replaced by this one.

        The storage's clock went back between the two. This row is gone, and the other returns.
        """
        lying = listing.listed[row.key]
        if lying == row.location or listing.doubts >= MOST_DOUBTS:
            return False
        listing.doubts += 1
        return is_replaced(self.store.get(lying))


def _chunks(items: Iterable[ObjectInfo]) -> Iterator[list[ObjectInfo]]:
    chunk: list[ObjectInfo] = []
    try:
        for item in items:
            chunk.append(item)
            if len(chunk) >= CHUNK:
                yield chunk
                chunk = []
    except (StorageUnavailable, ObjectGone):
        if chunk:  # what was seen before it is taken in all the same
            yield chunk
        raise
    if chunk:
        yield chunk
