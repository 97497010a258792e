"""What one reconciliation costs with 1,000 rows due, beside a short and a long history.

A real Dagster instance (SQLite storage in a folder) holds the partition keys of the whole history;
Truth is SQLite and PostgreSQL. The reconciliation is complete: lapse, observe, plan, heartbeat.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import text

from bench.store import DUE, NOW, arrive, databases, grow
from parjanya_dagster.belief.observe import observe
from parjanya_dagster.belief.runs import DagsterBelief
from parjanya_dagster.intent.plan import Limits
from parjanya_dagster.intent.reconcile import reconcile
from parjanya_dagster.lanes import EMBEDDED
from parjanya_dagster.truth.sql import SqlStore, open_store

SIZES = {"sqlite": (10_000, 1_000_000), "postgresql": (10_000, 1_000_000, 10_000_000)}
ROUNDS = 15
STEP = 1_000_000  # rows copied in one statement


def ticks(most: int = 10_000_000) -> Iterator[tuple[str, float]]:
    """Milliseconds of a tick by database and history, and how they grow."""
    from dagster import DagsterInstance

    for name, database in databases(durable=False):
        with database() as url, tempfile.TemporaryDirectory() as folder:
            store = open_store(url, migrating=True)
            arrive(store, "acme", DUE)
            Path(folder, "dagster.yaml").write_text("telemetry: {enabled: false}\n")
            first = 0.0
            with DagsterInstance.from_config(folder) as instance:
                belief = DagsterBelief(instance, EMBEDDED)
                for rows in (size for size in SIZES[name] if size <= most):
                    _history(store, rows)
                    instance.add_dynamic_partitions("image_batches", _keys(store, rows))
                    cost = _tick(store, belief)
                    first = first or cost
                    yield f"reconciler.{name}.{rows}.ms", cost
                    if rows > SIZES[name][0]:
                        yield f"reconciler.{name}.{rows}.growth", cost / first
            store.close()


def _history(store: SqlStore, rows: int) -> None:
    with store.engine.connect() as connection:
        have = connection.execute(text("SELECT count(*) FROM images")).scalar_one() - DUE
    for upto in range(have + STEP, rows, STEP):
        grow(store, upto)
    grow(store, rows)


def _keys(store: SqlStore, rows: int) -> list[str]:
    """The keys of the history, a thousand images in each, and those of what is due."""
    return [f"acme/2000-01-01/{100 + n}" for n in range(rows // 1000 + 1)] + store.batches()


def _tick(store: SqlStore, belief: DagsterBelief) -> float:
    """The median of several reconciliations, in milliseconds; the first one is not counted."""
    times = []
    for number in range(ROUNDS + 1):
        started = time.perf_counter()
        done = reconcile(
            store,
            lambda now: observe(store, belief, now),
            belief.bury,
            EMBEDDED,
            Limits(),
            lambda number=number: NOW + number,  # type: ignore[misc]
        )
        times.append((time.perf_counter() - started) * 1000)
        assert done.plan.due_rows == DUE
        assert done.plan.requests
    return statistics.median(times[1:])


if __name__ == "__main__":
    import sys

    for figure, value in ticks(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000):
        print(f"{figure:<40} {value:9.2f}", flush=True)
