"""The manners of a table's stream: places in it expire, and its records are trimmed."""

from __future__ import annotations

import json
from typing import Any

from tests.support.aws_manners.answers import document, hook, refused, send
from tests.support.aws_manners.chance import Chance
from tests.support.clock import Clock

ITERATOR, RECORD = 15 * 60.0, 24 * 3600.0  # seconds


class StreamManners:
    """A stream under the clock of a test, for every client that follows.

    - A shard iterator expires 15 minutes after it was given: `ExpiredIteratorException` (API
      reference of GetShardIterator and GetRecords).
    - A record is trimmed after 24 hours: an iterator after its number is
      `TrimmedDataAccessException` (the same pages). Here a record's age counts from when it was
      first read.
    - Requests may be refused for a while: `LimitExceededException` (GetRecords).

    "Each stream record appears exactly once in the stream" and in the order of its item's changes
    (guide: Streams), so nothing is repeated here.
    """

    def __init__(self, clock: Clock, chance: Chance) -> None:
        self._clock, self._chance = clock, chance
        self._given: dict[str, float] = {}
        self._read_at: dict[str, float] = {}

    def follow(self, client: Any) -> None:
        hook(client, lambda operation, request: self._serve(client, operation, request))

    def _serve(self, client: Any, operation: str, request: Any) -> Any:
        asked = document(request)
        now = self._clock()
        if operation == "GetShardIterator":
            number = asked.get("SequenceNumber", "")
            if now - self._read_at.get(number, now) > RECORD:
                return refused(request, "TrimmedDataAccessException")
        elif operation == "GetRecords":
            if now - self._given.get(asked["ShardIterator"], now) > ITERATOR:
                return refused(request, "ExpiredIteratorException")
            if self._chance.happens("stream throttled"):
                return refused(request, "LimitExceededException")
        else:
            return None
        answered = send(client, request)
        if answered.status_code == 200:
            self._note(json.loads(answered.content), now)
        return answered

    def _note(self, found: dict[str, Any], now: float) -> None:
        for given in (found.get("ShardIterator"), found.get("NextShardIterator")):
            if given:
                self._given[given] = now
        for record in found.get("Records", ()):
            self._read_at.setdefault(record["dynamodb"]["SequenceNumber"], now)
