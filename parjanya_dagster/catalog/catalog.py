"""Questions to the catalog, from any number of threads."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parjanya_dagster.catalog.columns import Columns, Mask
from parjanya_dagster.catalog.facets import FACETS
from parjanya_dagster.catalog.file import CatalogFile
from parjanya_dagster.catalog.query import Query

FILE = "catalog.db"
NAMES = tuple(facet.name for facet in FACETS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One image of a page: its id, and what its tile shows."""

    image_id: str
    shown: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page of a view."""

    total: int  # images of the whole view
    images: Sequence[Listed]
    next: tuple[float, int] | None  # where the next page begins; None: this is the last


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How far the catalog is behind Truth."""

    images: int
    complete_at: float | None  # everything that was in Truth then is in here; None: not yet
    behind: int  # batches that wait to be read again


class Catalog:
    """The catalog of a home. Opening it makes it where it is missing; nothing is in it then."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE
        self._file = CatalogFile(self._path)
        self._columns = Columns()
        self._lock = threading.Lock()

    def close(self) -> None:
        with self._lock:
            self._file.close()

    def page(self, query: Query, n: int) -> Found:
        """A page of a view, in its order."""
        with self._lock:
            self._refresh()
            mask = self._columns.matching(query.filters, self._having(query))
            slots, after = self._columns.page(
                mask, query.sort.removeprefix("-"), query.sort.startswith("-"), query.after, n
            )
            images = [Listed(image_id=i, shown=shown) for i, shown in self._file.shown(slots)]
            return Found(total=self._columns.count(mask), images=images, next=after)

    def counts(self, query: Query, facets: Iterable[str] = NAMES) -> dict[str, Counter[str]]:
        """Images by value of each facet, among those that match all filters but its own."""
        with self._lock:
            self._refresh()
            return self._columns.counts(query.filters, facets, self._having(query))

    def values(self, facet: str) -> set[str]:
        """Every value of a facet, whether an image has it now or not."""
        with self._lock:
            self._refresh()
            return self._columns.values(facet)

    def beside(self, query: Query, image_id: str) -> tuple[str | None, str | None]:
        """The ids before and after an image in a view. It need not be in the view itself."""
        with self._lock:
            self._refresh()
            slot = self._file.slot(image_id)
            if slot is None or slot >= self._columns.size:
                return None, None
            mask = self._columns.matching(query.filters, self._having(query))
            sort, largest = query.sort.removeprefix("-"), query.sort.startswith("-")
            slots = self._columns.beside(mask, sort, largest, slot)
            before, after = (
                None if one is None else self._file.shown([one])[0][0] for one in slots
            )
            return before, after

    def listed(self, image_ids: Iterable[str]) -> dict[str, Listed]:
        """What the tiles of these images show, by id. Those that are not in it yet are left out."""
        with self._lock:
            self._refresh()
            slots = [slot for one in image_ids if (slot := self._file.slot(one)) is not None]
            return {i: Listed(image_id=i, shown=shown) for i, shown in self._file.shown(slots)}

    def ids_from(self, prefix: str, limit: int = 20) -> list[str]:
        """Ids of images that begin so."""
        with self._lock:
            return self._file.ids_from(prefix, limit)

    def freshness(self) -> Freshness:
        with self._lock:
            self._refresh()
            meta = self._file.meta()
            complete = meta.get("complete_at")
            return Freshness(
                images=self._columns.present,
                complete_at=float(complete) if complete else None,
                behind=int(meta.get("behind", 0)),
            )

    def _having(self, query: Query) -> Mask | None:
        """Which slots have the words that are searched for, of what exists to who asks."""
        size = self._columns.size
        mask = self._file.postings.having(query.words, size) if query.words else None
        if query.tenants is not None:
            own = self._columns.of(query.tenants)
            mask = own if mask is None else mask & own
        return mask

    def _refresh(self) -> None:
        """Take over what the follower wrote since the last question."""
        if self._file.deleted:
            self._file.close()
            self._file, self._columns = CatalogFile(self._path), Columns()
        delta = self._file.since(self._columns.written, self._columns.sizes)
        if delta.build != self._columns.build and self._columns.build:
            self._columns = Columns()
            delta = self._file.since(0, self._columns.sizes)
        self._columns.take(delta)
