"""What a change of a row writes, and how changes share a transaction. Pure.

A row is written whole, on the condition that it has not changed since it was read. It points at the
page of its event, which was written before (`pages`). Its counters are written in the same
transaction, so they always agree with rows. All counters of a row are in one item of its tenant's
tally, so each item is consistent by itself.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any

from parjanya_dagster.truth.dynamo import codec, keys, pages
from parjanya_dagster.truth.dynamo.codec import Item
from parjanya_dagster.truth.dynamo.keys import Key
from parjanya_dagster.truth.dynamo.pages import Entry, Pointers
from parjanya_dagster.truth.dynamo.wire import ABSENT, MOST_WRITES, Add, Put, Write
from parjanya_dagster.truth.models import PRESENT, Event, Evidence, ImageRow
from parjanya_dagster.truth.stages import Status
from parjanya_dagster.truth.transitions import Change

MOST_BYTES = 3_500_000  # in a transaction; DynamoDB takes 4 MB
MARKS = 8  # of the last replays are kept with a row
_APART = frozenset(
    {
        *("image_id", "tenant", "batch", "key", "landed_at", "updated_at", "object_state"),
        *("pipeline_status", "due_at", "lease_owner", "lease_until", "fence"),
    }
)
"""Columns with an attribute of their own: indexes, conditions and the stream ask for them."""
_FOLDED = {
    column.name: column.default if column.default_factory is MISSING else column.default_factory()
    for column in fields(ImageRow)
    if column.name not in _APART
}
"""The others, which are one compressed attribute, and their defaults, which are left out. Most rows
fit into 1 KB so, which costs one write unit."""
_DECIDED = frozenset(str(status) for status in Status if status.terminal)

Counts = dict[Key, Counter[str]]


@dataclass(frozen=True, slots=True)
class Stored:
    """A row as it was read, with what only this store keeps of it."""

    row: ImageRow
    events: int  # how many it has
    marks: tuple[str, ...] = ()  # replays that sent it back
    pages: Pointers = field(default_factory=dict)  # where its last event and its evidence are
    counted: str = "said"
    """The attribute with the number of events. Before version 5 it was `events`: a process of
    before finds none, and no condition of its writes holds."""

    @property
    def unchanged(self) -> dict[str, Any]:
        """Values that hold until the row is written. Each write changes one of them."""
        return {
            self.counted: self.events,
            "fence": self.row.fence,
            "lease_until": self.row.lease_until,
        }

    @property
    def held(self) -> dict[str, Any]:
        """The same for the holder of the row, which may prolong its own lease meanwhile."""
        return {
            self.counted: self.events,
            "fence": self.row.fence,
            "lease_owner": self.row.lease_owner,
        }


@dataclass(frozen=True, slots=True)
class Writing:
    """All writes of one image. They are written together or not at all."""

    image_id: str
    writes: Sequence[Write]
    counts: Counts = field(default_factory=dict)
    entries: Sequence[Entry] = ()  # what pages say of it, before
    member: Key | None = None  # of its batch, if it is new: written before, and says nothing alone


def stored_of(item: Mapping[str, Any]) -> Stored:
    """A row of an item, whatever version wrote it."""
    marks = tuple(codec.unpacked(item["marks"])) if "marks" in item else ()
    counted = "events" if "events" in item else "said"
    return Stored(
        codec.unpack(ImageRow, item, codec.unpacked(item["row"]) if "row" in item else None),
        codec.number(item, counted),
        marks,
        pages.unpacked(bytes(item["pages"]["B"])) if "pages" in item else {},
        counted,
    )


def item_of(stored: Stored, **more: Any) -> Item:
    row = stored.row
    folded = {
        name: value for name, usual in _FOLDED.items() if (value := getattr(row, name)) != usual
    }
    values = {
        **{name: getattr(row, name) for name in _APART},
        **keys.places(row),
        "row": {**folded, "evidence": dict(row.evidence)},
        "said": stored.events,
        "marks": stored.marks[-MARKS:] or None,
        "pages": pages.packed(stored.pages) or None,
        **more,
    }
    return codec.attributes(values)


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
    evidence: Evidence | None = None,
) -> Writing:
    """The writing of a change to a row that was read, and of evidence that it records."""
    marks = (*stored.marks, mark) if mark else stored.marks
    new = Stored(changed(stored.row, change_), stored.events + 1, marks)
    image_id = stored.row.image_id
    made = change_.review
    return Writing(
        image_id,
        [
            Put(keys.image(image_id), item_of(new), stored.unchanged if expect is None else expect),
            *([Put(keys.review(image_id, made.number), codec.pack(made))] if made else []),
            *more,
        ],
        moved(stored.row, new.row, [change_.event]),
        [
            Entry(
                image_id=image_id,
                first=new.events,
                events=[change_.event],
                evidence=evidence,
                pages=stored.pages,
            )
        ],
    )


def together(writings: Sequence[Writing]) -> Writing:
    """Writings that happen with the first one, or not at all."""
    return Writing(
        writings[0].image_id,
        [write for writing in writings for write in writing.writes],
        total(writings),
        [entry for writing in writings for entry in writing.entries],
    )


def insert(row: ImageRow, events: Sequence[Event]) -> Writing:
    """The writing of a new row with its first events."""
    new = Stored(row, len(events))
    return Writing(
        row.image_id,
        [Put(keys.image(row.image_id), item_of(new), ABSENT)],
        moved(None, row, events[1:]),
        [Entry(image_id=row.image_id, first=1, events=events)],
        keys.member(row.batch, row.image_id),
    )


def pointing(writings: Sequence[Writing], pages_of: Mapping[str, Pointers]) -> list[list[Write]]:
    """The writes of each writing, in which rows point at the pages that were written."""
    places = {
        keys.image(image_id): {"pages": {"B": pages.packed(pointers)}}
        for image_id, pointers in pages_of.items()
    }

    def pointed(write: Write) -> Write:
        if isinstance(write, Put) and write.key in places:
            return replace(write, item=write.item | places[write.key])
        return write

    return [[pointed(write) for write in writing.writes] for writing in writings]


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
    return codec.size(write.item) if isinstance(write, Put) else 100
