"""Since when what is due stands still, tenant by tenant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from parjanya_dagster.truth.models import DueBatch

ByTenant = Mapping[str, Sequence[DueBatch]]


class StandingStill:
    """Looks at what is due, again and again, and remembers for each tenant when it last changed."""

    def __init__(self, before: Sequence[DueBatch], due: Sequence[DueBatch], now: float) -> None:
        self._before, self._due = _by_tenant(before), _by_tenant(due)
        self._began, self._changed_at = now, dict.fromkeys(self._due, now)

    def look(self, due: Sequence[DueBatch], now: float) -> None:
        seen = _by_tenant(due)
        for tenant in seen.keys() | self._due.keys():
            if seen.get(tenant) != self._due.get(tenant):
                self._changed_at[tenant] = now
        self._due = seen

    @property
    def since(self) -> float:
        """Since when that tenant stands still which has done so longest.

        Tenants of whom the same was due before do not count, unless that holds for all.
        """
        news = [tenant for tenant in self._due if self._due[tenant] != self._before.get(tenant)]
        times = [self._changed_at[tenant] for tenant in news or self._due]
        return min(times, default=self._began)


def _by_tenant(due: Sequence[DueBatch]) -> ByTenant:
    tenants: dict[str, list[DueBatch]] = defaultdict(list)
    for one in due:
        tenants[one.tenant].append(one)
    return tenants
