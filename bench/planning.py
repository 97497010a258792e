"""What `plan()` costs with 10,000 due batches, two lanes and 400 remembered runs.

Pure: no Truth and no Dagster. `python -m bench.planning [BATCHES]`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from parjanya_dagster.belief.snapshot import EndedRun, FailedRun, Snapshot
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.intent.plan import plan
from parjanya_dagster.lanes import SPLIT
from parjanya_dagster.truth.models import DueBatch

NOW = 1_760_000_000.0
TENANTS, REMEMBERED, KEYS = 50, 200, 200  # runs of each kind, and keys of each run
ROUNDS = 5


def planned(batches: int = 10_000) -> Iterator[tuple[str, float]]:
    """Seconds of a plan; each batch has rows due in both lanes.

    Beside the time that passed, processor time, which load hardly changes.
    """
    snapshot = _snapshot(batches)
    seconds, processor = [], []
    for generation in range(ROUNDS):
        started, busy = time.perf_counter(), time.process_time()
        plan(snapshot, SPLIT, Limits(), generation)
        seconds.append(time.perf_counter() - started)
        processor.append(time.process_time() - busy)
    yield f"planning.{batches}.seconds", statistics.median(seconds)
    yield f"planning.{batches}.processor_seconds", statistics.median(processor)


def _snapshot(batches: int) -> Snapshot:
    keys = tuple(f"t{n % TENANTS:02d}/2026-01-{1 + n // 5000:02d}/{n:03d}" for n in range(batches))
    cpu, gpu = SPLIT
    ranges = [keys[n * 50 % batches :][:KEYS] for n in range(REMEMBERED)]
    return Snapshot(
        now=NOW,
        due=tuple(
            DueBatch(batch=key, tenant=key[:3], stage=stage, rows=3, oldest=NOW - n % 100)
            for n, key in enumerate(keys)
            for stage in ("validated", "enriched")
        ),
        keys=keys,
        runs=(),
        failed=tuple(
            FailedRun(run_id=f"f{n}", job=cpu.job, keys=range_, at=NOW - 100)
            for n, range_ in enumerate(ranges)
        ),
        succeeded=tuple(
            EndedRun(run_id=f"s{n}", job=gpu.job, keys=range_, at=NOW - 100)
            for n, range_ in enumerate(ranges)
        ),
        weights={},
        seconds_per_row={"validated": 0.1, "enriched": 0.1},
    )


if __name__ == "__main__":
    import sys

    for figure, value in planned(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000):
        print(f"{figure:<40} {value:9.3f}", flush=True)
