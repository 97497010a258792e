"""Messages and queues as the platform sees them. Imports no boto3, so any room may use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

DEAD_LETTERS = "dead letters"  # the role of the queue for messages that nobody could use


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was received. It is hidden from other receivers for a while."""

    body: str
    handle: str  # of this receipt: what deletes it or hides it for longer
    received: int = 1  # how often it was received, roughly


@dataclass(frozen=True, slots=True)
class QueueState:
    """What a queue reports of itself. The counts are approximate: Belief."""

    name: str
    waiting: int  # messages that can be received, or soon can
    hidden: int  # received, neither deleted nor visible again
    retention: float  # seconds after which a message is gone
    receives: int | None = None  # after so many receipts it goes to the dead letters
    delay: int = 0  # messages that are not to be received yet

    @property
    def messages(self) -> int:
        return self.waiting + self.hidden + self.delay


class Queue(Protocol):
    """A queue. Methods raise CloudUnavailable; QueueMissing where there is no such queue."""

    @property
    def name(self) -> str: ...

    def receive(self, most: int, wait: float) -> list[Message]:
        """Up to `most` (at most ten) messages, after waiting up to `wait` seconds for the first."""

    def delete(self, messages: Sequence[Message]) -> None: ...

    def hide(self, message: Message, seconds: float) -> None:
        """Hide a message from others for so many seconds from now."""

    def send(self, body: str, reason: str = "") -> None: ...

    def state(self) -> QueueState: ...

    def create(self) -> None:
        """Create the queue if there is none."""
