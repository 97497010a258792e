"""What the queues of lanes are believed to hold, beside Dagster's runs.

To the reconciler a message is like a queued run, and the worker that took it is like the run's
process. A queue cannot be read without taking from it, so sent and taken messages are recorded. The
queue's approximate counts show when messages were lost. Their rows are still due in Truth, and are
asked for again. Records and counts may be wrong: that costs messages that find nothing to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from parjanya_dagster.belief.snapshot import Belief, LiveRun, RunState, Seen
from parjanya_dagster.belief.tags import RUN
from parjanya_dagster.errors import BeliefUnreadable, CloudUnavailable, QueueMissing
from parjanya_dagster.lanes import Lane
from parjanya_dagster.queues.messages import Queue, QueueState
from parjanya_dagster.truth.records import SentMessage
from parjanya_dagster.truth.store import Store

DOUBT = 3600.0  # seconds after which fewer messages than were sent means that some are lost
STRANGERS = 100  # the most messages without a record that count against the backlog guard


@dataclass(frozen=True)
class QueuedLanes:
    """See `belief.snapshot.Belief`: the runs of Dagster, and the messages of these lanes."""

    inner: Belief
    store: Store
    queues: Mapping[str, Queue]  # by lane
    lanes: Sequence[Lane]

    def read(self, now: float) -> Seen:
        seen = self.inner.read(now)
        if not self.queues:
            return seen
        sent = self.store.messages()
        runs = list(seen.runs)
        for lane in self.lanes:
            if lane.name in self.queues:
                ours = [message for message in sent if message.lane == lane.name]
                runs += _believed(lane, ours, self._state(lane.name), now)
        return replace(seen, runs=tuple(runs))

    def expire(self, run_id: str, reason: str) -> bool:
        """A silent worker has not deleted its message, so the message waits in the queue again."""
        known = {message.message_id: message for message in self.store.messages()}.get(run_id)
        if known is None:
            return self.inner.expire(run_id, reason)
        if known.taken_at is None:
            self.store.message_done(run_id)
        else:
            self.store.message_returned(run_id)
            self.store.forget([f"{RUN}:{run_id}"])
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


def _believed(
    lane: Lane, sent: Sequence[SentMessage], state: QueueState, now: float
) -> list[LiveRun]:
    waiting = sum(message.taken_at is None for message in sent)
    runs = []
    for message in sent:
        if message.taken_at is not None:
            runs.append(_run(lane, message, RunState.STARTED, message.taken_at))
        elif _lost(message.sent_at, waiting, state, now):
            # A run that stays CREATED is soon taken for dead, and its rows are asked for again.
            runs.append(_run(lane, message, RunState.CREATED, message.sent_at))
        else:
            runs.append(_run(lane, message, RunState.QUEUED, message.sent_at))
    strangers = min(STRANGERS, state.waiting - waiting)
    for number in range(max(0, strangers)):
        runs.append(
            LiveRun(
                run_id=f"{state.name}:{number}",
                job=lane.job,
                state=RunState.QUEUED,
                keys=(),
                stages=lane.stages,
                since=now,
                requested=True,
            )
        )
    return runs


def _lost(at: float, waiting: int, state: QueueState, now: float) -> bool:
    if state.messages == 0:
        return True
    return now - at > DOUBT and state.messages < waiting


def _run(lane: Lane, message: SentMessage, how: RunState, since: float) -> LiveRun:
    return LiveRun(
        run_id=message.message_id,
        job=lane.job,
        state=how,
        keys=message.batches,
        stages=message.stages,
        since=since,
        requested=True,
        regrade=message.regrade,
    )
