"""The whole platform in one process: real store, real reconciling loop, real sweep.

What is modelled is what is not ours: buckets, Dagster, and the process of a run. All time is a
number, so a sequence of steps is the same every time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from parjanya_dagster.belief.queue_depths import QueuedLanes
from parjanya_dagster.errors import StorageUnavailable
from parjanya_dagster.ingest.arrivals import Sweeper
from parjanya_dagster.intent.autoscaling import Bounds
from parjanya_dagster.intent.dispatch import Dispatcher
from parjanya_dagster.intent.eligibility import Eligibility
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.intent.loop import Emission, Loop, Timing
from parjanya_dagster.intent.scaling_groups import ScalingGroups
from parjanya_dagster.lanes import Lane
from parjanya_dagster.queues.messages import Queue
from parjanya_dagster.regrade.advance import Advance
from parjanya_dagster.regrade.moves import unfit
from parjanya_dagster.regrade.rescue import Rescuer
from parjanya_dagster.truth.models import DELETED, ImageRow, Regrade
from parjanya_dagster.truth.outcomes import Claim
from parjanya_dagster.truth.records import Holder
from parjanya_dagster.truth.stages import STAGES, Status, after
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.store.paging import batch_rows
from parjanya_dagster.truth.transitions import rebuild
from tests.simulation.bucket import Buckets
from tests.simulation.dagster_model import DagsterModel
from tests.simulation.mortal import Died, Mortal
from tests.simulation.people import People
from tests.simulation.policies import Policies
from tests.simulation.worker import Poisoned, Worker, preview_key
from tests.support.clock import Clock

LIMITS = Limits(
    run_rows=6, run_keys=3, queued_runs=2, reserved_runs=1, light_runs=3, unmeasured_rows=6
)
TICK = 60.0  # seconds between two ticks when all is quiet
BEAT = 40.0  # seconds between two of a process
TIMING = Timing(tick=1.5, gap=2 * TICK)  # short ticks: between them, other things happen
MOST_TICKS = 150  # after the last fault until everything is terminal


@dataclass
class House:
    """One world, and what has been seen of it so far."""

    store: Store
    lanes: Sequence[Lane]
    clock: Clock = field(default_factory=Clock)
    buckets: Buckets = field(default_factory=Buckets)
    queues: dict[str, Queue] = field(default_factory=dict)  # of lanes that work from one
    poison: set[str] = field(default_factory=set)  # image ids that kill every process
    seen: dict[str, ImageRow] = field(default_factory=dict)
    applied: set[tuple[str, str, int]] = field(default_factory=set)  # stage, image, fence
    counted: Counter[str] = field(default_factory=Counter)
    people: People = field(default_factory=People)
    limits: Limits = LIMITS

    def __post_init__(self) -> None:
        self.dagster = DagsterModel(self.clock)
        self.policies = Policies(self.store, self.clock)

    # --- what runs ---

    def sweep(self, store: Any = None) -> None:
        sweeper = Sweeper(store or self.store, self.buckets, self.clock, lambda: "default@1")
        try:
            self.dagster.add(sweeper.sweep(self.clock() + 1e9).registered)
        except StorageUnavailable:  # the sensor's tick fails, and the next one looks again
            assert self.buckets.away

    def loop(self, store: Any = None) -> Loop:
        """The reconciling loop of production, over the models of what is not ours."""
        store = store or self.store
        return Loop(
            store=store,
            belief=QueuedLanes(self.dagster, store, self.queues, self.lanes),
            lanes=self.lanes,
            limits=lambda: replace(self.limits, queue_lanes=frozenset(self.queues)),
            eligibility=Eligibility(
                store=store,
                objects=self.buckets,
                clock=self.clock,
                costly=frozenset(self.queues),
            ),
            dispatcher=Dispatcher(store, self.queues, self.clock),
            scaling_groups=ScalingGroups(store=store, groups={}, bounds=Bounds(), clock=self.clock),
            advance_regrades=Rescuer(store, self.policies.published, self.clock).advance,
            hints=None,
            clock=self.clock,
            pause=self.clock.pass_by,
            timing=TIMING,
        )

    def tick(self, store: Any = None, *, hurried: bool = False) -> Emission:
        """A tick of the reconciler. Its keys are added; its runs are not created yet.

        `hurried`: there is no time to settle, nor for a second pass once keys were added.
        """
        queued = self.dagster.queued()
        loop = self.loop(Freeing(store or self.store, self))
        if hurried:
            loop = replace(loop, timing=replace(TIMING, tick=0.0))
        for emission in loop.tick():
            self.dagster.add(emission.add_keys)
        for request in emission.runs:
            for run in queued:
                twice = set(self.dagster.range_of(run)) & set(request.keys)
                again = request.lane == run.request.lane  # what goes along may become too much
                assert not (twice and again and set(request.stages) <= set(run.request.stages)), (
                    f"{twice} waits in the queue and is asked for again"
                )
        return emission

    def regrade(self, tenant: str, to: str, *, batches: int = 1000, store: Any = None) -> None:
        """Ask for a regrade and send so many batches back; then whoever does it is gone."""
        store = store or self.store
        wanted = Regrade(
            replay_id=f"regrade-{tenant}-{to}-{self.clock()}",
            policy=to,
            tenants=(tenant,),
            since="",
            until="",
            started_at=self.clock(),
        )
        left = iter([False] * batches)
        Advance(
            store=store,
            published=self.policies.published,
            clock=self.clock,
            regrade=store.begin_regrade(wanted),
        ).run(stop=lambda: next(left, True))

    def pass_by(self, seconds: float, hangs: Sequence[Worker] = ()) -> None:
        """Time passes. Processes that do not hang say meanwhile that they live."""
        while seconds > 0:
            self.clock.pass_by(min(seconds, BEAT))
            seconds -= BEAT
            for process in self.dagster.processes:
                if process.alive and process not in hangs:
                    process.beats(self.store, self.clock())

    def wake_late(self, process: Worker) -> None:
        """A worker sleeps over the end of its lease; another does its work; then it commits."""
        self.pass_by(1000.0, hangs=(process,))
        self.dagster.apply(self.tick())
        while run := self.dagster.launch(at_once=10):
            self.dagster.start(run)
        for other in [one for one in self.dagster.processes if one.alive and one is not process]:
            self.step(other)
        if process.alive:
            self.step(process)

    def step(
        self,
        process: Worker,
        *,
        size: int = 2,
        kind: str = "completed",
        store: Any = None,
        noticed: bool = True,
    ) -> None:
        """One step of a process; if it dies of it, Dagster may notice."""
        process.refusing = self.buckets.refusing
        try:
            committed = process.step(
                store or self.store,
                self.clock(),
                size=size,
                kind=kind,
                policies=self.policies,
                poison=self.poisonous,
            )
        except (Died, Poisoned) as death:
            self.counted[f"died {'of poison' if isinstance(death, Poisoned) else death}"] += 1
            self.dagster.died(process, noticed=noticed)
            return
        except StorageUnavailable:
            with suppress(Died):
                process.fails(self.clock())
            self.dagster.died(process, noticed=True)
            return
        if committed is not None:
            stage = process.stages[process.at]
            self.counted["rows kept"] += len(committed.kept)
            if process.kept.announced:
                self.counted["rows kept under a record"] += len(committed.kept)
            for one in committed.applied:
                row = self.store.get(one)
                assert row is not None
                mark = (stage, one, row.fence)
                assert mark not in self.applied, f"{mark} was applied twice"
                self.applied.add(mark)
                if stage == STAGES[0]:
                    self.buckets.lost_previews.discard(preview_key(one))
            self.counted["lost commits"] += len(committed.lost)
        if process.done:
            process.alive = False
            self.dagster.finished(process)

    def poisonous(self, claim: Claim) -> bool:
        return claim.image_id in self.poison

    def mortal(self, at: int, *, after: bool) -> Mortal:
        return Mortal(self.store, at, after=after)

    # --- what must hold after every step ---

    def check_freed(self, before: ImageRow, holder: Holder | None, now: float) -> None:
        """Whoever freed a lease was right, and only what was worked on lost an attempt."""
        row = self.store.get(before.image_id)
        assert row is not None
        if (row.fence, row.lease_owner) != (before.fence, None):
            return
        ended = (before.lease_until or 0.0) <= now
        assert ended or (holder and holder.until <= now), "a lease was ended that had not ended"
        event = self.store.history(row.image_id)[-1]
        known = {process.run_id: process for process in self.dagster.processes}
        one = known.get(before.lease_owner or "")
        if one is None:  # a worker of a queue, or of a test
            return
        lease = (row.image_id, row.fence)
        self.counted[f"rows freed: {event.kind}{' of a record' if not ended else ''}"] += 1
        if event.kind == "released":
            assert lease not in one.worked, (
                "what was worked on as its process died counts as untouched"
            )
            assert row.attempts == before.attempts - 1
        elif holder and holder.until <= now:
            assert lease in one.taken_up, "a row that was merely kept lost an attempt"

    def check(self) -> None:
        kept = self.store.counts()
        assert kept == self.store.counted(), "counters that are kept are wrong"
        for counts in kept:
            assert counts.registered == counts.rows + counts.departed, "conservation is broken"
        rows = {row.image_id: row for row in self._rows()}
        lost = self.seen.keys() - rows.keys()
        self.counted["images lost"] += len(lost)
        assert not lost, "an image was lost"
        for image, row in rows.items():
            lies = self.buckets.objects.get((row.bucket, row.key))
            if lies is not None and lies.version == row.version:
                assert row.object_state != DELETED, "an image that is there counts as deleted"
            if self.seen.get(image) != row:
                self._check_row(row, self.seen.get(image))
        for counts in kept:
            waiting = sum(r.waits_for_person for r in rows.values() if r.tenant == counts.tenant)
            assert self.store.waiting_for_review(counts.tenant) == waiting
            assert counts.by_effective.get("review", 0) == waiting
        self.seen = rows
        most = self.limits
        of_a_lane = most.queued_runs + most.reserved_runs + most.light_runs + most.regrade_runs
        bound = len(self.lanes) * of_a_lane
        assert self.dagster.waiting <= bound, "intent is not bounded"

    def _rows(self) -> list[ImageRow]:
        return list(batch_rows(self.store, self.store.batches()))

    def _check_row(self, row: ImageRow, before: ImageRow | None) -> None:
        history = self.store.history(row.image_id)
        rebuilt = rebuild(history)
        if row.lease_owner is None:
            assert rebuilt == row, "rows rebuilt from events differ from the rows"
        if before is not None:
            assert row.fence >= before.fence, "a fence went back"
        assert row.attempts <= 5
        status = history[0].to_status
        for event in history[1:]:
            assert event.from_status == status, "an event does not follow from the one before"
            status = event.to_status
            if event.kind == "completed":
                stage = _stage_of(str(event.from_status))
                assert status == after(stage), "a stage was completed out of order"
        assert status == row.pipeline_status, "a row changed without an event"
        if row.pipeline_status == Status.CURATED:
            assert row.verdict
            assert row.policy
            assert set(row.evidence) == set(STAGES)
            assert set(self.store.evidence([row])[row.image_id]) == set(STAGES)
            decided_by = self.policies.published(row.policy)
            assert not unfit(self.store, decided_by, [row]), (
                f"decided by {row.policy} from evidence that it did not ask for"
            )
        self.people.check_row(self.store, row, self.policies.published)
        if row.pipeline_status == Status.FAILED:
            assert row.failure_class
            assert row.failure_reason
            assert row.failed_stage
            causes = [event for event in history if event.to_status == Status.FAILED]
            assert causes[-1].kind in ("failed", "object_state"), "a failure without a cause"

    # --- what must come to pass once the faults stop ---

    def others_go_on(self) -> int:
        """One tenant's faults stay: what is the others' becomes terminal in a bounded time.

        Returns after how many ticks.
        """
        self.dagster.readable = True
        faulty = sorted(self.faulty)
        for tenant in faulty[1:]:
            self.heal(tenant)
        for ticks in range(1, MOST_TICKS + 1 if faulty else 1):
            self.sweep()
            self.dagster.apply(self.tick())
            self._run_all()
            self.check()
            if self._quiet(without=faulty[0]):
                return ticks
            self.clock.pass_by(TICK)
        assert not faulty, (
            f"others wait because of {faulty[0]}: {self._left(faulty[0])}, manifests stale: "
            f"{self.store.stale_manifests()}, buckets and Truth differ by {self._differs()}"
        )
        return 0

    @property
    def faulty(self) -> set[str]:
        """Tenants of which something cannot be read or written."""
        buckets = self.buckets
        return {*buckets.away, *buckets.unreadable, *buckets.refusing, *self.policies.torn}

    def heal(self, tenant: str) -> None:
        self.buckets.unreadable.pop(tenant, None)
        for broken in (self.buckets.away, self.buckets.refusing, self.policies.torn):
            broken.discard(tenant)

    def settle(self) -> int:
        """No more faults: everything becomes terminal. Returns after how many ticks."""
        self.dagster.readable = True
        for tenant in self.faulty:
            self.heal(tenant)
        for ticks in range(1, MOST_TICKS + 1):
            self.sweep()
            self.dagster.apply(self.tick())
            self._run_all()
            self.check()
            if self._quiet():
                self._check_end()
                return ticks
            self.clock.pass_by(TICK)
        raise AssertionError(
            f"after {MOST_TICKS} ticks not terminal: {self._left()}, manifests stale: "
            f"{self.store.stale_manifests()}, buckets and Truth differ by {self._differs()}"
        )

    def _run_all(self) -> None:
        while run := self.dagster.launch():
            self.dagster.start(run)
        while alive := [process for process in self.dagster.processes if process.alive]:
            for process in alive:
                self.step(process, size=3)
        for run in self.dagster.starting:
            self.dagster.start(run)

    def _quiet(self, without: str = "") -> bool:
        """Whether nothing is left to do, of other tenants than this one."""
        stale = (batch.partition("/")[0] for batch in self.store.stale_manifests())
        return not (
            self._left(without)
            or any(tenant != without for tenant in stale)
            or any(bucket != without for bucket, *_ in self._differs())
            or any(regrade.tenants != (without,) for regrade in self.store.open_regrades())
        )

    def _left(self, without: str = "") -> list[tuple[str, str]]:
        return [
            (row.image_id, row.pipeline_status)
            for row in self._rows()
            if not Status(row.pipeline_status).terminal and row.tenant != without
        ]

    def _differs(self) -> set[tuple[str, str, str]]:
        """What lies in the buckets is present in Truth, and nothing else is."""
        lies = {(bucket, key, info.version) for (bucket, key), info in self.buckets.objects.items()}
        present = [
            (row.bucket, row.key, row.version)
            for row in self._rows()
            if row.object_state == "present"
        ]
        assert len(present) == len(set(present)), "an object is present twice"
        return lies ^ set(present)

    def _check_end(self) -> None:
        self.people.check(self.store)
        for row in self._rows():
            if row.image_id in self.poison and row.object_state == "present":
                assert row.failure_class in ("crashed_repeatedly", "undecodable")


class Freeing:
    """A store that has looked at what is freed when leases are ended."""

    def __init__(self, store: Any, house: House) -> None:
        self._store, self._house = store, house

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def expire_leases(self, now: float, *limit: int) -> int:
        truth = self._house.store
        holders = truth.holders()
        leased = [row for row in batch_rows(truth, truth.batches()) if row.lease_owner]
        freed: int = self._store.expire_leases(now, *limit)
        for row in leased:
            self._house.check_freed(row, holders.get(row.lease_owner or ""), now)
        return freed


def _stage_of(status: str) -> str:
    from parjanya_dagster.truth.stages import STAGE_OF

    return STAGE_OF[Status(status)]
