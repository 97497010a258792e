"""The worker that takes its work from a lane's queue.

It claims what is due of the batches that a message names, keeps the message hidden while it works,
and deletes it only when every row of them is past the lane's stages. It may die at any instruction:
the message comes back, and so do the rows.
"""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

from parjanya_dagster.belief.tags import RUN
from parjanya_dagster.errors import Drifted, MessageUnreadable, ParjanyaError, TransientError
from parjanya_dagster.execution.notice import Notice
from parjanya_dagster.execution.preload import preload
from parjanya_dagster.execution.resources import StageResources
from parjanya_dagster.execution.run_start import process_began, report_cold_start
from parjanya_dagster.execution.stage_run import StageRunner, Work
from parjanya_dagster.intent.along import most
from parjanya_dagster.lanes import Lane
from parjanya_dagster.lines import get_logger
from parjanya_dagster.queues.assignments import Assignment, read_body
from parjanya_dagster.queues.messages import Message, Queue
from parjanya_dagster.traces import spans
from parjanya_dagster.truth.dead_letters import DeadLetter, record
from parjanya_dagster.truth.holders import owner_of
from parjanya_dagster.truth.stages import WAITS_FOR, following
from parjanya_dagster.truth.store import Images
from parjanya_dagster.truth.store.paging import batch_rows

log = get_logger(__name__)
HIDDEN = 120.0  # seconds that a message stays hidden without a sign of its worker
AGAIN = 60.0  # seconds after which rows that wait, and rows that landed since, are looked at
BROKEN = 30.0  # seconds that a worker waits for what is away


class Worker:
    """Serves one lane."""

    def __init__(
        self,
        resources: StageResources,
        lane: Lane,
        queue: Queue,
        *,
        dead_letters: Queue | None = None,
        work: Work | None = None,
        notice: Notice | None = None,
    ) -> None:
        """`notice`: who hears that the process is told to end; None: nobody does."""
        self._notice = notice
        self._resources, self._lane, self._queue = resources, lane, queue
        self._dead_letters = dead_letters
        self._work = work
        self._ready = False

    def serve(
        self, stop: Callable[[], bool], pause: Callable[[float], object], wait: float = 20.0
    ) -> int:
        """Take messages until told to stop. Returns how many were done.

        What is away is waited for. Raises Drifted where drifted lanes are held and this process is
        not what was declared, and what else the work raises: a fresh process may do better.
        """
        done = 0
        while not stop():
            try:
                self._get_ready()
                for message in self._queue.receive(1, wait):
                    done += self.take(message, stop)
            except TransientError as error:
                log.warning("worker_waits", queue=self._queue.name, error=str(error))
                pause(BROKEN)
        return done

    def drain(self, stop: Callable[[], bool], wait: float = 2.0) -> int:
        """Take messages until none comes. Returns how many were done. Raises what `take` does."""
        self._get_ready()
        done = 0
        while not stop() and (messages := self._queue.receive(1, wait)):
            done += sum(self.take(message, stop) for message in messages)
        return done

    def take(self, message: Message, stop: Callable[[], bool] = lambda: False) -> bool:
        """Work on what a message asks for. Returns whether it is done and deleted.

        Whatever is raised, the message comes again by itself. Raises Drifted as `serve` does: then
        the message can be had by another worker at once.
        """
        try:
            assignment = self._read(message)
        except MessageUnreadable as error:
            self._refuse(message, error)
            return False
        store = self._resources.store
        try:
            with _Hidden(self._queue, message), self._traced(assignment):
                runner = self._begin(assignment, message)
                store.message_taken(assignment.id, self._resources.clock())
                self._run_stages(runner, assignment, stop)
        except Drifted:
            self._queue.hide(message, 0.0)
            raise
        stopped = stop()
        due = first_due(store, assignment.batches, self._answers_for(assignment, stopped))
        if due is not None:
            wait = 0.0 if stopped else min(max(due - self._resources.clock(), 1.0), AGAIN)
            self._queue.hide(message, wait)
            store.message_returned(assignment.id)
            store.forget([f"{RUN}:{assignment.id}"])  # nobody works on it now
            return False
        self._queue.delete([message])
        store.message_done(assignment.id)
        store.forget([f"{RUN}:{assignment.id}"])
        return True

    def _get_ready(self) -> None:
        """Before the first message: say what this process is, and load the models of the lane."""
        if self._ready:
            return
        began = process_began()
        importing = self._resources.clock() - began
        name = f"worker-{socket.gethostname()}-{os.getpid()}-{began:.0f}"
        self._runner(name, name)
        seconds = preload(self._resources.settings, self._lane.stages, self._resources.clock)
        loading = {f"loading {stage}": spent for stage, spent in seconds.items()}
        report_cold_start(
            self._resources,
            ledger_id=name,
            job=self._lane.job,
            phases={"importing": importing, **loading},
        )
        self._ready = True

    @contextmanager
    def _traced(self, assignment: Assignment) -> Iterator[None]:
        """Every delivery of a message tells of one trace, in whichever process."""
        spans.begin_run(assignment.id, self._lane.name)
        error: BaseException | None = None
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            spans.end_run(assignment.id, error)

    def _begin(self, assignment: Assignment, message: Message) -> StageRunner:
        """Each delivery counts for itself: what the same message did before stays counted. It holds
        rows for itself, too: the process that had the message before may have died a moment ago."""
        receipt = hashlib.sha256(message.handle.encode()).hexdigest()[:16]
        owner = owner_of(assignment.id, receipt)
        return self._runner(assignment.id, f"delivery-{receipt}", owner)

    def _runner(self, run_id: str, ledger_id: str, owner: str = "") -> StageRunner:
        return StageRunner.begin(
            self._resources,
            self._lane,
            run_id=run_id,
            ledger_id=ledger_id,
            job=self._lane.job,
            owner=owner,
            work=self._work,
            notice=self._notice,
        )

    def _run_stages(
        self, runner: StageRunner, assignment: Assignment, stop: Callable[[], bool]
    ) -> None:
        wanted = [stage for stage in self._lane.reach if stage in assignment.stages]
        try:
            for stage in wanted:
                if not stop():
                    then = following(stage, wanted)
                    rows = most(self._lane, stage, along=assignment.along)
                    runner.run(stage, assignment.batches, stop=stop, most=rows, then=then)
        finally:
            runner.leave()  # where it was stopped

    def _answers_for(self, assignment: Assignment, stopped: bool) -> list[str]:
        """The stages that a message waits for: the lane's own. What only goes along and did not is
        asked for again, of whichever lane; but what was just handed back waits for no one else."""
        along = () if stopped else self._lane.along
        return [stage for stage in assignment.stages if stage not in along]

    def _read(self, message: Message) -> Assignment:
        assignment = read_body(message.body)
        if assignment.lane != self._lane.name:
            raise MessageUnreadable(f"It is for the lane {assignment.lane!r}.")
        return assignment

    def _refuse(self, message: Message, error: MessageUnreadable) -> None:
        """It asks for nothing that Truth does not know. That it came is recorded."""
        log.error("assignment_refused", queue=self._queue.name, reason=str(error))
        if self._dead_letters is not None:
            self._dead_letters.send(message.body, ascii(str(error))[1:-1])
        resources = self._resources
        letter = DeadLetter(source=f"lane {self._lane.name}", reason=str(error), body=message.body)
        record(resources.store, [letter], resources.clock())
        self._queue.delete([message])


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
