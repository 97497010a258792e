"""A queue under a clock that is a number. `unit/aws/test_queues.py` holds it to SQS's ways."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from parjanya_dagster.errors import CloudDenied, QueueMissing
from parjanya_dagster.queues.messages import Message, QueueState

DAYS_4 = 4 * 86_400.0


@dataclass
class _Stored:
    body: str
    sent_at: float
    visible_at: float
    received: int = 0
    handle: str = ""


@dataclass
class QueueModel:
    """See `aws.messages.Queue`."""

    clock: Callable[[], float]
    name: str = "model"
    retention: float = DAYS_4
    visibility: float = 30.0
    exists: bool = True
    denied: set[str] = field(default_factory=set)  # names of methods
    stored: list[_Stored] = field(default_factory=list)
    _handles: itertools.count[int] = field(default_factory=itertools.count)

    def receive(self, most: int, wait: float) -> list[Message]:
        self._check("receive")
        now = self.clock()
        found = []
        for one in [one for one in self.stored if one.visible_at <= now][:most]:
            one.visible_at = now + self.visibility
            one.received += 1
            one.handle = str(next(self._handles))
            found.append(Message(one.body, one.handle, one.received))
        return found

    def delete(self, messages: Sequence[Message]) -> None:
        self._check("delete")
        handles = {message.handle for message in messages}
        self.stored = [one for one in self.stored if one.handle not in handles]

    def hide(self, message: Message, seconds: float) -> None:
        self._check("hide")
        for one in self.stored:
            if one.handle == message.handle:
                one.visible_at = self.clock() + seconds

    def send(self, body: str, reason: str = "") -> None:
        self._check("send")
        self.stored.append(_Stored(body, self.clock(), self.clock()))

    def state(self) -> QueueState:
        self._check("state")
        hidden = sum(one.visible_at > self.clock() for one in self.stored)
        return QueueState(self.name, len(self.stored) - hidden, hidden, self.retention)

    def create(self) -> None:
        self.exists, self.retention = True, 14 * 86_400.0

    # --- disasters ---

    def purge(self) -> None:
        self.stored.clear()

    def drop(self) -> None:
        """Somebody deletes the queue."""
        self.purge()
        self.exists = False

    def _check(self, call: str) -> None:
        if not self.exists:
            raise QueueMissing(f"There is no queue {self.name}.")
        if call in self.denied:
            raise CloudDenied(f"{call} on the queue {self.name} is denied: grant it.")
        now = self.clock()
        self.stored = [one for one in self.stored if now - one.sent_at <= self.retention]
