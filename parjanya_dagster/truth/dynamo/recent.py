"""What this process wrote lately of rows: the index of work follows a moment later.

Whoever did a stage asks for the next one at once. By the index alone it would find nothing, end,
and leave the rest to another run. So its own writes stand in for the index until it has followed.
They name candidates, as the index does: rows are read by key and checked before they are taken.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from parjanya_dagster.truth.dynamo import keys
from parjanya_dagster.truth.dynamo.wire import Put, Write

KEPT = 5.0  # seconds: DynamoDB says that an index follows within a fraction of one
ROW = "row"  # the sort key of rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the index of work will list a row."""

    image_id: str
    line: str  # empty: nowhere
    due_at: float
    noted: float


class Recent:
    """The last places of rows. Threads may share it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._places: dict[str, Place] = {}  # by image id, the oldest note first
        self._lock = threading.Lock()
        self.taken = 0  # leases that this process took

    def __len__(self) -> int:
        return len(self._places)

    def note(self, writes: Sequence[Write]) -> None:
        """Remember rows that were written whole."""
        now = self.clock()
        with self._lock:
            for put in writes:
                if isinstance(put, Put) and put.key[1] == ROW:
                    place = _place(put, now)
                    self.taken += "lease_pk" in put.item
                    self._places.pop(place.image_id, None)  # the newest note is the last
                    self._places[place.image_id] = place
            for image_id in [each.image_id for each in _while_old(self._places.values(), now)]:
                del self._places[image_id]

    def due(self, line: str, now: float) -> list[str]:
        """Rows that were put into a line of the index, and may be claimed."""
        with self._lock:
            return [
                place.image_id
                for place in self._places.values()
                if place.line == line and place.due_at <= now
            ]


def _while_old(places: Iterable[Place], now: float) -> Iterator[Place]:
    for place in places:
        if now - place.noted < KEPT:
            return
        yield place


def _place(put: Put, now: float) -> Place:
    line, due_at = "", float("inf")
    if "queue_sk" in put.item:
        line, due_at = keys.waits(str(put.item["queue_sk"]["S"]))
    return Place(
        image_id=put.key[0].partition("#")[2],
        line=line,
        due_at=due_at,
        noted=now,
    )
