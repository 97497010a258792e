"""Regrades: requests to decide images again, under another policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from parjanya_dagster.truth.models import Mispinned, Move, Regrade


class Regrades(Protocol):
    """Regrades and how far each has come."""

    def begin_regrade(self, regrade: Regrade) -> Regrade:
        """Record a regrade and pin its tenants, in one transaction. Returns the recorded one.

        A regrade that is recorded already is left as it is. Raises UnknownTenant.
        """

    def regrade(self, replay_id: str) -> Regrade | None: ...

    def regrades(self, limit: int = 20) -> list[Regrade]:
        """The last regrades, the newest first."""

    def open_regrades(self) -> list[Regrade]:
        """Regrades whose rows have not all been sent to their boundary, the oldest first."""

    def regrade_rows(
        self, replay_id: str, policy: str, moves: Sequence[Move], now: float, reason: str
    ) -> frozenset[str]:
        """Send rows to their replay boundary. Returns the ids of those that changed meanwhile.

        A row that is not as its move says is left alone. Read it again, and plan another move.
        """

    def note_replayed(self, replay_id: str, batch: str, rows: int, now: float) -> None:
        """Record that the rows of a batch are at their boundary, and how many were sent."""

    def replayed(self, replay_id: str) -> dict[str, int]:
        """The batches of a regrade whose rows are at their boundary, and how many were sent."""

    def end_reset(self, replay_id: str, now: float) -> None:
        """Record that all rows of a regrade are at their boundary."""

    def regrading(self) -> dict[str, int]:
        """Rows that a regrade has sent back and that are not decided again, by batch."""

    def mispinned(self) -> list[Mispinned]:
        """Decided rows whose policy is not their tenant's pin, counted by batch and policy."""
