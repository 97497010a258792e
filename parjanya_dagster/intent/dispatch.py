"""Dispatch: intent as a message in a lane's queue, in place of a Dagster run.

The message is sent first and noted second. A death in between costs one message that finds nothing
to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from parjanya_dagster.belief import blind_loops
from parjanya_dagster.errors import CloudUnavailable, QueueMissing
from parjanya_dagster.intent.plan import Request
from parjanya_dagster.lines import get_logger
from parjanya_dagster.queues.assignments import Assignment
from parjanya_dagster.queues.messages import Queue
from parjanya_dagster.truth.records import SentMessage
from parjanya_dagster.truth.store import Store

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Sends requests of lanes that have a queue of their own."""

    store: Store
    queues: Mapping[str, Queue]  # by lane
    clock: Callable[[], float]

    def takes(self, request: Request) -> bool:
        """Whether the lane of the request works from a queue."""
        return request.lane.name in self.queues

    def send(self, requests: Sequence[Request]) -> None:
        """Send a message for each. Raises TruthUnavailable.

        A queue that takes nothing is noted, and hinders no other lane. What is not sent is asked
        for again by the next pass.
        """
        for request in requests:
            lane = request.lane.name
            try:
                with blind_loops.told_or_cleared(self.store, f"sending to {lane}", self.clock()):
                    self._send(self.queues[lane], request)
            except CloudUnavailable:
                continue

    def _send(self, queue: Queue, request: Request) -> None:
        """Send one message. A queue that is gone is made again. Raises CloudUnavailable."""
        assignment = Assignment(
            request.run_key,
            request.lane.name,
            request.stages,
            request.keys,
            request.regrade,
            request.along,
        )
        try:
            queue.send(assignment.body())
        except QueueMissing:
            log.error("queue_made_again", queue=queue.name)
            queue.create()
            queue.send(assignment.body())
        self.store.message_sent(
            SentMessage(
                message_id=assignment.id,
                lane=assignment.lane,
                stages=assignment.stages,
                batches=assignment.batches,
                regrade=assignment.regrade,
                sent_at=self.clock(),
            )
        )
