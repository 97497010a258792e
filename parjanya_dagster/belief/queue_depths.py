"""What lanes' queues are believed to hold, beside Dagster's runs.

A message is to the reconciler what a queued run is, and the worker that has it is its process. A
queue cannot be read without taking from it. So what was sent is noted, and the queue's approximate
counts tell when that has been lost: then the rows are still due in Truth, and are asked for again.
Notes and counts are Belief. Losing them costs messages that find nothing to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from parjanya_dagster.belief.snapshot import Belief, LiveRun, RunState, Seen
from parjanya_dagster.belief.tags import RUN, SENT
from parjanya_dagster.errors import (
    BeliefUnreadable,
    CloudUnavailable,
    MessageUnreadable,
    QueueMissing,
)
from parjanya_dagster.lanes import Lane
from parjanya_dagster.queues.assignments import Assignment, read
from parjanya_dagster.queues.messages import Queue, QueueState
from parjanya_dagster.truth.store import Store

DOUBT = 3600.0  # seconds after which fewer messages than were sent means that some are lost
STRANGERS = 100  # messages that nobody noted, and that count against the backlog guard


@dataclass(frozen=True)
class QueuedLanes:
    """See `belief.snapshot.Belief`: Dagster's, and that of these lanes' queues."""

    inner: Belief
    store: Store
    queues: Mapping[str, Queue]  # by lane
    lanes: Sequence[Lane]

    def read(self, now: float) -> Seen:
        seen = self.inner.read(now)
        if not self.queues:
            return seen
        sent = notes(self.store)
        working = {name.partition(":")[2] for name in self.store.heartbeats(RUN)}
        runs = list(seen.runs)
        for lane in self.lanes:
            if lane.name in self.queues:
                ours = {one.id: (one, at) for one, at in sent if one.lane == lane.name}
                runs += _believed(lane, ours, working, self._state(lane.name), now)
        return replace(seen, runs=tuple(runs))

    def expire(self, run_id: str, reason: str) -> bool:
        """A worker that is silent has not deleted its message, so that waits in the queue again."""
        name = f"{SENT}:{run_id}"
        known = self.store.heartbeats(SENT).get(name)
        if known is None:
            return self.inner.expire(run_id, reason)
        pulse = f"{RUN}:{run_id}"
        if pulse in self.store.heartbeats(RUN):
            self.store.forget([pulse])
        else:
            self.store.forget([name])
        return True

    def _state(self, lane: str) -> QueueState:
        """Raises BeliefUnreadable."""
        queue = self.queues[lane]
        try:
            return queue.state()
        except QueueMissing:
            return QueueState(queue.name, 0, 0, 0.0)  # it is made when there is a message to send
        except CloudUnavailable as error:
            raise BeliefUnreadable(
                f"The queue of the lane {lane} cannot be read, so nothing may be concluded from "
                f"it. {error}"
            ) from error


def notes(store: Store) -> list[tuple[Assignment, float]]:
    """What was sent and not yet done, and when."""
    found = []
    for beat in store.heartbeats(SENT).values():
        try:
            found.append((read(dict(beat.payload)), beat.at))
        except MessageUnreadable:  # of another version: its rows are asked for again
            continue
    return found


def _believed(
    lane: Lane,
    sent: Mapping[str, tuple[Assignment, float]],
    working: set[str],
    state: QueueState,
    now: float,
) -> list[LiveRun]:
    waiting = [one for one in sent if one not in working]
    runs = []
    for one, (assignment, at) in sent.items():
        if one in working:
            how = RunState.STARTED
        elif _lost(at, len(waiting), state, now):
            how = RunState.CREATED  # and that it never reached a queue is soon known for sure
        else:
            how = RunState.QUEUED
        runs.append(_run(lane, assignment, how, at))
    strangers = min(STRANGERS, state.waiting - len(waiting))
    for number in range(max(0, strangers)):
        stranger = Assignment(f"{state.name}:{number}", lane.name, lane.stages, ())
        runs.append(_run(lane, stranger, RunState.QUEUED, now))
    return runs


def _lost(at: float, waiting: int, state: QueueState, now: float) -> bool:
    if state.messages == 0:
        return True
    return now - at > DOUBT and state.messages < waiting


def _run(lane: Lane, one: Assignment, how: RunState, since: float) -> LiveRun:
    return LiveRun(
        run_id=one.id,
        job=lane.job,
        state=how,
        keys=one.batches,
        stages=one.stages,
        since=since,
        requested=True,
        regrade=one.regrade,
    )
