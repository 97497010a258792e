"""When each tenant's bucket is worth another sweep, and for how long a sweep stays with it.

A tenant pays for its own sweeps: one that takes long makes that tenant wait, and nobody else. What
is cheap is paid by the round. Kept in memory: a new process looks at every bucket once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

CHEAP = 0.025
"""Seconds of a sweep that the round pays for, so that a hundred small tenants keep few notes."""
PAID = 2000.0
"""Objects a second that are compared on average where a listing is paid for: those of a bucket for
1.21 dollars a day at most (docs/aws-cost.md), however quickly they are compared."""


@dataclass(slots=True, kw_only=True)
class Pacing:
    """The pace of every tenant. All in seconds, but `ease`."""

    ease: float = 20.0  # sweeps that find nothing take one part in so many of the time
    most: float = 800.0  # no pause for the sake of time is longer
    departures: float = 60.0  # between looks for objects that are gone
    rate: float = math.inf  # objects a second that are compared on average: each may cost money
    slice: float = 2.0  # of a large bucket at once; then it is the next tenant's turn
    next_sweep: dict[str, float] = field(default_factory=dict)  # by tenant, as all of these
    next_departures: dict[str, float] = field(default_factory=dict)
    spent: dict[str, float] = field(default_factory=dict)  # in the sweep that is under way
    compared: dict[str, int] = field(default_factory=dict)  # objects, likewise
    longest: float = 0.0  # pause that some tenant was given

    @classmethod
    def none(cls) -> Pacing:
        """Everything at once, and again at any time."""
        return cls(ease=0.0, departures=0.0, slice=math.inf)

    def too_early(self, until: float, now: float, most: float = 0.0) -> bool:
        """Whether to wait until then. Not where that lies further ahead than any wait there is.

        Such a time was written by a clock that has gone backwards since.
        """
        return now < until <= now + max(self.most, self.departures, self.longest, most)

    def is_due(self, tenant: str, now: float) -> bool:
        return not self.too_early(self.next_sweep.get(tenant, 0.0), now)

    def looks_for_departures(self, tenant: str, now: float) -> bool:
        return not self.too_early(self.next_departures.get(tenant, 0.0), now)

    def note(
        self,
        tenant: str,
        *,
        began: float,
        now: float,
        worth: float,
        finished: bool,
        looked: bool,
        objects: int = 0,
    ) -> float:
        """A tenant was swept. Returns the seconds of it that the round does not pay for.

        `worth`: seconds that registered something, which nobody pays for. `looked`: for
        departures, too. `objects`: that were compared.
        """
        cost = max(0.0, now - began - worth)
        spent = self.spent.pop(tenant, 0.0) + cost
        compared = self.compared.pop(tenant, 0) + objects
        if not finished:
            self.spent[tenant], self.compared[tenant] = spent, compared
            return now - began
        pause = max(min(self.most, spent * self.ease), compared / self.rate)
        self.longest = max(self.longest, pause)
        if looked:
            self.next_departures[tenant] = began + max(self.departures, pause)
        if spent <= CHEAP:
            self.next_sweep.pop(tenant, None)
            return now - began - cost
        self.next_sweep[tenant] = now + pause
        return now - began
