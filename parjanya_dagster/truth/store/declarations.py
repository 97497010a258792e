"""What should run, and what did."""

from __future__ import annotations

from typing import Protocol

from parjanya_dagster.truth.records import Declaration, Identified


class Declarations(Protocol):
    """Declarations of lanes, and the identities that their runs had."""

    def declare(self, declaration: Declaration) -> None:
        """From now on, the runs of the lane should be this."""

    def declarations(self) -> dict[str, Declaration]:
        """The last declaration of each lane, by lane."""

    def note_identity(self, identified: Identified) -> None:
        """A run of the lane has begun in a process that is this."""

    def identities(self) -> list[Identified]:
        """Every identity that runs had, the one that began last first."""

    def drop_identities(self, before: float) -> int:
        """Drop what no run has been since that time. Returns how many."""
