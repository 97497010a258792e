"""A bucket's listing beside what Truth says of it, both in the order of keys. Pure.

Each side is read once, and some keys of each are held at a time, however large the bucket is. What
differs is only named here. Either side may be a moment old: nothing is decided from this alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

from parjanya_dagster.errors import ObjectGone, StorageUnavailable
from parjanya_dagster.objects.store import ObjectInfo
from parjanya_dagster.truth.models import PresentKey, image_id
from parjanya_dagster.truth.storable import storable_text

Pair = tuple[ObjectInfo | None, list[PresentKey]]
"""What lies under a key, and what rows say of it: more than one while an index is late."""


@dataclass(slots=True)
class Compared:
    """Some keys that follow each other, and what differs."""

    after: str = ""  # every key up to this one was compared
    storable: str = ""  # the last of them that Truth can hold; behind it no row was compared
    listed: int = 0  # objects
    present: int = 0  # rows
    unseen: list[ObjectInfo] = field(default_factory=list)  # no row has this version
    absent: list[PresentKey] = field(default_factory=list)  # nothing lies under the key
    otherwise: list[tuple[PresentKey, str]] = field(default_factory=list)
    """Rows under whose key another version lies, and its id."""
    out_of_order: bool = False  # the listing was not sorted, so `absent` means nothing

    def add(self, bucket: str, info: ObjectInfo | None, rows: list[PresentKey]) -> None:
        self.present += len(rows)
        if info is None:
            self.absent += rows
            self.after = self.storable = rows[-1].key
            return
        self.listed += 1
        lying = image_id(bucket, info.key, info.version)
        if not any(row.location == lying and row.settled for row in rows):
            self.unseen.append(info)
        self.otherwise += [(row, lying) for row in rows if row.location != lying and row.settled]
        if info.key <= self.after:
            self.out_of_order = True
            return
        self.after = info.key
        if storable_text(info.key) == info.key:
            self.storable = info.key


def compare(
    listed: Iterable[ObjectInfo],
    present: Iterable[PresentKey],
    *,
    after: str = "",
    storable: str = "",
    bucket: str,
    size: int,
) -> Iterator[Compared]:
    """Compare what lies behind a key, `size` keys at a time, to the end of both sides.

    `after`, `storable`: of what was compared last.
    Where the listing breaks off, what it had told before is yielded, and then its error is raised.
    """
    some = Compared(after, storable)
    keys = 0
    try:
        for info, rows in paired(listed, present, after):
            some.add(bucket, info, rows)
            keys += 1
            if keys >= size:
                yield some
                some, keys = Compared(some.after, some.storable), 0
    except (StorageUnavailable, ObjectGone):
        if keys:
            yield some
        raise
    if keys:
        yield some


def paired(
    listed: Iterable[ObjectInfo], present: Iterable[PresentKey], after: str
) -> Iterator[Pair]:
    """The two sides key by key. Objects that come out of order stand alone."""
    rows = groupby((row for row in present if row.key > after), attrgetter("key"))
    waiting = _next(rows)
    for info in listed:
        while waiting and waiting[0].key < info.key:
            yield None, waiting
            waiting = _next(rows)
        if waiting and waiting[0].key == info.key:
            yield info, waiting
            waiting = _next(rows)
        else:
            yield info, []
    while waiting:
        yield None, waiting
        waiting = _next(rows)


def _next(rows: Iterator[tuple[str, Iterator[PresentKey]]]) -> list[PresentKey]:
    """The rows of the next key. Empty: there is none."""
    for _, of_key in rows:
        return list(of_key)
    return []
