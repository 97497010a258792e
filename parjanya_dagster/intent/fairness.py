"""Who goes first, and what shares a run: weighted fair shares, then packing neighbours."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from parjanya_dagster.belief.snapshot import LiveRun
from parjanya_dagster.intent.demand import Need
from parjanya_dagster.truth.models import parse_batch

BIG = 0.125  # share of a run's row budget from which a batch does not travel with strangers


def load_of(live: Iterable[LiveRun], rows: Mapping[str, int]) -> dict[str, float]:
    """Rows per tenant that live runs have before them. `rows`: due rows by batch."""
    load: dict[str, float] = defaultdict(float)
    for key in {key for run in live for key in run.keys}:
        if key in rows:
            load[parse_batch(key)[0]] += rows[key]
    return load


def fair_order(
    needs: Iterable[Need], load: Mapping[str, float], weights: Mapping[str, float], rows: int
) -> list[Need]:
    """Batches up to `rows` rows: always the oldest of the tenant that has least for its weight.

    Between tenants that have the same, the one that waits longest. So nobody starves.
    """
    queues: dict[str, list[Need]] = defaultdict(list)
    for need in sorted(needs, key=lambda need: (need.oldest, need.batch), reverse=True):
        queues[need.tenant].append(need)

    def turn(tenant: str, has: float) -> tuple[float, float, str]:
        weight = weights.get(tenant, 1.0)
        return has / (weight if weight > 0 else 1.0), queues[tenant][-1].oldest, tenant

    has = {tenant: load.get(tenant, 0.0) for tenant in queues}
    turns = [turn(tenant, has[tenant]) for tenant in queues]
    heapq.heapify(turns)
    chosen: list[Need] = []
    taken = 0
    while turns and taken < rows:
        tenant = heapq.heappop(turns)[2]
        need = queues[tenant].pop()
        chosen.append(need)
        taken += max(1, need.rows)
        has[tenant] += max(1, need.rows)
        if queues[tenant]:
            heapq.heappush(turns, turn(tenant, has[tenant]))
    return chosen


def pack(
    chosen: Sequence[Need],
    order: Mapping[str, int],
    rows: int,
    keys: int,
    gap: int = 0,
    known: int = 0,
    big: float = BIG,
) -> list[list[Need]]:
    """Neighbours in Dagster's key order share a run, up to its budget of rows and keys.

    A batch with more than the share `big` of the rows shares only with its own tenant, so that a
    small tenant never waits inside the run of a giant. The groups come in the order of the first
    batch that was chosen in each.

    `gap`: partitions that were not chosen and that a range may span, among the first `known` ones,
    whose order is certain.
    """
    rank = {need.batch: index for index, need in enumerate(chosen)}
    groups: list[list[Need]] = []
    filled, any_large = 0, False  # of the last group
    for need in sorted(chosen, key=lambda need: order[need.batch]):
        last = groups[-1] if groups else None
        large = need.rows > rows * big
        if (
            last
            and _reaches(order[last[-1].batch], order[need.batch], gap, known)
            and filled + need.rows <= rows
            and order[need.batch] - order[last[0].batch] < keys
            and (last[-1].tenant == need.tenant or not (any_large or large))
        ):
            last.append(need)
            filled, any_large = filled + need.rows, any_large or large
        else:
            groups.append([need])
            filled, any_large = need.rows, large
    return sorted(groups, key=lambda group: min(rank[need.batch] for need in group))


def _reaches(last: int, following: int, gap: int, known: int) -> bool:
    return following == last + 1 or (following <= last + 1 + gap and following < known)
