"""examine(): reads the facts that the doctor judges, in bounded time. What cannot be read is named.

`observe` reads everything or raises. This goes on, because a person wants to know what can be
known.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from parjanya_dagster.belief.drift import drifts
from parjanya_dagster.belief.observe import observe
from parjanya_dagster.belief.snapshot import Belief, RunState, SensorSeen, Snapshot
from parjanya_dagster.belief.tags import BLIND
from parjanya_dagster.doctor.facts import (
    BucketSeen,
    Facts,
    ForeignBucket,
    Missing,
    QueueSeen,
    Troubled,
    UnusablePolicy,
    UploadsLeft,
)
from parjanya_dagster.doctor.findings import OURS
from parjanya_dagster.doctor.grace_periods import GracePeriods
from parjanya_dagster.doctor.launch_obstacles import Nowhere, Workers
from parjanya_dagster.errors import (
    ListingIncomplete,
    ObjectGone,
    ParjanyaError,
    PolicyUnusable,
    QueueMissing,
    StorageUnavailable,
)
from parjanya_dagster.ingest.known_buckets import objection
from parjanya_dagster.intent.future_times import too_late
from parjanya_dagster.objects.keys import refusal, set_aside
from parjanya_dagster.objects.store import ObjectInfo, Objects
from parjanya_dagster.policy import Policy
from parjanya_dagster.queues.messages import Queue
from parjanya_dagster.regrade.moves import unfit
from parjanya_dagster.truth.models import ImageRow, Tenant, image_id
from parjanya_dagster.truth.policy_registry import PolicyRegistry
from parjanya_dagster.truth.records import DepartureHold
from parjanya_dagster.truth.stages import STAGES, WORKABLE, Status
from parjanya_dagster.truth.store import Counts, Store
from parjanya_dagster.truth.store.paging import present_pages
from parjanya_dagster.truth.transitions import reached
from parjanya_dagster.uploads.promises import GRACE, WAITS

"""Failure classes that are never the image's own fault."""

_FAILED_LOOKED_AT = 10  # the last of the runs that failed within the hour
_LAST = 4e18  # later than any due_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much one examination looks at."""

    seconds: float = 20.0
    stranded: bool = True  # count the pending rows that are due at no time
    places: int = 200  # objects and previews that are looked for, over all tenants
    objects: int = 20_000  # listed per tenant; 0: no bucket is listed
    troubled: int = 200  # rows
    ours: int = 1000  # failed rows per tenant and class
    buckets: int = 20  # searched for a missing object


