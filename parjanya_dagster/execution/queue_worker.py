"""The worker that takes its work from a lane's queue.

It claims what is due of the batches that a message names, keeps the message hidden while it works,
and deletes it only when every row of them is past its stages. It may die at any instruction: the
message comes back, and so do the rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from types import TracebackType
from typing import Protocol

import structlog

from parjanya_dagster.belief.tags import RUN
from parjanya_dagster.errors import MessageUnreadable, ParjanyaError, TransientError
from parjanya_dagster.execution.garbage_collection import seldom
from parjanya_dagster.execution.heartbeat import SignsOfLife, note_pace
from parjanya_dagster.execution.manifest import write_manifest
from parjanya_dagster.execution.pacing import pace_of
from parjanya_dagster.execution.preflight import anything_to_do, require_fit
from parjanya_dagster.execution.stages.build import Place, stage_work
from parjanya_dagster.execution.worker import Pace, StageWork, work_off
from parjanya_dagster.lanes import Lane
from parjanya_dagster.queues.assignments import Assignment, read_body
from parjanya_dagster.queues.messages import Message, Queue
from parjanya_dagster.truth.stages import STAGES, WAITS_FOR
from parjanya_dagster.truth.store import Images
from parjanya_dagster.truth.store.paging import batch_rows

log = structlog.get_logger(__name__)
HIDDEN = 120.0  # seconds that a message stays hidden without a sign of its worker
AGAIN = 60.0  # seconds after which rows that wait, and rows that landed since, are looked at
BROKEN = 30.0  # seconds that a worker waits for what is away

Work = Callable[[str, str], StageWork]
"""stage, run id -> its work."""


class Served(Place, Protocol):
    """What a worker needs of the platform."""

    @property
    def pace(self) -> Pace: ...


class Worker:
    """Serves one lane."""

    def __init__(
        self,
        place: Served,
        lane: Lane,
        queue: Queue,
        *,
        dead_letters: Queue | None = None,
        work: Work | None = None,
    ) -> None:
        self._place, self._lane, self._queue = place, lane, queue
        self._dead_letters = dead_letters
        self._work = work or (lambda stage, run_id: stage_work(place, stage, run_id))

    def serve(
        self, stop: Callable[[], bool], pause: Callable[[float], object], wait: float = 20.0
    ) -> int:
        """Take messages until told to stop. Returns how many were done.

        What is away is waited for. Raises what else the work raises: a fresh process may do better.
        """
        done = 0
        while not stop():
            try:
                for message in self._queue.receive(1, wait):
                    done += self.take(message, stop)
            except TransientError as error:
                log.warning("worker_waits", queue=self._queue.name, error=str(error))
                pause(BROKEN)
        return done

    def drain(self, stop: Callable[[], bool], wait: float = 2.0) -> int:
        """Take messages until none comes. Returns how many were done. Raises what `take` does."""
        done = 0
        while not stop() and (messages := self._queue.receive(1, wait)):
            done += sum(self.take(message, stop) for message in messages)
        return done

    def take(self, message: Message, stop: Callable[[], bool] = lambda: False) -> bool:
        """Work on what a message asks for. Returns whether it is done and deleted.

        Whatever is raised, the message comes again by itself.
        """
        try:
            assignment = self._read(message)
        except MessageUnreadable as error:
            self._refuse(message, error)
            return False
        self._place.store.message_taken(assignment.id, self._place.clock())
        with _Hidden(self._queue, message):
            self._work_off(assignment, stop)
        left = self._left(assignment)
        if left is not None:
            wait = 0.0 if stop() else min(max(left - self._place.clock(), 1.0), AGAIN)
            self._queue.hide(message, wait)
            self._place.store.message_returned(assignment.id)
            self._place.store.forget([f"{RUN}:{assignment.id}"])  # nobody works on it now
            return False
        self._queue.delete([message])
        self._place.store.message_done(assignment.id)
        self._place.store.forget([f"{RUN}:{assignment.id}"])
        return True

    def _read(self, message: Message) -> Assignment:
        assignment = read_body(message.body)
        if assignment.lane != self._lane.name:
            raise MessageUnreadable(f"It is for the lane {assignment.lane!r}.")
        return assignment

    def _refuse(self, message: Message, error: MessageUnreadable) -> None:
        """It asks for nothing that Truth does not know, so nothing is lost with it."""
        log.error("assignment_refused", queue=self._queue.name, reason=str(error))
        if self._dead_letters is not None:
            self._dead_letters.send(message.body, ascii(str(error))[1:-1])
        self._queue.delete([message])

    def _work_off(self, assignment: Assignment, stop: Callable[[], bool]) -> None:
        place = self._place
        for stage in self._lane.stages:
            if stage not in assignment.stages or stop():
                continue
            signs = SignsOfLife(
                place.store,
                assignment.id,
                stage,
                place.clock,
                silence=place.settings.run_silence,
                stall=place.settings.run_stall,
            )
            deciding = stage == STAGES[-1]
            with signs, seldom() if deciding else nullcontext():
                idle = not anything_to_do(
                    place.settings, place.store, stage, assignment.batches, place.clock()
                )
                if not idle:
                    require_fit(place.settings, place.store, stage, assignment.id, place.clock)
                tally = work_off(
                    place.store,
                    signs.over(self._work(stage, assignment.id)),
                    assignment.batches,
                    owner=assignment.id,
                    pace=pace_of(place, stage),
                    clock=place.clock,
                    stop=lambda: idle or stop(),  # noqa: B023 - called within this round
                )
                signs.finishing()
                note_pace(place.store, stage, tally, place.clock())
                if deciding:
                    self._write_manifests(assignment.batches)
            log.info("stage_done", id=assignment.id, stage=stage, rows=tally.rows, lost=tally.lost)

    def _write_manifests(self, batches: Sequence[str]) -> None:
        stale = self._place.store.stale_manifests()
        for batch in batches:
            if batch in stale:
                write_manifest(self._place.store, self._place.objects, batch, stale[batch])

    def _left(self, assignment: Assignment) -> float | None:
        return first_due(self._place.store, assignment.batches, assignment.stages)


def first_due(store: Images, batches: Sequence[str], stages: Sequence[str]) -> float | None:
    """When the next row of these batches may be claimed for a stage. None: none waits for any."""
    waiting = {str(WAITS_FOR[stage]) for stage in stages}
    return min(
        (
            row.due_at
            for row in batch_rows(store, batches)
            if row.pipeline_status in waiting and row.due_at is not None
        ),
        default=None,
    )


class _Hidden:
    """Keeps a message from other workers, from a thread, for as long as the block runs."""

    def __init__(self, queue: Queue, message: Message) -> None:
        self._queue, self._message = queue, message
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hidden", daemon=True)

    def __enter__(self) -> None:
        self._queue.hide(self._message, HIDDEN)
        self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(HIDDEN / 3):
            try:
                self._queue.hide(self._message, HIDDEN)
            except ParjanyaError as error:  # it may come to another worker: the fence guards
                log.warning("message_not_hidden", queue=self._queue.name, error=str(error))
