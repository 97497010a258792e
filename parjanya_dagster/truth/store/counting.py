"""How many images are where, by counters that are written with the rows they count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many images of one tenant are where. Departed rows are counted apart."""

    tenant: str
    by_status: Mapping[str, int]  # pipeline_status -> rows whose object is present
    by_verdict: Mapping[str, int]  # accept, reject, review, by policies -> curated rows
    by_failure: Mapping[str, int]  # failure class -> failed rows
    in_flight: int  # rows under a lease, live or expired; also counted under their status
    registered: int  # rows ever registered, by the batches' own count
    departed: int  # rows whose object was replaced or deleted
    by_effective: Mapping[str, int] = field(default_factory=dict)  # the same, by what counts
    by_person: Mapping[str, int] = field(default_factory=dict)  # accept, reject: by people alone

    @property
    def rows(self) -> int:
        return sum(self.by_status.values())


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
