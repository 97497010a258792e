"""Whether queues keep messages for the longest time that nobody may read them."""

from __future__ import annotations

from collections.abc import Mapping

from parjanya_dagster.errors import CloudUnavailable, QueueMissing, SettingsInvalid
from parjanya_dagster.queues.messages import Queue


def require_retention(role: str, queue: Queue, dormancy: float) -> None:
    """Raise SettingsInvalid if a queue keeps messages for less than `dormancy` seconds.

    A queue that does not exist passes, because it will be made with the longest retention. Raises
    CloudUnavailable if the queue does not answer.
    """
    try:
        retention = queue.state().retention
    except QueueMissing:
        return
    if retention < dormancy:
        raise SettingsInvalid(
            f"The queue {queue.name} ({role}) keeps messages for {retention / 3600:.0f} h, "
            f"less than PARJANYA_ARRIVALS__LONGEST_DORMANCY_HOURS ({dormancy / 3600:.0f}). Set its "
            "MessageRetentionPeriod to 1209600."
        )


def check_retention(queues: Mapping[str, Queue], dormancy: float) -> list[CloudUnavailable]:
    """Check queues by their roles. Returns the errors of those that did not answer.

    A queue that does not answer does not stop the start: the sweep finds what its messages would
    have told, and the doctor names the queue. Raises SettingsInvalid as `require_retention` does.
    """
    unanswered = []
    for role, queue in queues.items():
        try:
            require_retention(role, queue, dormancy)
        except CloudUnavailable as error:
            unanswered.append(error)
    return unanswered
