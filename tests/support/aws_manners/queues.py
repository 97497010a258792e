"""The manners of a standard queue: late, twice, in any order, and fewer than there are."""

from __future__ import annotations

import json
from typing import Any

from tests.support.aws_manners.answers import document, hook, refused, said, send
from tests.support.aws_manners.chance import Chance
from tests.support.clock import Clock


class QueueManners:
    """Queues of SQS under the clock of a test, for every client that follows.

    - A message may come more than once, also after it was deleted, and out of order (developer
      guide: standard-queues, standard-queues-at-least-once-delivery). S3 itself sends an event "at
      least once", typically within seconds and sometimes after "a minute or longer" (S3 user guide:
      EventNotifications), and in no order: that is modelled here too, as late and doubled messages.
    - A short poll asks some of the servers: it may find fewer messages than there are, or none
      (developer guide: sqs-short-and-long-polling; SDK guide: examples-sqs-long-polling).
    - Requests fail: 500 `InternalFailure`, throttled `RequestThrottled` (API reference: common
      errors, from memory).

    A message that comes late is held here, so moto's own visibility timeout runs meanwhile on the
    real clock: keep tests shorter than it. Counts of messages are moto's and include what is held.
    """

    def __init__(self, clock: Clock, chance: Chance, latest: float = 90.0) -> None:
        self._clock, self._chance, self._latest = clock, chance, latest
        self._held: dict[str, list[tuple[float, dict[str, Any]]]] = {}

    def follow(self, client: Any) -> None:
        hook(client, lambda operation, request: self._serve(client, operation, request))

    def _serve(self, client: Any, operation: str, request: Any) -> Any:
        if self._chance.happens("queue failed", operation):
            return refused(request, "InternalFailure", 500)
        if operation != "ReceiveMessage":
            return None
        asked = document(request)
        queue, most = asked["QueueUrl"], asked.get("MaxNumberOfMessages", 1)
        held = self._held.setdefault(queue, [])
        if not held or asked.get("WaitTimeSeconds", 0) == 0:
            answered = send(client, request)
            if answered.status_code != 200:
                return answered
            for message in json.loads(answered.content).get("Messages", []):
                self._arrived(held, message)
        due = [one for one in held if one[0] <= self._clock()]
        if due and self._chance.happens("queue seems empty", queue):
            return said(request, {})
        self._chance.rng.shuffle(due)
        given = due[:most]
        for one in given:
            held.remove(one)
        return said(request, {"Messages": [message for _, message in given]} if given else {})

    def _arrived(self, held: list[tuple[float, dict[str, Any]]], message: dict[str, Any]) -> None:
        late = self._chance.happens("message late")
        held.append((self._clock() + (self._delay() if late else 0.0), message))
        if self._chance.happens("message twice"):
            held.append((self._clock() + self._delay(), message))

    def _delay(self) -> float:
        return self._chance.between(1.0, self._latest)

    def waiting(self) -> int:
        """Messages that were taken from the queue and not given to anybody yet."""
        return sum(map(len, self._held.values()))
