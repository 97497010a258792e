"""What every part of the store needs: the table, the rules, and how a row is changed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence

from parjanya_dagster.errors import TruthUnavailable
from parjanya_dagster.truth.dynamo import changes, keys
from parjanya_dagster.truth.dynamo.changes import Stored, Writing
from parjanya_dagster.truth.dynamo.wire import Wire, Write
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.transitions import Rules

ROUNDS = 50  # of reading rows again because somebody else changed them meanwhile


class Base:
    """Rows are read, decided about, and written where they are still as they were read."""

    def __init__(
        self,
        wire: Wire,
        *,
        rules: Rules | None = None,
        batch_size: int = 1000,
        rng: random.Random | None = None,
    ) -> None:
        self.wire = wire
        self.rules = rules or Rules()
        self.batch_size = batch_size
        self.rng = rng or random.Random()

    def _read(self, image_ids: Iterable[str]) -> dict[str, Stored]:
        found = self.wire.get_all(keys.image(one) for one in image_ids if one)
        return {one.row.image_id: one for one in map(changes.stored_of, found.values())}

    def _rows(self, image_ids: Iterable[str]) -> list[ImageRow]:
        """The rows of these ids that are there, in their order, as they are now."""
        ids = list(image_ids)
        found = self._read(ids)
        return [found[one].row for one in ids if one in found]

    def _change(
        self,
        image_ids: Iterable[str],
        decide: Callable[[Stored], Writing | None],
        before: Callable[[], None] | None = None,
    ) -> set[str]:
        """Change rows as `decide` says; None leaves one alone. Returns the ids that were changed.

        A row that somebody else changed meanwhile is read and decided about again. `before` is
        called between what is decided and what is written.
        """
        waiting = sorted(set(image_ids))
        done: set[str] = set()
        for _ in range(ROUNDS):
            stored = self._read(waiting)
            decided = [decide(stored[one]) for one in waiting if one in stored]
            if before is not None:
                before()
            writings = [one for one in decided if one is not None]
            lost = self._write(writings)
            done |= {one.image_id for one in writings} - lost
            if not lost:
                return done
            waiting = sorted(lost)
        raise TruthUnavailable(f"{len(waiting)} rows are changed by others all the time.")

    def _write(self, writings: Sequence[Writing]) -> set[str]:
        """Write as many as can be. Returns the ids of rows that were not as they were read."""
        lost: set[str] = set()
        for group in changes.share(writings):
            while group:
                writes: list[Write] = [write for one in group for write in one.writes]
                owners = [one.image_id for one in group for _ in one.writes]
                writes += changes.adds(changes.total(group))
                broken = {owners[n] for n in self.wire.transact(writes)}
                if not broken:
                    break
                lost |= broken
                group = [one for one in group if one.image_id not in broken]
        return lost
