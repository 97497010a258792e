"""What was done, counted: books of runs, and the ledgers that take them in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from parjanya_dagster.truth.records import Ledger, RunBook


class Ledgers(Protocol):
    """Books and ledgers. `belief.ledger` says how the one becomes the other."""

    def write_book(self, book: RunBook) -> None:
        """The book as it is now, in place of what it was."""

    def books(self) -> list[RunBook]:
        """The books that were not dropped, the longest unchanged first."""

    def drop_books(self, books: Sequence[RunBook]) -> None:
        """Drop books that every ledger has taken in."""

    def write_ledger(self, ledger: Ledger) -> None:
        """The ledger as it is now, in place of what it was."""

    def ledgers(self) -> dict[str, Ledger]:
        """By account."""
