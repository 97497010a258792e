"""Registration: arrivals become rows, appended to the open batch of their tenant.

Each transaction expects the open batch, and the present version of each key, to be as they were
read. Of two at the same time, one fails and reads again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, islice

from parjanya_dagster.errors import TruthUnavailable, UnknownTenant
from parjanya_dagster.truth import transitions
from parjanya_dagster.truth.dynamo import changes, codec, keys, pages
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
from parjanya_dagster.truth.registration import (
    inheriting,
    new_row,
    require_storable,
    settle,
    settled,
)

CHUNK = 45  # arrivals per transaction, where that fits
MOST = 50  # versions of a key that are looked at, the last first
FEW = 4  # rows read at once where the first is wanted


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
                raise UnknownTenant.named(tenant)
            ordered = sorted(
                theirs.values(), key=lambda arrival: (arrival.landed_at, arrival.image_id)
            )
            for start in range(0, len(ordered), CHUNK):
                registered += self._register(tenant, ordered[start : start + CHUNK], now)
        return registered

    def _register(self, tenant: str, arrivals: Sequence[Arrival], now: float) -> list[Registered]:
        for _ in range(ROUNDS):
            writings, more, result = self._registration(tenant, arrivals, now)
            if sum(len(one.writes) for one in writings) + len(more) > MOST_WRITES:
                half = len(arrivals) // 2
                return self._register(tenant, arrivals[:half], now) + self._register(
                    tenant, arrivals[half:], now
                )
            said = pages.write(self.wire, [entry for one in writings for entry in one.entries])
            # In a transaction it would cost twice. Without its row it says nothing, and where the
            # next try puts the row into another batch, readers see that.
            self.wire.put_all([(one.member, {}) for one in writings if one.member])
            writes = [*chain.from_iterable(changes.pointing(writings, said)), *more]
            if not writes or not self.wire.transact(writes):
                return result
        raise TruthUnavailable(f"Others register images of {tenant!r} all the time.")

    def _registration(
        self, tenant: str, arrivals: Sequence[Arrival], now: float
    ) -> tuple[list[Writing], list[Write], list[Registered]]:
        """What registering these writes, all in one transaction, and the results."""
        located = self._located(arrivals)
        seen = {located[arrival.image_id]: arrival for arrival in arrivals}
        stored = self._read(seen)
        result = [Registered(i, stored[i].row.batch, created=False) for i in seen if i in stored]
        seen = {
            image_id: arrival
            for image_id, arrival in seen.items()
            if image_id not in stored or not settled(stored[image_id].row, arrival.image_id)
        }
        new = [arrival for image_id, arrival in seen.items() if image_id not in stored]
        pointers = self.wire.get_all(
            keys.present(arrival.bucket, arrival.key) for arrival in seen.values()
        )
        pointed_at = {codec.text(item, "image_id") for item in pointers.values()}
        stored |= self._read(pointed_at - stored.keys())
        wanted = (seen.keys() & stored.keys()) | {
            image_id for image_id in pointed_at if stored[image_id].row.object_state == PRESENT
        }
        versions = [stored[image_id].row for image_id in sorted(wanted)]
        places = self._places(
            tenant, datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d"), len(new)
        )
        each = (batch for batch, taken in places.taken.items() for _ in range(taken))
        rows = [new_row(arrival, batch, now) for batch, arrival in zip(each, new, strict=True)]
        settling = {
            change.event.image_id: change for change in settle([*versions, *rows], seen, now)
        }
        writings = [_inserting(row, settling.pop(row.image_id, None)) for row in rows]
        writings += [
            changes.change(stored[image_id], change) for image_id, change in settling.items()
        ]
        after = {row.image_id: row for row in [*versions, *rows]}
        writes: list[Write] = [
            Put(keys.location(arrival.image_id), codec.attributes({"image_id": image_id}))
            for image_id, arrival in seen.items()
            if arrival.image_id != image_id
        ]
        writes += _pointing(after, writings, pointers)
        left = [
            row
            for row in versions
            if row.image_id in settling
            and settling[row.image_id].columns.get("object_state", PRESENT) != PRESENT
        ]
        inherited = self._inherited(left, settling.keys(), now)
        writings += inherited
        writes += _counting(writings, places)
        result += [Registered(row.image_id, row.batch, created=True) for row in rows]
        return writings, writes, result

    def _located(self, arrivals: Sequence[Arrival]) -> dict[str, str]:
        """The image of each arrival, by the arrival's own id: another one where that is known."""
        located = {arrival.image_id: arrival.image_id for arrival in arrivals}
        located |= self._moved(located)
        return located | {one.image_id: one.same_as for one in arrivals if one.same_as}

    def _moved(self, version_ids: Iterable[str]) -> dict[str, str]:
        """Of which images these are later versions."""
        of_keys = {keys.location(version_id): version_id for version_id in version_ids}
        items = self.wire.get_all(of_keys)
        return {of_keys[key]: codec.text(item, "image_id") for key, item in items.items()}

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
        """Of images with the same bytes the first to arrive leaves last, with its heir."""
        going = set(image_ids)
        departed = 0
        for some in _one_of_each(stored.row for stored in self._read(image_ids).values()):

            def decide(stored: Stored) -> Writing | None:
                if stored.row.object_state != PRESENT:
                    return None
                leaving = changes.change(
                    stored, transitions.leave_bucket(stored.row, DELETED, now, reason)
                )
                return changes.together([leaving, *self._inherited([stored.row], going, now)])

            departed += len(self._change(some, decide))
        return departed

    def _inherited(
        self, left: Sequence[ImageRow], busy: Collection[str], now: float
    ) -> list[Writing]:
        """The writings of those that come first with their bytes once these have left."""
        groups = {(row.tenant, row.sha256) for row in left if row.sha256}
        found = [self._first(tenant, sha256, busy) for tenant, sha256 in sorted(groups)]
        heirs = {stored.row.image_id: stored for stored in found if stored is not None}
        return [
            changes.change(heirs[change.event.image_id], change)
            for change in inheriting(left, [stored.row for stored in heirs.values()], now)
        ]

    def _first(self, tenant: str, sha256: str, but: Collection[str]) -> Stored | None:
        """The first present row with these bytes that is none of `but`."""
        pages = self.wire.query(keys.twin(tenant, sha256), index="twins")
        ids = (item["pk"]["S"].partition("#")[2] for item in pages)
        others = (image_id for image_id in ids if image_id not in but)
        while page := list(islice(others, FEW)):
            there = self._read(page)
            for stored in (there[image_id] for image_id in page if image_id in there):
                if stored.row.object_state == PRESENT and stored.row.sha256 == sha256:
                    return stored
        return None

    def known(self, image_ids: Iterable[str]) -> set[str]:
        ids = set(image_ids)
        known = {i for i, stored in self._read(ids).items() if settled(stored.row, i)}
        moved = self._moved(ids - known)
        rows = self._read(set(moved.values()))
        return known | {
            i
            for i, image_id in moved.items()
            if image_id in rows and settled(rows[image_id].row, i)
        }

    def versions(self, bucket: str, sizes: Mapping[str, int]) -> list[ImageRow]:
        pointers = {keys.present(bucket, key): key for key in sizes}
        there = self.wire.get_all(pointers)  # of a key that nobody registered there is none

        def named(key: str) -> list[str]:
            items = self.wire.query(keys.named(key), index="named", most=MOST, backwards=True)
            return [item["pk"]["S"].partition("#")[2] for item in items]

        ids = {codec.text(item, "image_id") for item in there.values()}  # the index may lag behind
        ids.update(chain.from_iterable(self.wire.each(named, [pointers[key] for key in there])))
        return [
            row
            for row in self._rows(sorted(ids))
            if row.bucket == bucket and sizes.get(row.key) == row.size
        ]


def _one_of_each(rows: Iterable[ImageRow]) -> list[list[str]]:
    """Ids in turns: of each group with the same bytes one a turn, the last to arrive first."""
    turns: list[list[str]] = []
    taken: Counter[tuple[str, str]] = Counter()
    for row in sorted(rows, key=lambda row: (row.landed_at, row.image_id), reverse=True):
        group = (row.tenant, row.sha256 or row.image_id)
        if taken[group] == len(turns):
            turns.append([])
        turns[taken[group]].append(row.image_id)
        taken[group] += 1
    return turns


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
        first = writing.writes[0]
        item: Item = first.item if isinstance(first, Put) else {}
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
