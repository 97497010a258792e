"""How many images are where, by counters that are written with the rows they count."""

from __future__ import annotations

from typing import Protocol

from parjanya_dagster.truth.counts import Counts


class Counting(Protocol):
    """Counts of images."""

    def counts(self, tenant: str | None = None) -> list[Counts]:
        """By the counters that are kept. The cost does not grow with the history."""

    def counted(self, tenant: str | None = None) -> list[Counts]:
        """By looking at every row. It may take minutes; it is there to check the counters by."""

    def fold_counts(self) -> None:
        """Add up what many transactions wrote apart, so that counters stay few."""

    def rebuild_counts(self) -> bool:
        """Make the counters what a count of all rows says. Nobody who writes waits for it.

        False where it was not done: another does it at this moment, or this store cannot.
        """
