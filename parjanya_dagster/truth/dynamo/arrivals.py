"""Registration: arrivals become rows, appended to the open batch of their tenant.

Each transaction expects the open batch, and the present version of each key, to be as they were
read. Of two at the same time, one fails and reads again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from parjanya_dagster.errors import TruthUnavailable, UnknownTenant
from parjanya_dagster.truth import transitions
from parjanya_dagster.truth.dynamo import changes, codec, keys
from parjanya_dagster.truth.dynamo.base import ROUNDS, Base
from parjanya_dagster.truth.dynamo.changes import Stored, Writing
from parjanya_dagster.truth.dynamo.codec import Item
from parjanya_dagster.truth.dynamo.keys import Key
from parjanya_dagster.truth.dynamo.wire import ABSENT, MOST_WRITES, Add, Put, Write
from parjanya_dagster.truth.models import (
    DELETED,
    PRESENT,
    Arrival,
    ImageRow,
    Registered,
    batch_key,
    parse_batch,
)
from parjanya_dagster.truth.registration import new_row, require_storable, settle, settled

CHUNK = 20  # arrivals per transaction, where that fits


@dataclass
class _Places:
    """Batches with room, and how many images go into each."""

    taken: dict[str, int] = field(default_factory=dict)
    open: str = ""  # the batch that was open
    filled: int = 0  # images in it
    serial: int = 0  # of the first new batch


class Registration(Base):
    """The part of the store that registers arrivals."""

    def register(self, arrivals: Sequence[Arrival], now: float) -> list[Registered]:
        require_storable(arrivals)
        by_tenant: dict[str, dict[str, Arrival]] = defaultdict(dict)
        for arrival in arrivals:
            by_tenant[arrival.tenant][arrival.image_id] = arrival
        registered: list[Registered] = []
        for tenant, theirs in by_tenant.items():
            if self.wire.get(keys.tenant(tenant)) is None:
                raise UnknownTenant(f"There is no tenant {tenant!r}.")
            ordered = sorted(
                theirs.values(), key=lambda arrival: (arrival.landed_at, arrival.image_id)
            )
            for start in range(0, len(ordered), CHUNK):
                registered += self._register(tenant, ordered[start : start + CHUNK], now)
        return registered

    def _register(self, tenant: str, arrivals: Sequence[Arrival], now: float) -> list[Registered]:
        for _ in range(ROUNDS):
            writes, result = self._registration(tenant, arrivals, now)
            if len(writes) > MOST_WRITES:
                half = len(arrivals) // 2
                return self._register(tenant, arrivals[:half], now) + self._register(
                    tenant, arrivals[half:], now
                )
            if not writes or not self.wire.transact(writes):
                return result
        raise TruthUnavailable(f"Others register images of {tenant!r} all the time.")

    def _registration(
        self, tenant: str, arrivals: Sequence[Arrival], now: float
    ) -> tuple[list[Write], list[Registered]]:
        """The writes of registering these, all for one transaction, and the results."""
        stored = self._read(arrival.image_id for arrival in arrivals)
        known = [arrival for arrival in arrivals if arrival.image_id in stored]
        new = [arrival for arrival in arrivals if arrival.image_id not in stored]
        back = [arrival for arrival in known if not settled(stored[arrival.image_id].row)]
        result = [
            Registered(arrival.image_id, stored[arrival.image_id].row.batch, created=False)
            for arrival in known
        ]
        pointers = self.wire.get_all(
            keys.present(arrival.bucket, arrival.key) for arrival in new + back
        )
        pointed_at = {codec.text(item, "image_id") for item in pointers.values()}
        stored |= self._read(pointed_at - stored.keys())
        wanted = {arrival.image_id for arrival in back} | {
            image_id for image_id in pointed_at if stored[image_id].row.object_state == PRESENT
        }
        versions = [stored[image_id].row for image_id in sorted(wanted)]
        places = self._places(
            tenant, datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d"), len(new)
        )
        each = (batch for batch, taken in places.taken.items() for _ in range(taken))
        rows = [new_row(arrival, batch, now) for batch, arrival in zip(each, new, strict=True)]
        landed = {arrival.image_id: arrival.landed_at for arrival in new + back}
        settling = {
            change.event.image_id: change for change in settle([*versions, *rows], landed, now)
        }
        writings = [_inserting(row, settling.pop(row.image_id, None)) for row in rows]
        writings += [
            changes.change(stored[image_id], change) for image_id, change in settling.items()
        ]
        after = {row.image_id: row for row in [*versions, *rows]}
        writes: list[Write] = [write for writing in writings for write in writing.writes]
        writes += _pointing(after, writings, pointers)
        writes += _counting(writings, places)
        result += [Registered(row.image_id, row.batch, created=True) for row in rows]
        return writes, result

    def _places(self, tenant: str, day: str, count: int) -> _Places:
        """Batches of the day with room for `count` images. Opens new ones as they fill."""
        places = _Places()
        if not count:
            return places
        pk, _ = keys.batch(batch_key(tenant, day, 1))
        number, room = 0, 0
        for latest in self.wire.query(pk, ("begins", f"batch#{day}#"), most=1, backwards=True):
            places.open, places.filled = (
                codec.text(latest, "batch"),
                codec.number(latest, "registered"),
            )
            number, room = codec.number(latest, "number"), self.batch_size - places.filled
        last = next(self.wire.query("batches", most=1, backwards=True), None)
        places.serial = (int(codec.text(last, "sk")) if last else 0) + 1
        while count:
            if room <= 0:
                number, room = number + 1, self.batch_size
            taken = min(count, room)
            places.taken[batch_key(tenant, day, number)] = taken
            count, room = count - taken, room - taken
        return places

    def depart(self, image_ids: Sequence[str], now: float, reason: str) -> int:
        def decide(stored: Stored) -> Writing | None:
            if stored.row.object_state != PRESENT:
                return None
            return changes.change(
                stored, transitions.leave_bucket(stored.row, DELETED, now, reason)
            )

        return len(self._change(image_ids, decide))

    def known(self, image_ids: Iterable[str]) -> set[str]:
        return {
            image_id for image_id, stored in self._read(image_ids).items() if settled(stored.row)
        }


def _inserting(row: ImageRow, change: transitions.Change | None) -> Writing:
    """A new row. If a newer version is there already, the row has left its bucket at once."""
    first = transitions.registered(row, "arrived")
    if change is None:
        return changes.insert(row, [first])
    return changes.insert(changes.changed(row, change), [first, change.event])


def _pointing(
    before: dict[str, ImageRow], writings: Sequence[Writing], pointers: dict[Key, Item]
) -> list[Write]:
    """Pointers of all touched keys at their present version."""
    writes: list[Write] = []
    touched: dict[Key, str | None] = {}
    for writing in writings:
        row = before[writing.image_id]
        key = keys.present(row.bucket, row.key)
        item: Any = getattr(writing.writes[0], "item", {})
        touched.setdefault(key, None)
        if codec.text(item, "object_state") == PRESENT:
            touched[key] = row.image_id
    for key, present in touched.items():
        there = pointers.get(key)
        revision = codec.number(there, "revision") if there else 0
        if present is None:  # cannot be: of each key the last to land is present
            continue
        pointer = codec.attributes({"image_id": present, "revision": revision + 1})
        writes.append(Put(key, pointer, {"revision": revision} if there else ABSENT))
    return writes


def _counting(writings: Sequence[Writing], places: _Places) -> list[Write]:
    """What is added to counters and batches. New batches are written whole."""
    counts = changes.total(writings)
    writes: list[Write] = []
    serial = places.serial
    for batch, taken in places.taken.items():
        more = dict(counts.pop(keys.batch(batch), {}))
        if batch == places.open:
            numbers = {**more, "registered": taken}
            expect = {"registered": places.filled}
            writes.append(Add(keys.batch(batch), numbers, changes.stale(more), expect))
            continue
        tenant, day, number = parse_batch(batch)
        whole = {"batch": batch, "tenant": tenant, "day": day, "number": number, "serial": serial}
        tally = {"registered": taken, "decided": more.get("decided", 0), "manifest": 0}
        item = codec.attributes({**whole, **tally}) | changes.stale(more)
        writes.append(Put(keys.batch(batch), item, ABSENT))
        writes.append(Put(keys.serial(serial), codec.attributes({"batch": batch}), ABSENT))
        serial += 1
    return [*writes, *changes.adds(counts)]
