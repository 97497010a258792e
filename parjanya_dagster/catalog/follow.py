"""Follows Truth: reads the batches again that may have changed, and writes what did.

A batch has a mark that changes when images are added to it and when one that is decided or failed
changes. An image that waits changes without a mark, so a batch with one is read at every pass. The
comparison is by state: whatever was missed, or was written by nobody who told us, is found.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from parjanya_dagster.catalog.catalog import FILE
from parjanya_dagster.catalog.entry import Entry, entry_of, stamp_of
from parjanya_dagster.catalog.file import CatalogFile
from parjanya_dagster.truth.stages import Status

if TYPE_CHECKING:
    from parjanya_dagster.truth.image_reader import Followed

LOCK = "catalog.lock"
TOGETHER = 10_000  # entries that are written in one transaction: common words are written once


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What one pass did."""

    batches: int = 0  # that were read
    images: int = 0  # that had changed
    behind: int = 0  # batches that are left for the next pass
    alone: bool = True  # False: another process follows, and nothing was done


@dataclass(slots=True)
class _Taken:
    """What was read of Truth and is not written yet. Batches are marked after their entries."""

    file: CatalogFile
    entries: list[Entry] = field(default_factory=list)
    batches: list[tuple[str, str, bool]] = field(default_factory=list)

    def write(self) -> None:
        self.file.put(self.entries)
        for batch in self.batches:
            self.file.mark(*batch)
        self.entries, self.batches = [], []


class Follower:
    """Keeps the catalog of a home up to date. Of several processes, one at a time does."""

    def __init__(self, store: Followed, home: Path, clock: Callable[[], float] = time.time) -> None:
        self._store, self._home, self._clock = store, home, clock
        self._file: CatalogFile | None = None

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def rebuild(self) -> Pass:
        """Build the catalog anew, from Truth alone."""
        with self._alone(wait=True):
            self._open().empty()
            return self._follow(float("inf"))

    def follow(self, deadline: float = float("inf")) -> Pass:
        """One pass. After the deadline no further batch is begun, but at least one is read."""
        with self._alone(wait=False) as alone:
            return self._follow(deadline) if alone else Pass(alone=False)

    def _follow(self, deadline: float) -> Pass:
        file, began = self._open(), self._clock()
        marks, known = self._store.batch_marks(), file.marks()
        stale = [batch for batch, mark in marks.items() if known.get(batch) != (mark, True)]
        stale.sort(key=lambda batch: batch.partition("/")[2], reverse=True)  # the newest day first
        read = images = 0
        taken = _Taken(file)
        for batch in stale:
            if read and self._clock() > deadline:
                break
            images += self._read(taken, batch, marks[batch])
            read += 1
        taken.write()
        behind = len(stale) - read
        file.note(behind=behind, **({} if behind else {"complete_at": began}))
        return Pass(batches=read, images=images, behind=behind)

    def _read(self, taken: _Taken, batch: str, mark: str) -> int:
        """Take what changed in a batch. Its mark was read before."""
        known = taken.file.stamps(batch)
        settled, images = True, 0
        from parjanya_dagster.truth.store.paging import batch_pages

        for page in batch_pages(self._store, [batch]):
            settled &= all(Status(row.pipeline_status).terminal for row in page)
            changed = [row for row in page if known.get(row.image_id) != stamp_of(row)]
            evidence = self._store.evidence(changed)
            taken.entries += [entry_of(row, evidence.get(row.image_id, {})) for row in changed]
            images += len(changed)
        taken.batches.append((batch, mark, settled))
        if len(taken.entries) >= TOGETHER:
            taken.write()
        return images

    def _open(self) -> CatalogFile:
        if self._file is not None and self._file.deleted:
            self.close()
        if self._file is None:
            self._file = CatalogFile(self._home / FILE)
        return self._file

    @contextmanager
    def _alone(self, *, wait: bool) -> Iterator[bool]:
        with open(self._home / LOCK, "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            yield True
