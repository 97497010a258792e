"""One stage of one run, from its preflight to its manifests.

Every way to run a stage comes through here: an asset of Dagster, and a worker of a lane's queue. It
knows neither Dagster nor queues. What is particular to them is passed in: who asked for the run,
when to stop, and what to do with each batch that is finished.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from parjanya_dagster.belief import manifest_pauses, refusing
from parjanya_dagster.belief.tags import MANIFEST
from parjanya_dagster.errors import ObjectGone, StorageUnavailable
from parjanya_dagster.execution.garbage_collection import seldom
from parjanya_dagster.execution.heartbeat import RunHeartbeat, Told, note_pace
from parjanya_dagster.execution.kept import TOLD, Kept
from parjanya_dagster.execution.manifest import Contents, contents, write_manifest
from parjanya_dagster.execution.notice import Notice
from parjanya_dagster.execution.pacing import pace_of
from parjanya_dagster.execution.preflight import anything_to_do, passed_last, require_fit
from parjanya_dagster.execution.resources import StageResources
from parjanya_dagster.execution.run_ledger import Book, gpu_attached
from parjanya_dagster.execution.run_start import Announce, report_identity
from parjanya_dagster.execution.stages.build import stage_work
from parjanya_dagster.execution.vectors import SEEING, Vectors
from parjanya_dagster.execution.worker import StageWork, Tally, work_off
from parjanya_dagster.lanes import Lane
from parjanya_dagster.lines import get_logger
from parjanya_dagster.traces import spans
from parjanya_dagster.truth.models import parse_batch
from parjanya_dagster.truth.records import KnownBucket
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.stages import STAGES

log = get_logger(__name__)
DECIDING = STAGES[-1]  # the stage whose outcomes are written to manifests

Work = Callable[[str, str], StageWork]
"""stage, run id -> its work."""

BatchDone = Callable[[str, Tally, Contents | None, bool], None]
"""Is told of each batch of a stage that is finished: the batch, what the stage did in all, the
batch's contents where they were read to write its manifest, and whether that is put off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Somebody asked to compute batches again."""

    replay_id: str  # the same for all runs of one backfill: each row is reset once
    policy: str = ""  # the reference of the policy to decide under; empty: each tenant's pin


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRunner:
    """Runs the stages of one run, in this process. `begin` makes one."""

    resources: StageResources
    run_id: str  # evidence and events name it
    owner: str  # of the claims
    job: str  # under which seconds of starting are counted
    stages: tuple[str, ...] = ()  # of its lane, in order
    vectors: Vectors
    work: Work | None = None  # None: the stages' own
    kept: Kept  # rows between two stages
    book: Book  # what is counted
    told: Told  # what signs of life have said
    notice: Notice  # that this process is told to end

    @classmethod
    def begin(
        cls,
        resources: StageResources,
        lane: Lane,
        *,
        run_id: str,
        ledger_id: str,
        job: str,
        owner: str = "",
        work: Work | None = None,
        announce: Announce = lambda _: None,
        notice: Notice | None = None,
    ) -> StageRunner:
        """Record what this process is, then be ready to run stages. Nothing is claimed yet.

        `ledger_id`: names what is counted. Never used twice, as the id of a message may be.
        `owner`: of the claims, of this process alone (`truth.holders`). Empty: the run is.
        `notice`: who hears that the process is told to end; None: nobody does yet.

        Raises Drifted where drifted lanes are held and this process is not what was declared.
        """
        report_identity(resources, lane, run_id, announce)
        return cls(
            resources=resources,
            run_id=run_id,
            owner=owner or run_id,
            job=job,
            stages=lane.reach,
            vectors=Vectors(resources=resources, run_id=run_id),
            work=work,
            kept=Kept(
                resources.store, owner or run_id, resources.clock, resources.settings.runs.lease
            ),
            book=Book(resources.store, ledger_id, resources.clock, gpu=gpu_attached()),
            told=Told(),
            notice=notice or Notice(resources.settings.runs.stop_timeout),
        )

    def leave(self) -> None:
        """No other stage is run in this process. What is kept is handed back."""
        self.kept.give_back()
        self.book.close()

    def run(
        self,
        stage: str,
        batches: Sequence[str],
        *,
        replay: Replay | None = None,
        stop: Callable[[], bool] = lambda: False,
        most: int = 0,
        then: str = "",
        batch_done: BatchDone = lambda *_: None,
    ) -> Tally:
        """Claim, work and commit over the due rows of these batches. Returns what was done.

        `most`: rows that it takes; 0: all that are due.
        `then`: the stage that follows, if this process is sure to run it next over the same
        batches. Rows that complete this stage are kept for it, and not given back, where its
        engine passed its last preflight.
        Once the process is told to end, it ends early: what is done is committed, everything else
        is handed back, and no batch is reported as finished.
        A replay resets the batches to the stage first. Nothing is reset or claimed before the
        stage's engine has passed its preflight. Raises PreflightFailed, and what the work raises.
        """
        resources = self.resources
        settings, store, clock = resources.settings, resources.store, resources.clock
        book = self.book
        book.at(stage)
        heartbeat = RunHeartbeat(
            store,
            self.run_id,
            stage,
            clock,
            silence=settings.runs.silence,
            stall=settings.runs.stall,
            book=book,
            told=self.told,
            then=then,
        )
        seldomly = seldom() if stage == DECIDING else nullcontext()
        with self._keeping(stage), spans.stage_of(self.run_id, stage) as noted, heartbeat, seldomly:
            ours = replay or self.kept.waits_for(stage)
            idle = not (ours or anything_to_do(settings, store, stage, batches, clock()))
            if not idle:
                require_fit(settings, store, stage, self.run_id, clock)
            if replay:
                book.tally.replayed = self._reset(stage, batches, replay)
            tally = work_off(
                store,
                heartbeat.over(self._work(stage)),
                batches,
                owner=self.owner,
                pace=pace_of(resources, stage),
                clock=clock,
                tally=book.tally,
                stop=lambda: idle or stop(),
                most=most,
                kept=self.kept,
                keeps=bool(then) and passed_last(settings, store, then),
                ahead=[later for later in self.stages if STAGES.index(later) > STAGES.index(stage)],
                notice=self.notice,
            )
            if self.notice.given():
                self.kept.give_back(TOLD)
                log.info("stage_told_to_end", run=self.run_id, stage=stage, rows=tally.rows)
                return tally
            noted.note(images=tally.rows, lost=tally.lost, seconds_loading=tally.load_seconds)
            book.started(self.job, {f"loading {stage}": tally.load_seconds})
            heartbeat.finishing()
            note_pace(store, stage, tally, clock())
            with self._kept_in_hand():
                self._finish(stage, batches, tally, batch_done, heartbeat.progress)
        log.info("stage_done", run=self.run_id, stage=stage, rows=tally.rows, lost=tally.lost)
        return tally

    @contextmanager
    def _keeping(self, stage: str) -> Iterator[None]:
        """What this stage was to have and did not take is handed back at its end. All that is kept
        is handed back if it fails: then no other stage follows in this process. Where nothing is
        kept, the record of this process is left to run out."""
        try:
            yield
        except BaseException as error:
            self.kept.give_back(f"{type(error).__name__}: {error}")
            raise
        if self.kept.waits_for(stage) or not self.kept:
            self.kept.give_back()

    @contextmanager
    def _kept_in_hand(self) -> Iterator[None]:
        """While vectors and manifests are made, in native code too, what is kept for the next stage
        is handed back in time if the process is told to end."""
        if not self.kept:
            yield
            return

        def where_told() -> None:
            if self.notice.given():
                self.kept.give_back(TOLD)

        with self.notice.in_hand(lambda: self.kept.give_back(TOLD)):
            where_told()  # a moment ago, when nothing was in hand
            yield
            where_told()

    def _work(self, stage: str) -> StageWork:
        if self.work is not None:
            return self.work(stage, self.run_id)
        return stage_work(self.resources, stage, self.run_id)

    def _reset(self, stage: str, batches: Sequence[str], replay: Replay) -> int:
        under = f" under {replay.policy}" if replay.policy else ""
        return self.resources.store.reset(
            batches,
            Reset(
                stage=stage,
                reason=f"replay {replay.replay_id} from {stage}{under}",
                run_id=self.run_id,
                policy=replay.policy or None,
            ),
            self.resources.clock(),
            replay.replay_id,
        )

    def _finish(
        self,
        stage: str,
        batches: Sequence[str],
        tally: Tally,
        batch_done: BatchDone,
        progress: Callable[[], None],
    ) -> None:
        """Make vectors, and write the manifests that are stale. One batch at a time: there may be
        hundreds, and each is told to `progress`, or the run would count as hung.

        A bucket that takes none keeps its own stale, and is tried again later. It stops neither
        the manifests of others nor the run.
        """
        store = self.resources.store
        stale = store.stale_manifests() if stage == DECIDING else {}
        putting_off = stage == SEEING and self.resources.settings.runs.manifest_pause
        paused = self._paused() if putting_off or stale.keys() & set(batches) else frozenset()
        if stage in (SEEING, DECIDING) and self.work is None:
            changed = [batch for batch in batches if batch in tally.by_batch or batch in stale]
            self.vectors.follow(stage, changed, paused, progress)
        buckets = store.known_buckets() if stale.keys() & set(batches) else {}
        wrote: dict[str, bool] = {}  # tenant -> whether its bucket took the last manifest
        for batch in batches:
            known = None
            tenant = parse_batch(batch)[0]
            waits = batch in stale and batch in paused
            if batch in stale and not waits and wrote.get(tenant, True):
                known = contents(store, batch)
                wrote[tenant] = self._write_manifest(tenant, batch, stale[batch], known, buckets)
            batch_done(batch, tally, known, waits)
            progress()
        for tenant in (tenant for tenant, taken in wrote.items() if taken):
            refusing.clear(store, tenant)

    def _paused(self) -> frozenset[str]:
        """Batches whose manifest was written a moment ago. Notes of others are cleared away."""
        store, now = self.resources.store, self.resources.clock()
        notes = store.heartbeats(MANIFEST)
        if ended := manifest_pauses.ended(notes, now):
            store.forget(ended)
        return manifest_pauses.waiting(notes, now)

    def _write_manifest(
        self,
        tenant: str,
        batch: str,
        decided: int,
        known: Contents,
        buckets: Mapping[str, KnownBucket],
    ) -> bool:
        """False where the tenant's bucket does not take it."""
        store, clock = self.resources.store, self.resources.clock
        try:
            write_manifest(store, self.resources.objects, batch, decided, known, buckets)
        except (StorageUnavailable, ObjectGone) as error:
            refusing.note(store, tenant, clock(), error)
            return False
        manifest_pauses.note(store, batch, clock(), self.resources.settings.runs.manifest_pause)
        return True
