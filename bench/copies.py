"""What an image costs whose bytes the tenant has thousands of times: `python -m bench.copies [N]`.

Truth is SQLite and PostgreSQL. All images but the last hundred are decided. Measured is what the
stages do with Truth for the others: `enriched` looks for equals that were looked at before, and
`curated` decides and commits. Models and Dagster are apart. Medians of five groups.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from sqlalchemy import text

from bench.store import LEASE, NOW, arrive, databases
from parjanya_dagster.execution.stages.curate import Curate
from parjanya_dagster.execution.stages.infer import EQUALS
from parjanya_dagster.policy import builtin
from parjanya_dagster.truth.requests import ClaimRequest
from parjanya_dagster.truth.sql import SqlStore, open_store
from parjanya_dagster.truth.sql.engine import writing

SIZES = (1_000, 60_000)
OPEN, TOGETHER = 100, 20  # rows that are not decided, and rows that a worker takes at once
POLICY = builtin()["default@1"]


def copied(most: int = 60_000) -> Iterator[tuple[str, float]]:
    """Milliseconds per row by database and number of copies, and how they grow."""
    for name, database in databases(durable=False):
        first: dict[str, float] = {}
        for size in (size for size in SIZES if size <= most):
            with database() as url:
                store = open_store(url, migrating=True)
                arrive(store, "acme", size)
                _decide_all_but_some(store)
                for stage, cost in (("enriched", _looked_up(store)), ("curated", _decided(store))):
                    yield f"copies.{name}.{size}.{stage}.ms", cost
                    if stage in first:
                        yield f"copies.{name}.{size}.{stage}.growth", cost / first[stage]
                    first.setdefault(stage, cost)
                store.close()


def _decide_all_but_some(store: SqlStore) -> None:
    """Give all rows the same bytes, and leave the last ones to `curated`."""
    evidence = '{"validated": "1", "enriched": "1", "scored": "1"}'
    with writing(store.engine) as connection:
        connection.execute(
            text(
                "UPDATE images SET sha256 = 'same', evidence = :evidence, due_at = NULL, "
                "verdict = 'accept', pipeline_status = 'curated'"
            ),
            {"evidence": evidence},
        )
        connection.execute(
            text(
                "UPDATE images SET due_at = :now, verdict = NULL, "
                "pipeline_status = 'pending_curation' WHERE image_id IN "
                "(SELECT image_id FROM images ORDER BY landed_at DESC, image_id DESC LIMIT :some)"
            ),
            {"now": NOW, "some": OPEN},
        )
    with store.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))


def _looked_up(store: SqlStore) -> float:
    times = []
    for _ in range(OPEN // TOGETHER):
        started = time.perf_counter()
        assert len(store.twins("acme", {"same"}, EQUALS)["same"]) == EQUALS
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000 / TOGETHER


def _decided(store: SqlStore) -> float:
    curate = Curate(store, lambda _: POLICY, run_id="bench", clock=lambda: NOW)
    request = ClaimRequest(
        stage="curated", batches=store.batches(), limit=TOGETHER, owner="bench", lease=LEASE
    )
    times, rows = [], 0
    while True:
        started = time.perf_counter()
        if not (claims := store.claim(request, NOW)):
            break
        rows += len(store.commit(list(curate.work(claims)), NOW, "bench").applied)
        times.append(time.perf_counter() - started)
    assert rows == OPEN
    return statistics.median(times) * 1000 / TOGETHER


if __name__ == "__main__":
    import sys

    for figure, value in copied(int(sys.argv[1]) if len(sys.argv) > 1 else 60_000):
        print(f"{figure:<40} {value:9.3f}", flush=True)
