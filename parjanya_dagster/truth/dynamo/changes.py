"""What a change of a row writes, and how changes share a transaction. Pure.

A row is written whole, on the condition that it has not changed since it was read. Its event and
its counters are written in the same transaction, so counters always agree with rows. All counters
of a row are in one item of its tenant's tally, so each item is consistent by itself.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from parjanya_dagster.truth.dynamo import codec, keys
from parjanya_dagster.truth.dynamo.codec import Item
from parjanya_dagster.truth.dynamo.keys import Key
from parjanya_dagster.truth.dynamo.wire import ABSENT, MOST_WRITES, Add, Fill, Put, Write
from parjanya_dagster.truth.models import PRESENT, Event, ImageRow
from parjanya_dagster.truth.stages import Status
from parjanya_dagster.truth.transitions import Change

MOST_BYTES = 3_500_000  # in a transaction; DynamoDB takes 4 MB
MARKS = 8  # of the last replays are kept with a row
_UNSAID = {
    column.name: column.default
    for column in fields(ImageRow)
    if column.name in ("attempts", "retries", "not_before", "suspect", "reviews", "lapsed")
}
"""Columns that are left out where they have their default: most rows fit into 1 KB so, which costs
one write unit. No condition of a write asks for them."""
_DECIDED = frozenset(str(status) for status in Status if status.terminal)

Counts = dict[Key, Counter[str]]


@dataclass(frozen=True, slots=True)
class Stored:
    """A row as it was read, with what only this store keeps of it."""

    row: ImageRow
    events: int  # how many it has
    marks: tuple[str, ...] = ()  # replays that sent it back

    @property
    def unchanged(self) -> dict[str, Any]:
        """Values that hold until the row is written. Each write changes one of them."""
        return {
            "events": self.events,
            "fence": self.row.fence,
            "lease_until": self.row.lease_until,
        }

    @property
    def held(self) -> dict[str, Any]:
        """The same for the holder of the row, which may prolong its own lease meanwhile."""
        return {
            "events": self.events,
            "fence": self.row.fence,
            "lease_owner": self.row.lease_owner,
        }


@dataclass(frozen=True, slots=True)
class Writing:
    """All writes of one image. They are written together or not at all."""

    image_id: str
    writes: Sequence[Write]
    counts: Counts = field(default_factory=dict)


def stored_of(item: Mapping[str, Any]) -> Stored:
    marks = tuple(codec.unpacked(item["marks"])) if "marks" in item else ()
    return Stored(codec.unpack(ImageRow, item), codec.number(item, "events"), marks)


def item_of(stored: Stored, **more: Any) -> Item:
    said = codec.pack(stored.row)
    for name, usual in _UNSAID.items():
        if getattr(stored.row, name) == usual:
            del said[name]
    return {
        **said,
        **codec.attributes(keys.places(stored.row)),
        **codec.attributes(
            {"events": stored.events, "marks": stored.marks[-MARKS:] or None, **more}
        ),
    }


def changed(row: ImageRow, change: Change) -> ImageRow:
    columns = dict(change.columns)
    if "reasons" in columns:
        columns["reasons"] = tuple(columns["reasons"])
    return replace(row, **columns)


def change(
    stored: Stored,
    change_: Change,
    more: Sequence[Write] = (),
    *,
    expect: Mapping[str, Any] | None = None,
    mark: str = "",
) -> Writing:
    """The writing of a change to a row that was read."""
    marks = (*stored.marks, mark) if mark else stored.marks
    new = Stored(changed(stored.row, change_), stored.events + 1, marks)
    image_id = stored.row.image_id
    made = change_.review
    return Writing(
        image_id,
        [
            Put(keys.image(image_id), item_of(new), stored.unchanged if expect is None else expect),
            event_put(change_.event, new.events),
            *([Put(keys.review(image_id, made.number), codec.pack(made))] if made else []),
            *more,
        ],
        moved(stored.row, new.row, [change_.event]),
    )


def together(writings: Sequence[Writing]) -> Writing:
    """Writings that happen with the first one, or not at all."""
    return Writing(
        writings[0].image_id,
        [write for writing in writings for write in writing.writes],
        total(writings),
    )


def insert(row: ImageRow, events: Sequence[Event]) -> Writing:
    """The writing of a new row with its first events."""
    new = Stored(row, len(events))
    return Writing(
        row.image_id,
        [
            Put(keys.image(row.image_id), item_of(new), ABSENT),
            *(event_put(event, number) for number, event in enumerate(events, 1)),
            Put(keys.member(row.batch, row.image_id), {}),
        ],
        moved(None, row, events[1:]),
    )


def event_put(event: Event, number: int) -> Put:
    # No condition: another writer of this number would fail on the condition of the row.
    return Put(keys.event(event.image_id, number), codec.pack(event))


def moved(before: ImageRow | None, after: ImageRow, events: Sequence[Event]) -> Counts:
    """What this change of a row adds to counters, and subtracts from them."""
    counts: Counts = defaultdict(Counter)
    for row, by in ((before, -1), (after, 1)):
        if row is None:
            counts[keys.tally(after.batch)]["registered"] += 1
            continue
        for name in kinds(row):
            counts[keys.tally(row.batch)][name] += by
        if row.pipeline_status == Status.CURATED and row.object_state == PRESENT and row.policy:
            counts[keys.decided(row)]["rows"] += by
        if row.target is not None:
            counts[keys.targeted(row.batch)]["rows"] += by
    decided = [event for event in events if {event.to_status, event.from_status} & _DECIDED]
    if decided:
        counts[keys.batch(after.batch)]["decided"] += len(decided)
    return counts


def kinds(row: ImageRow) -> tuple[str, ...]:
    """The names under which a tenant's tally counts a row."""
    if row.object_state != PRESENT:
        return ("departed",)
    named = [f"status:{row.pipeline_status}"]
    if row.pipeline_status == Status.CURATED and row.verdict:
        named.append(f"verdict:{row.verdict}")
        if row.effective_verdict != row.verdict:
            named += [f"overruled:{row.verdict}", f"overruling:{row.effective_verdict}"]
        if row.person_verdict:
            named.append(f"person:{row.person_verdict}")
    if row.pipeline_status == Status.FAILED:
        named.append(f"failure:{row.failure_class or 'unknown'}")
    return tuple(named)


