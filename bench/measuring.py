"""What one measurement for Prometheus costs, beside a short and a long history.

Truth is SQLite and PostgreSQL with 1,000 rows due. An empty Dagster instance is read
with it: what its runs and keys cost, `bench.reconciler` has.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.reconciler import SIZES, _history
from bench.store import DUE, NOW, arrive, databases
from parjanya_dagster.belief.runs import DagsterBelief
from parjanya_dagster.lanes import EMBEDDED
from parjanya_dagster.metrics.families import families
from parjanya_dagster.metrics.measure import measure
from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.platform import Platform
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.sql import open_store

ROUNDS = 5


def measurements(most: int = 1_000_000) -> Iterator[tuple[str, float]]:
    """Milliseconds of a measurement by database and history."""
    from dagster import DagsterInstance

    for name, database in databases(durable=False):
        with database() as url, tempfile.TemporaryDirectory() as folder:
            store = open_store(url, migrating=True)
            arrive(store, "acme", DUE)
            Path(folder, "dagster.yaml").write_text("telemetry: {enabled: false}\n")
            home = Settings(home=Path(folder) / "home")
            objects = FolderObjects(Path(folder), 0.0)
            platform = Platform(home, store, objects, lambda: NOW)
            with DagsterInstance.from_config(folder) as instance:
                belief = DagsterBelief(instance, EMBEDDED)
                for rows in (size for size in SIZES[name] if size <= most):
                    _history(store, rows)
                    yield f"measuring.{name}.{rows}.ms", _cost(platform, belief)
            store.close()


def _cost(platform: Platform, belief: DagsterBelief) -> float:
    times = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        seen = measure(platform, belief, lambda: ())
        assert not seen.unread, seen.unread
        assert sum(due.rows for due in seen.facts.snapshot.due) == DUE  # type: ignore[union-attr]
        families(seen)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times[1:])


if __name__ == "__main__":
    for what, milliseconds in measurements():
        print(f"{what:40} {milliseconds:8.1f}", flush=True)
