"""Continues regrades that nobody advances any more, in slices of time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from parjanya_dagster.errors import PolicyUnusable, RegradeInvalid
from parjanya_dagster.lines import get_logger
from parjanya_dagster.policy import Policy
from parjanya_dagster.regrade.advance import Advance, unattended
from parjanya_dagster.truth.store import Store

log = get_logger(__name__)
SLICE = 5.0  # seconds at once for one regrade


@dataclass(frozen=True, slots=True)
class Rescuer:
    """Continues regrades whose command line has ended or was killed."""

    store: Store
    published: Callable[[str], Policy]
    clock: Callable[[], float]

    def advance(self, end: float) -> None:
        """Give each of them a slice of time, but start none after `end`.

        One that cannot go on is left as it is and stops neither the others nor what arrives. The
        doctor names it. Raises TruthUnavailable.
        """
        for regrade in unattended(self.store, self.clock()):
            deadline = min(self.clock() + SLICE, end)
            advance = Advance(
                store=self.store, published=self.published, clock=self.clock, regrade=regrade
            )
            try:
                sent = advance.run(stop=partial(self._over, deadline))
            except (PolicyUnusable, RegradeInvalid) as error:
                log.warning("regrade_stuck", regrade=regrade.replay_id, error=str(error))
                continue
            if not sent:
                self.store.drop_hold(regrade.replay_id)  # the next pass goes on

    def _over(self, deadline: float) -> bool:
        return self.clock() >= deadline
