"""What each part of the store shares: the table, the rules, and the change of a row."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from parjanya_dagster.errors import TruthUnavailable
from parjanya_dagster.truth.dynamo import changes, keys, pages
from parjanya_dagster.truth.dynamo.changes import Stored, Writing
from parjanya_dagster.truth.dynamo.filing_log import FilingLog
from parjanya_dagster.truth.dynamo.held import Held
from parjanya_dagster.truth.dynamo.noted import Noted
from parjanya_dagster.truth.dynamo.old_queue import STILL
from parjanya_dagster.truth.dynamo.recent import Recent
from parjanya_dagster.truth.dynamo.shelf import Shelf
from parjanya_dagster.truth.dynamo.wire import Wire, Write
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.transitions import Rules

if TYPE_CHECKING:
    from parjanya_dagster.objects.store import Objects

ROUNDS = 50  # how often rows are read again because others changed them meanwhile


class Base:
    """Reads rows, decides on them, and writes those that have not changed meanwhile."""

    def __init__(
        self,
        wire: Wire,
        *,
        rules: Rules | None = None,
        batch_size: int = 1000,
        rng: random.Random | None = None,
        objects: Objects | None = None,
    ) -> None:
        self.wire = wire
        self.filings = FilingLog(wire, objects)
        self.recent = Recent()
        self.noted = Noted()
        self.held = Held()
        self.shelf = Shelf()
        wire.wrote = self._wrote
        self.rules = rules or Rules()
        self.batch_size = batch_size
        self.rng = rng or random.Random()

    @cached_property
    def adopts(self) -> bool:
        """Whether a process of a version before 4 of the table may still write as it did."""
        return STILL in (self.wire.get(keys.SCHEMA) or {})

    def _wrote(self, writes: Sequence[Write]) -> None:
        self.recent.note(writes)
        self.held.note(writes)

    def _read(self, image_ids: Iterable[str]) -> dict[str, Stored]:
        items = self.wire.get_all(keys.image(image_id) for image_id in image_ids if image_id)
        read = {stored.row.image_id: stored for stored in map(changes.stored_of, items.values())}
        for image_id, stored in read.items():
            self.noted.note(image_id, stored.pages)
        return read

    def _rows(self, image_ids: Iterable[str]) -> list[ImageRow]:
        """The current rows of these ids, in their order. Unknown ids are left out."""
        ids = list(image_ids)
        stored = self._read(ids)
        return [stored[image_id].row for image_id in ids if image_id in stored]

    def _change(
        self,
        image_ids: Iterable[str],
        decide: Callable[[Stored], Writing | None],
        before: Callable[[], None] | None = None,
        known: Mapping[str, Stored] | None = None,
    ) -> set[str]:
        """Change rows as `decide` says. None leaves a row alone. Returns the ids that changed.

        A row that another writer changed meanwhile is read again, and decided on again. `before`
        is called after the decisions and before the writes. `known`: rows that need not be read
        first, since the writes are on the condition that they are as they were.
        """
        waiting = sorted(set(image_ids))
        done: set[str] = set()
        stored = dict(known or {})
        for _ in range(ROUNDS):
            stored |= self._read(image_id for image_id in waiting if image_id not in stored)
            decided = [decide(stored[image_id]) for image_id in waiting if image_id in stored]
            if before is not None:
                before()
            writings = [writing for writing in decided if writing is not None]
            lost = self._write(writings)
            done |= {writing.image_id for writing in writings} - lost
            if not lost:
                return done
            waiting, stored = sorted(lost), {}
        raise TruthUnavailable(f"{len(waiting)} rows are changed by others all the time.")

    def _write(self, writings: Sequence[Writing]) -> set[str]:
        """Write what can be written. Returns the ids of rows that changed after they were read."""
        lost: set[str] = set()
        for group in changes.share(writings):
            entries = [entry for one in group for entry in one.entries]
            said = pages.write(self.wire, entries, self.shelf)
            while group:
                each = changes.pointing(group, said)
                writes: list[Write] = [write for own in each for write in own]
                owners = [writing.image_id for writing in group for _ in writing.writes]
                writes += changes.adds(changes.total(group))
                broken = {owners[n] for n in self.wire.transact(writes)}
                if not broken:
                    for image_id in {writing.image_id for writing in group} & said.keys():
                        self.noted.note(image_id, said[image_id])
                    break
                lost |= broken
                group = [writing for writing in group if writing.image_id not in broken]
        return lost
