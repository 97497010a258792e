"""Who looks after regrades: a command line, a backfill, or the reconciler."""

from __future__ import annotations

from typing import Protocol

from parjanya_dagster.truth.records import RegradeHold


class Holds(Protocol):
    """Holds of regrades."""

    def hold(self, hold: RegradeHold) -> None:
        """Somebody looks after the regrade."""

    def holds(self) -> dict[str, RegradeHold]:
        """By replay id. One that is not in here was never attended to, or was dropped."""

    def drop_hold(self, replay_id: str) -> None:
        """Nobody looks after the regrade."""