@dataclass(kw_only=True)
class Examiner:
    """Reads facts until its time is over."""

    store: Store
    objects: Objects
    belief: Belief | None  # None: there is none to read, and `unread` should say so
    sensors: Callable[[], Sequence[SensorSeen]]
    daemon: Callable[[], float | None] = lambda: None  # its last sign of life
    clock: Callable[[], float]
    tenant: str | None = None  # one only
    bounds: Bounds = field(default_factory=Bounds)
    grace: GracePeriods = field(default_factory=GracePeriods)
    rng: random.Random = field(default_factory=random.Random)
    queues: Mapping[str, Queue] = field(default_factory=dict)  # by role: arrivals, or a lane
    workers: Workers = field(default_factory=Nowhere)
    lease: float = 120.0  # seconds that workers ask for
    published: Callable[[str], Policy] | None = None  # None: decisions are not compared with it
    progress: Callable[[str], None] = lambda part: None  # hears what is read next

    def examine(self) -> Facts:
        self._end = self.clock() + self.bounds.seconds
        self._unread: dict[str, str] = {}
        read: dict[str, Any] = {"now": self.clock()}
        with self._part("the heartbeats of Truth"):
            read["loops"] = self.store.heartbeats()
            last = self.store.reconciliation()
            read["totals"] = last.totals if last else {}
        if "loops" not in read:  # nothing else of Truth can be read either
            return Facts(**read, unread=self._unread)
        with self._part("what loops cannot see"):
            read["blind"] = self.store.heartbeats(BLIND)
            read["groups"] = self.store.group_notes()
            read["dead_letters"] = tuple(self.store.dead_letters().values())
        read["queues"] = tuple(self._queues())
        with self._part("the preflights"):
            read["preflights"] = self.store.preflights()
        with self._part("the clock of Truth"):
            read["ahead"] = self.store.clock_skew()
        with self._part("times in the future"):
            late = self.store.due_later(too_late(read["now"], self.lease), self.bounds.troubled)
            read["late"] = tuple(row for row in late if self.tenant in (None, row.tenant))
        with self._part("the counts of Truth"):
            read["counts"] = tuple(self.store.counts(self.tenant))
            if self.bounds.stranded:
                read["stranded"] = self._stranded(read["counts"])
        with self._part("Dagster's runs and partitions"):
            if self.belief is not None:
                read["snapshot"] = self._snapshot(self.belief)
        if read.get("snapshot") is not None:
            with self._part("the launcher's pods or tasks"):
                read["obstacles"] = tuple(self.workers.obstacles(_suspects(read["snapshot"])))
        with self._part("Dagster's ticks"):
            read["sensors"] = tuple(self.sensors())
        with self._part("the heartbeats of Dagster's daemon"):
            read["daemon"] = self.daemon()
        with self._part("what runs and what was declared"):
            read["drifts"] = tuple(drifts(self.store))
        with self._part("rows in trouble"):
            read["troubled"] = tuple(self._troubled())
        counts: tuple[Counts, ...] = read.get("counts", ())
        with self._part("failed rows"):
            read["ours"] = tuple(self._ours(counts, read["now"]))
        with self._part("objects and previews"):
            if self.bounds.places:
                checked, missing = self._places(counts, read.get("ours", ()))
                read |= {"places_checked": checked, "missing": tuple(missing)}
        with self._part("the evidence of decisions"):
            read["unfit"] = tuple(self._unfit(counts))
        with self._part("the identities of buckets"):
            read["held_departures"] = tuple(self._held())
            read["foreign"] = tuple(self._foreign())
        with self._part("the policies of tenants and regrades"):
            read["policies"] = tuple(self._policies())
        with self._part("promised uploads"):
            read["uploads"] = tuple(self._uploads(read["now"]))
        with self._part("buckets"):
            if self.bounds.objects:
                read["buckets"] = tuple(self._buckets(read["now"]))
        return Facts(**read, unread=self._unread)

    @contextmanager
    def _part(self, what: str) -> Iterator[None]:
        self.progress(what)
        try:
            yield
        except ParjanyaError as error:
            self._unread[what] = str(error)
        except Exception as error:  # whatever it is, that part is not known
            self._unread[what] = f"{type(error).__name__}: {error}"

    def _snapshot(self, belief: Belief) -> Any:
        seen = observe(self.store, belief, self.clock(), gap=self.grace.heartbeat)
        if self.tenant is None:
            return seen
        mine = f"{self.tenant}/"
        return replace(
            seen,
            due=tuple(due for due in seen.due if due.tenant == self.tenant),
            stale_manifests=tuple(key for key in seen.stale_manifests if key.startswith(mine)),
            runs=tuple(run for run in seen.runs if any(key.startswith(mine) for key in run.keys)),
            failed=tuple(r for r in seen.failed if any(key.startswith(mine) for key in r.keys)),
        )

    def _held(self) -> Iterator[DepartureHold]:
        for tenant, hold in self.store.departure_holds().items():
            if self.tenant in (None, tenant):
                yield hold

    def _foreign(self) -> Iterator[ForeignBucket]:
        """Buckets that are not what Truth knows. One that does not answer is told of by itself."""
        known = self.store.known_buckets()
        for tenant in self.store.tenants():
            if tenant.bucket not in known or self.tenant not in (None, tenant.slug):
                continue
            with self._part(f"the bucket {tenant.bucket}"):
                seen = self.objects.identity(tenant.bucket)
                if (why := objection(known[tenant.bucket], seen)) is not None:
                    yield ForeignBucket(tenant=tenant.slug, bucket=tenant.bucket, reason=why)

    def _policies(self) -> Iterator[UnusablePolicy]:
        """Policies that tenants are pinned to, or regraded to, and that cannot be read."""
        registry = PolicyRegistry(self.store, self.clock)
        wanted = [(tenant.policy, tenant.slug, "") for tenant in self.store.tenants()]
        wanted += [
            (regrade.policy, slug, regrade.replay_id)
            for regrade in self.store.open_regrades()
            for slug in regrade.tenants
        ]
        for ref, slug, regrade_id in wanted:
            if self.tenant in (None, slug):
                try:
                    registry.get(ref)
                except PolicyUnusable as error:
                    yield UnusablePolicy(
                        policy=ref, reason=str(error), tenant=slug, regrade=regrade_id
                    )

    def _uploads(self, now: float) -> Iterator[UploadsLeft]:
        """Uploads whose time is over for so long that their bucket must be away."""
        overdue: dict[str, list[float]] = {}
        for row in self.store.uploads_due(now + WAITS[-1], self.bounds.ours):
            since = row.expires_at + GRACE
            if now - since > self.grace.landed and self.tenant in (None, row.tenant):
                overdue.setdefault(row.tenant, []).append(since)
        for tenant, sinces in overdue.items():
            yield UploadsLeft(tenant=tenant, uploads=len(sinces), since=min(sinces))

    def _queues(self) -> Iterator[QueueSeen]:
        for role, queue in self.queues.items():
            with self._part(f"the queue {queue.name} ({role})"):
                try:
                    yield QueueSeen(role, queue.name, queue.state())
                except QueueMissing:
                    yield QueueSeen(role, queue.name, None)

    def _stranded(self, counts: Sequence[Counts]) -> dict[str, int]:
        """Pending rows that are never due. Counted twice, because work goes on meanwhile."""
        reachable: dict[str, int] = {}
        for due in self.store.due(_LAST, exact=True):
            reachable[due.tenant] = reachable.get(due.tenant, 0) + due.rows
        again = {count.tenant: count.by_status for count in self.store.counts(self.tenant)}
        stranded = {}
        for count in counts:
            pending = sum(count.by_status.get(status, 0) for status in WORKABLE)
            unreached = pending - reachable.get(count.tenant, 0)
            if again.get(count.tenant) == count.by_status and unreached > 0:
                stranded[count.tenant] = unreached
        return stranded

    def _troubled(self) -> Iterator[Troubled]:
        for row in self.store.troubled(self.clock(), self.bounds.troubled):
            if self.tenant not in (None, row.tenant):
                continue
            if self._over():
                return
            events = self.store.history(row.image_id) if row.retries else []
            reasons = [event.reason for event in events if event.kind == "retry"]
            yield Troubled(row, reasons[-1] if reasons else "")

    def _ours(self, counts: Sequence[Counts], now: float) -> Iterator[ImageRow]:
        for count in counts:
            for failure_class in OURS:
                if count.by_failure.get(failure_class):
                    page = self.store.failed(count.tenant, failure_class, "", self.bounds.ours)
                    yield from (r for r in page if now - r.updated_at <= self.grace.lately)

    def _places(
        self, counts: Sequence[Counts], failed: Sequence[ImageRow]
    ) -> tuple[int, list[Missing]]:
        """Look for the objects of a sample of rows. The sample starts at a random id."""
        share = max(1, self.bounds.places // 2 // max(1, len(counts)))
        rows = {row.image_id: row for row in failed[:share] if row.failure_class in OURS[2:]}
        for count in counts:
            rows |= {row.image_id: row for row in self._sample(count, share)}
        checked, missing = 0, []
        for row in rows.values():
            if self._over():
                break
            for what, bucket, key in _places_of(row):
                checked += 1
                if not self._is_there(bucket, key) and not self._gone_by_now(row):
                    missing.append(Missing(row, what, self._search(bucket, key, row, what)))
        return checked, missing

    def _unfit(self, counts: Sequence[Counts]) -> Iterator[ImageRow]:
        """Of a sample: rows decided from evidence that their policy did not ask for."""
        if self.published is None:
            return
        for count in counts:
            by_policy: dict[str, list[ImageRow]] = {}
            for row in self._sample(count, self.bounds.places // 2 // max(1, len(counts))):
                if row.pipeline_status == Status.CURATED and row.policy:
                    by_policy.setdefault(row.policy, []).append(row)
            for ref, rows in by_policy.items():
                found = unfit(self.store, self.published(ref), rows)
                yield from (row for row in rows if row.image_id in found)

    def _sample(self, count: Counts, size: int) -> list[ImageRow]:
        """Present rows of a tenant, from a random id on."""
        page = self.store.present(count.tenant, f"{self.rng.getrandbits(96):024x}", size)
        if len(page) < size:
            page += self.store.present(count.tenant, "", size - len(page))
        return list({row.image_id: row for row in page}.values())

    def _is_there(self, bucket: str, key: str) -> bool:
        try:
            self.objects.head(bucket, key)
        except ObjectGone:
            return False
        except StorageUnavailable as error:  # it hides nothing that the other buckets show
            self._unread[f"the objects of {bucket}"] = str(error)
        return True

    def _gone_by_now(self, row: ImageRow) -> bool:
        fresh = self.store.get(row.image_id)
        return fresh is None or (fresh.object_state, fresh.preview_key) != (
            row.object_state,
            row.preview_key,
        )

    def _search(self, bucket: str, key: str, row: ImageRow, what: str) -> str | None:
        if not key:
            return None
        known = [tenant.bucket for tenant in self.store.tenants()]
        places = dict.fromkeys([*known, *self.objects.buckets()])
        for other in islice((name for name in places if name != bucket), self.bounds.buckets):
            try:
                info = self.objects.head(other, key)
            except (ObjectGone, StorageUnavailable):  # a bucket that we may not read tells nothing
                continue
            if what == "preview" or info.size == row.size:
                return other
        return None

    def _buckets(self, now: float) -> Iterator[BucketSeen]:
        for tenant in self.store.tenants():
            if self.tenant not in (None, tenant.slug) or tenant.status != "active":
                continue
            if self._over():
                return
            with self._part(f"the objects of {tenant.bucket}"):
                yield self._bucket(tenant, now)

    def _bucket(self, tenant: Tenant, now: float) -> BucketSeen:
        hidden: list[str] = []
        listing = islice(self._readable(tenant, hidden), self.bounds.objects)
        listed: set[str] = set()  # keys
        without: list[ObjectInfo] = []
        started = self.clock()
        while not self._over() and (chunk := list(islice(listing, 500))):
            ids = {image_id(tenant.bucket, info.key, info.version): info for info in chunk}
            listed.update(info.key for info in chunk)
            new = [
                ids[image]
                for image in ids.keys() - self.store.known(ids)
                if now - ids[image].modified_at > self.grace.landed
                and set_aside(ids[image].key) is None
                and refusal(ids[image].key) is None  # the others are named by `arrivals`
                and self.objects.complete(tenant.bucket, ids[image], now)
            ]
            # What may be a known image waits to be read: a moved bucket takes many sweeps.
            sizes = {info.key: info.size for info in new}
            unread = {row.key for row in self.store.versions(tenant.bucket, sizes)} if new else ()
            without += [info for info in new if info.key not in unread]
        whole = len(listed) < self.bounds.objects and not self._over() and not hidden
        absent = self._absent(tenant, listed, started) if whole else []
        oldest = min(without, key=lambda info: info.modified_at, default=None)
        return BucketSeen(
            tenant=tenant.slug,
            bucket=tenant.bucket,
            objects=len(listed),
            unregistered=len(without),
            oldest=oldest.modified_at if oldest else None,
            example=oldest.key if oldest else "",
            absent=len(absent),
            absent_example=absent[0].key if absent else "",
        )

    def _readable(self, tenant: Tenant, hidden: list[str]) -> Iterator[ObjectInfo]:
        """The objects of a bucket. Folders that cannot be listed are added to `hidden`."""
        try:
            yield from self.objects.listing(tenant.bucket, tenant.prefix)
        except ListingIncomplete as error:  # `arrivals` names them
            hidden += error.hidden

    def _absent(self, tenant: Tenant, listed: set[str], started: float) -> list[ImageRow]:
        """Rows that existed before the listing began, and of whose key nothing was listed."""
        absent: list[ImageRow] = []
        for page in present_pages(self.store, tenant.slug):
            absent += [
                row
                for row in page
                if row.bucket == tenant.bucket
                and row.key.startswith(tenant.prefix)
                and row.key not in listed
                and row.arrived_at < started
            ]
            if self._over():
                break
        sure = absent[: self.bounds.places]  # a listing may miss what was just renamed
        return [
            row
            for row in sure
            if not self._is_there(row.bucket, row.key) and not self._gone_by_now(row)
        ] + absent[len(sure) :]

    def _over(self) -> bool:
        return self.clock() > self._end


def _suspects(snapshot: Snapshot) -> list[str]:
    """Runs whose pods or tasks are worth a look.

    These are launched runs, the silent ones first, and runs that failed lately over batches that
    still have rows due.
    """
    launched = [r for r in snapshot.runs if r.state in (RunState.STARTING, RunState.STARTED)]
    launched.sort(key=lambda run: run.pulse is not None)
    due = {batch.batch for batch in snapshot.due}
    failed = [run for run in snapshot.failed if due.intersection(run.keys)]
    failed.sort(key=lambda run: -run.at)
    ids = [run.run_id for run in launched]
    return ids + [run.run_id for run in failed[:_FAILED_LOOKED_AT]]


def _places_of(row: ImageRow) -> Iterator[tuple[str, str, str]]:
    """What must exist: the object, and the preview once the row is validated."""
    yield "object", row.bucket, row.key
    failed_before = row.pipeline_status == Status.FAILED and row.failed_stage == STAGES[0]
    if reached(row, STAGES[1]) and not failed_before:
        yield "preview", row.preview_bucket or "", row.preview_key or ""