def total(writings: Sequence[Writing]) -> Counts:
    """The sum of what writings add to counters, without zeros."""
    sums: Counts = defaultdict(Counter)
    for writing in writings:
        for key, counts in writing.counts.items():
            for name, by in counts.items():
                sums[key][name] += by
    kept = {key: Counter({n: by for n, by in named.items() if by}) for key, named in sums.items()}
    return {key: named for key, named in kept.items() if named}


def adds(counts: Counts) -> list[Add]:
    return [Add(key, numbers, stale(numbers)) for key, numbers in counts.items()]


def stale(counts: Mapping[str, int]) -> Item:
    """Mark the manifest of a batch as stale if decided rows changed."""
    return codec.attributes({"stale_pk": "stale"}) if "decided" in counts else {}


def share(writings: Sequence[Writing]) -> Iterator[list[Writing]]:
    """Split writings into groups that fit into one transaction each."""
    group: list[Writing] = []
    items, size, counters = 0, 0, set[Key]()
    for writing in writings:
        its_size = sum(_size(write) for write in writing.writes)
        wider = counters | writing.counts.keys()
        full = items + len(writing.writes) + len(wider) > MOST_WRITES
        if group and (full or size + its_size > MOST_BYTES):
            yield group
            group, items, size, wider = [], 0, 0, set(writing.counts)
        group.append(writing)
        items, size, counters = items + len(writing.writes), size + its_size, wider
    if group:
        yield group


def _size(write: Write) -> int:
    return codec.size(write.item) if isinstance(write, Put | Fill) else 100
