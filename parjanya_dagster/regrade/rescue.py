"""Continues regrades that nobody advances any more, in slices of time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from parjanya_dagster.policy import Policy
from parjanya_dagster.regrade.advance import Advance, unattended
from parjanya_dagster.truth.store import Store

SLICE = 5.0  # seconds at once for one regrade


@dataclass(frozen=True, slots=True)
class Rescuer:
    """Continues regrades whose command line has ended or was killed."""

    store: Store
    published: Callable[[str], Policy]
    clock: Callable[[], float]

    def advance(self, end: float) -> None:
        """Give each of them a slice of time, but start none after `end`.

        Raises TruthUnavailable, PolicyMissing, RegradeInvalid.
        """
        for regrade in unattended(self.store, self.clock()):
            deadline = min(self.clock() + SLICE, end)
            advance = Advance(
                store=self.store, published=self.published, clock=self.clock, regrade=regrade
            )
            if not advance.run(stop=partial(self._over, deadline)):
                self.store.drop_hold(regrade.replay_id)  # the next pass goes on

    def _over(self, deadline: float) -> bool:
        return self.clock() >= deadline
