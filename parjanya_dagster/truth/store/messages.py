"""What was sent to the queues of lanes and is not done: a queue cannot be asked."""

from __future__ import annotations

from typing import Protocol

from parjanya_dagster.truth.records import SentMessage


class Messages(Protocol):
    """Sent messages. Whoever takes one that nobody noted changes nothing here."""

    def message_sent(self, message: SentMessage) -> None:
        """The message lies in its queue."""

    def message_taken(self, message_id: str, now: float) -> None:
        """A worker has the message."""

    def message_returned(self, message_id: str) -> None:
        """No worker has it any more, and it is not done: it waits in its queue again."""

    def message_done(self, message_id: str) -> None:
        """It asks for nothing more: it was deleted from its queue, or is lost."""

    def messages(self) -> list[SentMessage]:
        """Messages that are not done, the oldest first."""
