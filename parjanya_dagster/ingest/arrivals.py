"""The sweep: each object in a tenant's bucket that has no row yet gets one.

Level-triggered: a sweep compares the bucket with Truth, and events only make the watch look sooner
(see `mailbox`). Both sides are read in the order of keys, some at a time (`comparing`). What seems
to differ is looked up before anything is done. A second sweep registers nothing twice, so a death
anywhere in here loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from parjanya_dagster.errors import (
    BucketMissing,
    BucketUnknown,
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
from parjanya_dagster.ingest.comparing import Compared, compare
from parjanya_dagster.ingest.departures import Departures, is_replaced
from parjanya_dagster.ingest.known_buckets import KnownBuckets
from parjanya_dagster.ingest.owners import TENANT, BucketNames, Owners
from parjanya_dagster.ingest.pacing import Pacing
from parjanya_dagster.ingest.recognition import Recognition
from parjanya_dagster.ingest.refusals import NOBODY, Refusals
from parjanya_dagster.ingest.registering import arrival_of, register
from parjanya_dagster.ingest.results import SweepResult, Unfinished
from parjanya_dagster.ingest.under_way import EVERYTHING, UnderWay
from parjanya_dagster.objects.keys import INCOMING, Aside, is_folder, refusal, set_aside, shown
from parjanya_dagster.objects.store import ObjectInfo, Objects
from parjanya_dagster.truth.models import PRESENT, Tenant, image_id
from parjanya_dagster.truth.store import Store

CHUNK = 500
MOST_DOUBTS = 200
"""Rows of a tenant that are looked up in one round, since another version lies there."""
OUT_OF_ORDER = (
    "It lists its keys in no order, so what lies in it is taken in, and nothing of it is believed "
    "to be gone. The storage should list keys in the order of their bytes, as S3 does."
)


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Compares buckets with Truth."""

    store: Store
    objects: Objects
    clock: Callable[[], float]
    new_policy: Callable[[], str]  # what a tenant that nobody knew is pinned to
    names: BucketNames = field(default_factory=lambda: BucketNames(TENANT))
    candidates: Callable[[], Sequence[str]] | None = None  # buckets that may be new tenants'
    under_way: dict[str, UnderWay] = field(default_factory=dict)  # by tenant, while they last
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
        under_way = dict.fromkeys(start.tenants)  # in their order
        buckets = KnownBuckets(self.store, self.objects, self.clock)
        buckets.refresh()
        turn, tried, answered, skipped, paid = "", 0, 0, bool(start.turn or not everyone), 0.0
        last_error: ParjanyaError | None = None
        for tenant in self.discover(swept):
            goes_on = tenant.slug in under_way
            if tenant.status != "active":
                under_way.pop(tenant.slug, None)
                continue
            waits = not goes_on and not (everyone and pacing.is_due(tenant.slug, self.clock()))
            if waits or tenant.slug < start.turn:
                skipped = True
                continue
            if tried and self.clock() > deadline:
                turn = turn or tenant.slug
                break
            tried += 1
            now, worth, seen = self.clock(), swept.worth, swept.seen
            looks = departures and pacing.looks_for_departures(tenant.slug, now)
            until = min(deadline, now + pacing.slice)
            under_way.pop(tenant.slug, None)
            if not goes_on:
                self.refusals.begin(tenant.slug)
            state = self._under_way(tenant, goes_on, looks)
            try:
                buckets.require(tenant)
                ended = self._sweep_tenant(tenant, swept, until, state, buckets)
                answered += 1
            except TruthUnavailable:
                raise
            except ParjanyaError as error:
                self._refuse(tenant.slug, f"{tenant.bucket}/", str(error), swept)
                self.watched.pop(tenant.slug, None)
                self._broke_off(state, error)
                last_error, ended = error, True
            else:
                (self._ended if ended else self._stopped)(state)
            if ended:
                self.refusals.finish(tenant.slug)
            else:
                under_way[tenant.slug] = None
            paid += pacing.note(
                tenant.slug,
                began=now,
                now=self.clock(),
                worth=swept.worth - worth,
                objects=swept.seen - seen,
                finished=ended,
                looked=state.departures,
            )
        if turn or under_way:
            swept.stopped = Unfinished(turn=turn, tenants=tuple(under_way))
        swept.shared = max(0.0, self.clock() - began - paid)
        if last_error is not None and not answered and swept.complete and not skipped:
            raise StorageUnavailable(str(last_error)) from last_error
        return swept

    def _under_way(self, tenant: Tenant, goes_on: bool, departures: bool) -> UnderWay:
        """Where the sweep of a bucket goes on, or a new one from its beginning."""
        state, now = self.under_way.get(tenant.slug), self.clock()
        if state is not None and not (goes_on or state.interrupted):
            state = None
        elif state is None and goes_on and (record := self.store.sweeps().get(tenant.slug)):
            state = UnderWay.of(record)
        if state is None or state.is_old(now):
            state = UnderWay(tenant=tenant.slug, began=now, at=now, departures=departures)
        state.interrupted = False
        self.under_way[tenant.slug] = state
        return state

    def _stopped(self, state: UnderWay) -> None:
        """It stops for want of time. Whoever goes on without this process judges by himself."""
        if not state.believed:
            self.store.note_sweep(state.record())
            state.recorded = True

    def _ended(self, state: UnderWay) -> None:
        self.under_way.pop(state.tenant, None)
        if state.recorded:
            self.store.drop_sweep(state.tenant)

    def _broke_off(self, state: UnderWay, error: ParjanyaError) -> None:
        """A large bucket is not begun anew because it once gave no answer. One that may be another
        by now is, and nothing is believed of it any more."""
        if state.believed or not state.after or isinstance(error, BucketUnknown | BucketMissing):
            self._ended(state)
        else:
            state.interrupted = True

    def _sweep_tenant(
        self,
        tenant: Tenant,
        swept: SweepResult,
        deadline: float,
        state: UnderWay,
        buckets: KnownBuckets,
    ) -> bool:
        """Whether it came to the end."""
        recognition = Recognition(
            store=self.store, objects=self.objects, clock=self.clock, seconds=self.reading
        )
        while True:
            if not self._depart(tenant, state, swept, deadline, buckets):
                return False
            compared = compare(
                self._listed(tenant, state, swept),
                self.store.present_keys(tenant.slug, tenant.prefix, state.storable),
                after=state.after,
                storable=state.storable,
                bucket=tenant.bucket,
                size=CHUNK,
            )
            for some in compared:
                self._take(tenant, some, state, swept, recognition)
                state.came_to(some, self.clock())
                if not self._depart(tenant, state, swept, deadline, buckets):
                    return False
                if self.clock() > deadline:
                    return False
            if not state.departures:
                return True
            if not state.believed:
                self._leave_out_hidden(state)
                if not self.departures.believed(
                    tenant, missing=state.missing, present=state.present
                ):
                    swept.held[tenant.slug] = state.missing
                    return True
                state.believe()
                if state.recorded:
                    self.store.drop_sweep(tenant.slug)
                    state.recorded = False
                if not self._depart(tenant, state, swept, deadline, buckets):
                    return False
            if state.rest_after is None:
                if state.departed:  # else nothing answered, and what a person confirmed stands
                    self.departures.done(tenant)
                return True
            state.look_again()

    def _listed(self, tenant: Tenant, state: UnderWay, swept: SweepResult) -> Iterator[ObjectInfo]:
        """What lies behind where the sweep is. Of folders that hide theirs nothing departs."""

        def left_out(key: str, what: Aside) -> None:
            if what is Aside.UNREADABLE:
                state.hidden.add(key)
            else:
                self._set_aside(tenant, key, what, swept)

        try:
            yield from self.objects.listing(tenant.bucket, tenant.prefix, state.after, left_out)
        except ListingIncomplete as error:  # the rest was listed
            for prefix, why in error.hidden.items():
                self._refuse(tenant.slug, f"{tenant.bucket}/{shown(prefix)}", why, swept)
            state.hidden.update(error.hidden)

    def _take(
        self,
        tenant: Tenant,
        some: Compared,
        state: UnderWay,
        swept: SweepResult,
        recognition: Recognition,
    ) -> None:
        """Take in what is new among some keys, and note what is missing."""
        swept.seen += some.listed
        by_id = {
            image_id(tenant.bucket, info.key, info.version): info
            for info in some.unseen
            if self._is_ours(tenant, info.key, swept)
        }
        if by_id:
            new = [by_id[image] for image in sorted(by_id.keys() - self.store.known(by_id))]
            self._register(tenant, new, swept, recognition)
        if some.out_of_order and EVERYTHING not in state.hidden:
            state.hidden.add(EVERYTHING)
            self._refuse(tenant.slug, f"{tenant.bucket}/", OUT_OF_ORDER, swept)
        if not state.departures:
            return
        state.present += some.present
        ids = [row.image_id for row in some.absent if not state.hides(row.key)]
        ids += self._overtaken(some, state)
        if state.believed:
            gone = self._missing(tenant, ids, state)[: state.may_go]
            state.may_go -= len(gone)
            state.first_missing += gone
        elif ids:
            looked_up, unread = ids[: state.room], ids[state.room :]
            state.miss(self._missing(tenant, looked_up, state), len(unread))

    def _missing(self, tenant: Tenant, ids: Sequence[str], state: UnderWay) -> list[str]:
        """Those whose row is present, as Truth has it now. What came later is left alone."""
        rows, now = self.store.get_many(ids) if ids else {}, self.clock()
        return [
            row.image_id
            for row in rows.values()
            if row.object_state == PRESENT
            and row.bucket == tenant.bucket
            and row.key.startswith(tenant.prefix)
            and not state.began <= row.arrived_at <= now  # what a wrong clock wrote is later
        ]

    def _overtaken(self, some: Compared, state: UnderWay) -> list[str]:
        """Rows in whose place an image lies that Truth takes for replaced by them.

        The storage's clock went back between the two. Such a row is gone, and the other returns.
        """
        pairs = some.otherwise[: MOST_DOUBTS - state.doubts]
        if not pairs:
            return []
        state.doubts += len(pairs)
        rows = self.store.get_many([lying for _, lying in pairs])
        return [row.image_id for row, lying in pairs if is_replaced(rows.get(lying))]

    def _leave_out_hidden(self, state: UnderWay) -> None:
        """Of folders that turned out to be hidden behind their first keys nothing is missing."""
        if EVERYTHING in state.hidden:
            state.missing, state.first_missing, state.rest_after = 0, [], None
        elif state.hidden and state.first_missing:
            rows = self.store.get_many(state.first_missing)
            left = [row.image_id for row in rows.values() if not state.hides(row.key)]
            state.missing -= len(state.first_missing) - len(left)
            state.first_missing = left

    def _depart(
        self,
        tenant: Tenant,
        state: UnderWay,
        swept: SweepResult,
        deadline: float,
        buckets: KnownBuckets,
    ) -> bool:
        """Let depart what is believed gone. Whether there was time for all of it."""
        if not (state.believed and state.first_missing):
            return True
        departed, state.first_missing = self.departures.record(
            state.first_missing, deadline, lambda: buckets.require(tenant)
        )
        swept.departed += departed
        state.departed += departed
        return not state.first_missing

    def _is_ours(self, tenant: Tenant, key: str, swept: SweepResult) -> bool:
        """Whether an object may be an image by its name. Says so where it is not."""
        if is_folder(key):
            return False
        if (what := set_aside(key)) is not None:
            self._set_aside(tenant, key, what, swept)
        elif (why := refusal(key)) is not None:
            self._refuse(tenant.slug, f"{tenant.bucket}/{shown(key)}", why, swept)
        else:
            return True
        return False

    def _register(
        self,
        tenant: Tenant,
        new: Sequence[ObjectInfo],
        swept: SweepResult,
        recognition: Recognition,
    ) -> None:
        arrivals = []
        for info in new:
            if self.objects.complete(tenant.bucket, info, self.clock()):
                arrivals.append(arrival_of(tenant, info))
            else:
                swept.unfinished += 1
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
