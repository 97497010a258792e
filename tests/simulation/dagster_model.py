"""A small honest model of Dagster: what the reconciler may lean on, and all that goes wrong.

It has a partition list in insertion order, run keys that are never run twice, a queue with
priorities, launches that get stuck, processes that die unseen, and storage that can be wiped.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from parjanya_dagster.belief.snapshot import EndedRun, FailedRun, LiveRun, RunState, Seen
from parjanya_dagster.errors import BeliefUnreadable
from parjanya_dagster.intent.loop import Emission
from parjanya_dagster.intent.plan import Request
from tests.simulation.worker import Worker

RECENT, JUST_NOW = 3600.0, 600.0


@dataclass
class Run:
    """A run as Dagster's storage has it."""

    run_id: str
    request: Request
    state: RunState
    since: float
    process: Worker | None = None
    ended: str | None = None  # success, failure
    ended_at: float = 0.0

    @property
    def live(self) -> bool:
        return self.ended is None


@dataclass
class DagsterModel:
    """Implements `belief.snapshot.Belief`, and plays the daemon and the launcher."""

    clock: Callable[[], float]
    keys: list[str] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    run_keys: set[str] = field(default_factory=set)
    processes: list[Worker] = field(default_factory=list)  # of runs that are forgotten too
    readable: bool = True
    _ids: itertools.count[int] = field(default_factory=itertools.count)

    # --- Belief ---

    def read(self, now: float) -> Seen:
        if not self.readable:
            raise BeliefUnreadable
        return Seen(
            keys=tuple(self.keys),
            runs=tuple(
                LiveRun(
                    run_id=run.run_id,
                    job=run.request.lane.job,
                    state=run.state,
                    keys=self.range_of(run),
                    stages=run.request.stages,
                    since=run.since,
                    requested=True,
                    regrade=run.request.regrade,
                    light=bool(run.request.light),
                )
                for run in self.runs.values()
                if run.live
            ),
            failed=tuple(
                FailedRun(
                    run_id=run.run_id,
                    job=run.request.lane.job,
                    keys=self.range_of(run),
                    at=run.ended_at,
                )
                for run in self.runs.values()
                if run.ended == "failure" and now - run.ended_at < RECENT
            ),
            succeeded=tuple(
                EndedRun(
                    run_id=run.run_id,
                    job=run.request.lane.job,
                    keys=self.range_of(run),
                    at=run.ended_at,
                )
                for run in self.runs.values()
                if run.ended == "success" and now - run.ended_at < JUST_NOW
            ),
        )

    def expire(self, run_id: str, reason: str) -> bool:
        run = self.runs.get(run_id)
        if run is None or not run.live:
            return False
        self._end(run, "failure")
        return True

    def range_of(self, run: Run) -> tuple[str, ...]:
        first, last = run.request.keys[0], run.request.keys[-1]
        if first in self.keys and last in self.keys:
            a, b = self.keys.index(first), self.keys.index(last)
            if a <= b:
                return tuple(self.keys[a : b + 1])
        return (first, last)

    # --- the daemon ---

    def apply(self, emission: Emission, upto: int | None = None, *, enqueue: bool = True) -> None:
        """Create the runs that were asked for; the daemon may die after `upto` of them."""
        for request in emission.runs[:upto]:
            if request.run_key in self.run_keys:
                continue  # without a word
            self.run_keys.add(request.run_key)
            run_id = f"run-{next(self._ids)}"
            state = RunState.QUEUED if enqueue else RunState.CREATED
            self.runs[run_id] = Run(run_id, request, state, self.clock())

    def add(self, keys: Iterable[str]) -> None:
        self.keys += [key for key in keys if key not in self.keys]

    def launch(self, at_once: int = 3, per_share: int | None = None) -> Run | None:
        """Take the next run out of the queue, if there is room: it is then starting.

        `per_share`: so many runs of each share may run at once.
        """
        busy = [run for run in self.runs.values() if run.live and run.state in _RUNNING]
        queued = self.queued()
        if per_share is not None:
            taken = Counter(_share(run) for run in busy)
            queued = [run for run in queued if taken[_share(run)] < per_share]
        if len(busy) >= at_once or not queued:
            return None
        run = max(queued, key=lambda run: (run.request.priority, -int(run.run_id[4:])))
        run.state, run.since = RunState.STARTING, self.clock()
        return run

    def start(self, run: Run) -> None:
        """The run's process begins. It fails at once where its partitions are not known."""
        run.state, run.since = RunState.STARTED, self.clock()
        ends = (run.request.keys[0], run.request.keys[-1])
        keys = self.range_of(run)
        if not set(ends) <= set(self.keys) or keys[0] != ends[0]:
            self._end(run, "failure")
            return
        run.process = Worker(run.run_id, keys, run.request.stages, most=run.request.most)
        self.processes.append(run.process)

    def finished(self, process: Worker) -> None:
        run = self.runs.get(process.run_id)
        if run is not None and run.live:
            self._end(run, "success")

    def died(self, process: Worker, *, noticed: bool) -> None:
        """A process is gone. While its code server lives, Dagster notices; otherwise not."""
        process.alive = False
        run = self.runs.get(process.run_id)
        if noticed and run is not None and run.live:
            self._end(run, "failure")

    def _end(self, run: Run, how: str) -> None:
        run.ended, run.ended_at = how, self.clock()

    # --- disasters ---

    def wipe_runs(self) -> None:
        self.runs.clear()
        self.run_keys.clear()

    def wipe_keys(self) -> None:
        self.keys.clear()

    @property
    def starting(self) -> list[Run]:
        return [run for run in self.runs.values() if run.live and run.state is RunState.STARTING]

    def queued(self) -> list[Run]:
        return [run for run in self.runs.values() if run.live and run.state is RunState.QUEUED]

    @property
    def waiting(self) -> int:
        return sum(run.live and run.state in _WAITING for run in self.runs.values())


def _share(run: Run) -> tuple[str, bool, bool]:
    return run.request.lane.name, run.request.regrade, run.request.light > 0


_RUNNING = (RunState.STARTING, RunState.STARTED)
_WAITING = (RunState.CREATED, RunState.QUEUED, RunState.STARTING)
