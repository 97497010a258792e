"""Light work: all that a tenant has to do in a lane is little.

Its runs have places of their own in the queue and slots of their own (decision 0027). So a single
image of one tenant never waits for the runs that another tenant's 100,000 images fill.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from parjanya_dagster.belief.snapshot import LiveRun, RunState
from parjanya_dagster.intent.demand import Need

WAITING = (RunState.CREATED, RunState.QUEUED, RunState.STARTING)


def light_rows(
    stages: Sequence[str],
    seconds_per_row: Mapping[str, float],
    seconds: float,
    unmeasured: int,
    most: int,
) -> int:
    """Rows that take about so many seconds by what was measured; at least one, at most `most`."""
    measured = [seconds_per_row[stage] for stage in stages if stage in seconds_per_row]
    if not measured:
        return min(unmeasured, most)
    return max(1, min(int(seconds / max(sum(measured), 1e-6)), most))


def light_tenants(needs: Iterable[Need], load: Mapping[str, float], rows: int) -> frozenset[str]:
    """Tenants of whose rows no more than so many are due in all.

    `load`: rows by tenant that live runs have before them.
    """
    due: Counter[str] = Counter()
    for need in needs:
        due[need.tenant] += need.rows
    return frozenset(tenant for tenant in due if due[tenant] + load.get(tenant, 0.0) <= rows)


def waiting(runs: Sequence[LiveRun], *, light: bool) -> int:
    """How many of these runs wait to be launched."""
    return sum(run.light is light and run.state in WAITING for run in runs)
