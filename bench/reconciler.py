"""What a tick of the reconciler costs with 1,000 rows due, beside a short and a long history.

A real Dagster instance (SQLite storage in a folder) holds the partition keys of the whole history;
Truth is SQLite and PostgreSQL. The tick is that of production, `intent.loop`: settling, comparing,
eligibility, emission. Only its pauses cost nothing: they move an injected clock.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import text

from bench.store import DUE, NOW, arrive, databases, grow
from parjanya_dagster.belief.runs import DagsterBelief
from parjanya_dagster.intent.loop import Loop
from parjanya_dagster.lanes import EMBEDDED
from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.platform import Platform
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.sql import SqlStore, open_store

SIZES = {"sqlite": (10_000, 1_000_000), "postgresql": (10_000, 1_000_000, 10_000_000)}
ROUNDS = 15
STEP = 1_000_000  # rows copied in one statement


@dataclass
class Clock:
    """Time that moves when the loop pauses."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


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
                objects = FolderObjects(Path(folder, "buckets"), 0.0)
                clock = Clock()
                settings = Settings(home=Path(folder))
                platform = Platform(settings, store, objects, clock, clock.pass_by)
                loop = replace(platform.loop(belief), lanes=EMBEDDED)
                for rows in (size for size in SIZES[name] if size <= most):
                    _history(store, rows)
                    instance.add_dynamic_partitions("image_batches", _keys(store, rows))
                    cost = _tick(loop, clock)
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


def _tick(loop: Loop, clock: Clock) -> float:
    """The median of several ticks, in milliseconds; the first one is not counted."""
    times = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        (emission,) = loop.tick()
        times.append((time.perf_counter() - started) * 1000)
        assert emission.plan.due_rows == DUE
        assert emission.runs
        clock.pass_by(1.0)
    return statistics.median(times[1:])


if __name__ == "__main__":
    import sys

    for figure, value in ticks(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000):
        print(f"{figure:<40} {value:9.2f}", flush=True)
