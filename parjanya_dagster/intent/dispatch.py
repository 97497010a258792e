"""Intent into a lane's queue, in place of a Dagster run.

The message first, its note second: dying in between costs a message that finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from parjanya_dagster.errors import QueueMissing
from parjanya_dagster.intent.plan import Request
from parjanya_dagster.queues.assignments import Assignment
from parjanya_dagster.queues.messages import Queue
from parjanya_dagster.truth.records import SentMessage
from parjanya_dagster.truth.store import Messages

log = structlog.get_logger(__name__)


def send(store: Messages, queue: Queue, request: Request, clock: Callable[[], float]) -> Assignment:
    """Send one message. A queue that is gone is made again. Raises CloudUnavailable."""
    assignment = Assignment(
        request.run_key, request.lane.name, request.stages, request.keys, request.regrade
    )
    try:
        queue.send(assignment.body())
    except QueueMissing:
        log.error("queue_made_again", queue=queue.name)
        queue.create()
        queue.send(assignment.body())
    store.message_sent(
        SentMessage(
            message_id=assignment.id,
            lane=assignment.lane,
            stages=assignment.stages,
            batches=assignment.batches,
            regrade=assignment.regrade,
            sent_at=clock(),
        )
    )
    return assignment
