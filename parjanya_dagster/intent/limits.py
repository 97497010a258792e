"""What bounds intent."""

from __future__ import annotations

from dataclasses import dataclass, field

from parjanya_dagster.intent.liveness import Deadlines


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What bounds intent."""

    run_rows: int = 2000  # most rows of one run
    run_keys: int = 200  # Dagster logs events per key and asset
    queued_runs: int = 4  # runs that may wait per lane
    reserved_runs: int = 2  # more that may, for tenants that have nothing under way
    light_runs: int = 4  # that may wait for tenants with little to do, besides all of these
    light_seconds: float = 15.0  # of work are little
    queue_lanes: frozenset[str] = frozenset()  # work from queues of their own, without slots
    run_seconds: float = 300.0  # a run should take about this long,
    unmeasured_rows: int = 500  # and have this many rows while nobody knows how long a row takes
    fewest_rows: int = 20  # but no fewer than this
    regrade_runs: int = 2  # runs of a lane that a regrade may have at once
    regrade_rows: int = 50_000  # most rows of one of them that only decides
    regrade_gap: int = 8  # partitions with nothing to do that it may span, to spare a run
    new_keys: int = 1000  # partition keys added per reconciliation
    held_lanes: frozenset[str] = frozenset()  # no runs are asked for
    deadlines: Deadlines = field(default_factory=Deadlines)
    lease: float = 120.0  # seconds that a worker asks for
    failure_first: float = 10.0  # seconds before a key whose run failed is asked for again,
    failure_most: float = 600.0  # doubling with each failure up to this
