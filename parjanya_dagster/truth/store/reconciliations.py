"""What the reconciler remembers from one reconciliation to the next."""

from __future__ import annotations

from typing import Protocol

from parjanya_dagster.truth.records import Reconciliation


class Reconciliations(Protocol):
    """The last completed reconciliation."""

    def note_reconciliation(self, completed: Reconciliation) -> None:
        """A reconciliation completed."""

    def reconciliation(self) -> Reconciliation | None:
        """The last one. None: there was none yet."""
