"""The heartbeat of a run's process, which ends itself where it hangs.

A thread writes a heartbeat for as long as the process is at a stage, whether it loads a model,
works or writes manifests. A run that has had no outcome for too long ends itself: its rows are
freed when their leases expire. Then they are claimed one by one, so the one that hung it is found.

Each sign is paid for on DynamoDB. So that a stage is reached or left is told at once only where the
last sign is not of a moment ago, or no other will follow.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

from parjanya_dagster.belief.snapshot import Phase
from parjanya_dagster.belief.tags import RUN
from parjanya_dagster.execution.run_ledger import Book
from parjanya_dagster.execution.worker import Clock, StageWork, Tally
from parjanya_dagster.lines import get_logger
from parjanya_dagster.truth.outcomes import Claim, Outcome
from parjanya_dagster.truth.records import StagePace
from parjanya_dagster.truth.store import Heartbeats, Measurements

log = get_logger(__name__)
FEWEST = 5  # rows from which the seconds per row are worth noting
NEW = 0.3  # weight of the newest measurement
BRIEF = 2.0  # seconds for which what a run does is not worth a sign of its own
HUNG = 75  # exit status of a run that ended itself


def _end() -> None:
    """At once: a thread that hangs in native code cannot be asked."""
    os._exit(HUNG)


@dataclass(slots=True)
class Told:
    """When a run gave its last sign that Truth has. Stages of one run share it."""

    at: float = float("-inf")


class RunHeartbeat:
    """Heartbeats of a run, from a thread, for as long as the block over one stage lasts.

    `silence` and `stall` in seconds: the run counts as dead after so long without a sign, and
    ends itself after so long without an outcome. `brief`: seconds for which the last sign may stand
    though the run has gone on. `told`: what this process said at stages before. `then`: the stage
    that this process is sure to run next. Empty: none.
    """

    def __init__(
        self,
        store: Heartbeats,
        run_id: str,
        stage: str,
        clock: Clock,
        *,
        silence: float,
        stall: float,
        end: Callable[[], None] = _end,
        book: Book | None = None,
        brief: float = BRIEF,
        told: Told | None = None,
        then: str = "",
    ) -> None:
        self._store, self._name, self._stage, self._clock = store, f"{RUN}:{run_id}", stage, clock
        self._every, self._brief, self._stall, self._end = silence / 8, brief, stall, end
        self._book = book
        self._told, self._then = told or Told(), then
        self._phase = Phase.WORKING
        self._progress_at = clock()
        self._done, self._turned = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def over(self, work: StageWork) -> StageWork:
        """The same work; each outcome counts as progress."""
        return _Noted(work, self.progress)

    def progress(self) -> None:
        self._progress_at = self._clock()

    def finishing(self) -> None:
        """No more rows are claimed at this stage: what becomes due now is another run's.

        It is told from the thread, unless the stage is left a moment later.
        """
        self._phase = Phase.FINISHING
        self.progress()
        self._turned.set()

    def beat(self) -> None:
        """Give one sign. A store that does not answer is not this run's death."""
        at = self._clock()
        try:
            self._store.beat(
                self._name,
                at,
                {"stage": self._stage, "phase": self._phase, "progress_at": self._progress_at},
            )
        except Exception as error:
            log.warning("heartbeat_not_written", error=str(error))
        else:
            self._told.at = at

    def watch(self) -> None:
        """End the process where it has hung."""
        quiet = self._clock() - self._progress_at
        if quiet > self._stall:
            log.error("run_hangs", stage=self._stage, seconds=round(quiet))
            self._end()

    def __enter__(self) -> RunHeartbeat:
        if self._just_told():
            self._turned.set()  # the thread tells it, unless the stage is left a moment later
        else:
            self.beat()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._turned.set()
        self._thread.join()
        goes_on = bool(self._then) and error is None
        if self._book is not None:
            self._book.leave(goes_on)
        self._phase = Phase.LEFT
        self.progress()
        if not (goes_on and self._just_told()):
            self.beat()

    def _just_told(self) -> bool:
        return 0 <= self._clock() - self._told.at < self._brief

    def _run(self) -> None:
        while not self._done.is_set():
            if self._turned.wait(self._every):
                if self._done.wait(self._brief):
                    return
                self._turned.clear()
            self.watch()
            self.beat()
            if self._book is not None:
                self._book.write()


class _Noted:
    def __init__(self, work: StageWork, note: Callable[[], None]) -> None:
        self.stage = work.stage
        self._work, self._note = work, note

    @property
    def load_seconds(self) -> float:
        return self._work.load_seconds

    def prepare(self) -> None:
        self._work.prepare()
        self._note()

    def work(self, claims: Sequence[Claim]) -> Iterator[tuple[Claim, Outcome]]:
        for outcome in self._work.work(claims):
            self._note()
            yield outcome


def note_pace(store: Measurements, stage: str, tally: Tally, now: float) -> None:
    """Record how long a row takes at a stage, so that runs get as many as fit their time."""
    if tally.rows < FEWEST:
        return
    fresh = (tally.image_seconds + tally.commit_seconds) / tally.rows
    known = store.paces().get(stage)
    if known is not None:
        fresh = NEW * fresh + (1 - NEW) * known.seconds_per_row
    store.note_pace(
        StagePace(stage=stage, seconds_per_row=round(fresh, 6), rows=tally.rows, at=now)
    )
