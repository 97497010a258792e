"""What a tick costs where each of 200 batches has one due row among its decided ones.

And what counts of images cost: those that are kept, and a count of all rows.

Split lanes: rows wait for models, so the tick looks whether their previews are there before it asks
for runs. Small batches stand for a short history, full ones beside a long rest for a long one.
`python -m bench.scattered [ROWS]`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from sqlalchemy import text

from bench.reconciler import ROUNDS, Clock
from bench.store import DUE, NOW, arrive, databases, grow
from parjanya_dagster.belief.runs import DagsterBelief
from parjanya_dagster.intent.loop import Loop
from parjanya_dagster.lanes import SPLIT
from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.platform import Platform
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.sql import SqlStore, open_store
from parjanya_dagster.truth.sql.engine import writing

BATCHES = 200
SHORT, LONG = 10_000, 1_600_000  # rows of history
STEP = 400_000  # rows copied in one statement


def ticks(most: int = LONG) -> Iterator[tuple[str, float]]:
    """Milliseconds of a tick by database and history, and how they grow."""
    from dagster import DagsterInstance

    for name, database in databases(durable=False):
        first = 0.0
        for rows in (SHORT, most):
            with database() as url, tempfile.TemporaryDirectory() as folder:
                store = open_store(url, migrating=True)
                _history(store, rows)
                kept, counted = _milliseconds(store.counts), _milliseconds(store.counted)
                Path(folder, "dagster.yaml").write_text("telemetry: {enabled: false}\n")
                with DagsterInstance.from_config(folder) as instance:
                    instance.add_dynamic_partitions("image_batches", _keys(rows))
                    belief = DagsterBelief(instance, SPLIT)
                    objects = FolderObjects(Path(folder, "buckets"), 0.0)
                    clock = Clock()
                    settings = Settings(home=Path(folder), lanes={"layout": "split"})
                    platform = Platform(settings, store, objects, clock, clock.pass_by)
                    loop = replace(platform.loop(belief), lanes=SPLIT)
                    cost, processor = _tick(loop, clock)
                store.close()
                yield f"scattered.{name}.{rows}.counts_ms", kept
                yield f"scattered.{name}.{rows}.counted_ms", counted
                yield f"scattered.{name}.{rows}.ms", cost
                yield f"scattered.{name}.{rows}.processor_ms", processor
                if first:
                    yield f"scattered.{name}.{rows}.growth", cost / first
                first = first or cost


def _per_batch(rows: int) -> int:
    return min(1000, rows // BATCHES)


def _keys(rows: int) -> list[str]:
    return [f"acme/2000-01-01/{100 + n}" for n in range(rows // _per_batch(rows) + 1)]


def _history(store: SqlStore, rows: int) -> None:
    """Decided rows, and in each of the first batches one that waits for a model."""
    arrive(store, "acme", DUE)
    for upto in [*range(STEP, rows, STEP), rows]:
        grow(store, upto, _per_batch(rows))
    waiting = ", ".join(f"'h{n * _per_batch(rows) + 1}'" for n in range(BATCHES))
    with writing(store.engine) as connection:
        connection.execute(text("UPDATE images SET due_at = NULL, pipeline_status = 'curated'"))
        connection.execute(
            text(
                "UPDATE images SET due_at = :now, pipeline_status = 'pending_vlm_enrichment', "
                f"preview_bucket = bucket, preview_key = 'previews/1' WHERE image_id IN ({waiting})"
            ),
            {"now": NOW},
        )
    with store.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))


def _milliseconds(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return (time.perf_counter() - began) * 1000


def _tick(loop: Loop, clock: Clock) -> tuple[float, float]:
    """The medians of several ticks, in milliseconds; the first one is not counted.

    Beside the time that passed, the processor time of this process, which load hardly changes.
    """
    passed, used = [], []
    for _ in range(ROUNDS + 1):
        began, busy = time.perf_counter(), time.process_time()
        (emission,) = loop.tick()
        passed.append((time.perf_counter() - began) * 1000)
        used.append((time.process_time() - busy) * 1000)
        assert emission.plan.due_rows == BATCHES
        assert emission.runs
        clock.pass_by(1.0)
    return statistics.median(passed[1:]), statistics.median(used[1:])


if __name__ == "__main__":
    import sys

    for figure, value in ticks(int(sys.argv[1]) if len(sys.argv) > 1 else LONG):
        print(f"{figure:<40} {value:9.2f}", flush=True)
