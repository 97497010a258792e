"""How fast Truth is: claims and commits per second, and what finding due work costs.

    python -m bench.store [--json FILE] [--rows N] [--history N] [--durable]

The PostgreSQL server is a fresh one on this machine. It does not wait for its disk unless
`--durable`. SQLite always does: its files are in the temporary directory.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import text

from parjanya_dagster.truth.models import Arrival, Evidence, Tenant
from parjanya_dagster.truth.outcomes import Claim, Completed
from parjanya_dagster.truth.requests import ClaimRequest
from parjanya_dagster.truth.sql import SqlStore, open_store
from parjanya_dagster.truth.sql.engine import writing
from parjanya_dagster.truth.sql.schema import images
from tests.support.servers import PostgresServer

NOW = 1_760_000_000.0
LEASE = 600.0
MICRO_BATCH = 50  # as many rows as a worker claims and commits at once
DUE = 1_000

BODY: dict[str, Any] = {
    "format": "jpeg",
    "mime": "image/jpeg",
    "bytes": 3_482_113,
    "width": 4032,
    "height": 3024,
    "orientation": 1,
    "frames": 1,
    "animated": False,
    "bit_depth": 8,
    "channels": 3,
    "alpha": False,
    "sha256": "ab" * 32,
    "phash": "0123456789abcdef",
    "exif": {
        "camera_make": "Maker",
        "camera_model": "Model 7",
        "lens": "24-70mm F2.8",
        "taken_at": "2025-10-09T12:00:00+02:00",
        "exposure_time": 0.004,
        "f_number": 5.6,
        "iso": 200,
        "focal_length_mm": 35.0,
        "gps_present": True,
    },
    "technical": {f"measure_{n}": 0.123456789 for n in range(13)},
    "preview": {"width": 1024, "height": 768, "bytes": 181_233},
}
"""Evidence of the size that `validated` writes, about 1 kB."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--rows", type=int, default=6_000, help="rows to claim and commit")
    parser.add_argument("--history", type=int, default=1_000_000, help="curated rows beside due")
    parser.add_argument("--durable", action="store_true", help="PostgreSQL waits for its disk")
    options = parser.parse_args()
    figures: dict[str, float] = {}
    for name, database in databases(durable=options.durable):
        with database() as url:
            figures |= throughput(name, url, options.rows, [1] if name == "sqlite" else [1, 4, 8])
        with database() as url:
            figures |= finding(name, url, options.history)
    for figure, value in figures.items():
        print(f"{figure:44} {value:12,.3f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def databases(*, durable: bool) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The backends, and a context that makes an empty database of each."""

    @contextmanager
    def sqlite() -> Iterator[str]:
        with tempfile.TemporaryDirectory() as directory:
            yield f"sqlite:///{directory}/truth.db"

    yield "sqlite", sqlite
    server = PostgresServer()
    try:
        server.start(
            {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"} if durable else {}
        )

        @contextmanager
        def postgresql() -> Iterator[str]:
            name = server.create_database()
            yield server.url(name)
            server.drop_database(name)

        yield "postgresql", postgresql
    finally:
        server.remove()


def throughput(name: str, url: str, rows: int, crews: list[int]) -> dict[str, float]:
    """Rows per second through one stage (claim and commit), for each number of workers."""
    store = open_store(url, migrating=True)
    figures: dict[str, float] = {}
    started = time.perf_counter()
    arrive(store, "t0", rows)
    figures[f"{name}.register.rows_per_second"] = rows / (time.perf_counter() - started)
    for turn, workers in enumerate(crews):
        slug = f"t{turn}"
        if turn:
            arrive(store, slug, rows)
        served = server_cpu()
        elapsed, committing, worked = race(url, store.batches(slug), workers)
        figures[f"{name}.claim_commit.workers_{workers}.rows_per_second"] = rows / elapsed
        cpu = worked + server_cpu() - served
        figures[f"{name}.claim_commit.workers_{workers}.cpu_ms_per_row"] = cpu / rows * 1000
        if workers == 1:
            figures[f"{name}.commit.ms_per_row_and_stage"] = committing / rows * 1000
    store.close()
    return figures


def server_cpu() -> float:
    """CPU seconds that the PostgreSQL server of this benchmark has used so far.

    On a busy machine this says more than the clock does.
    """
    spent = 0.0
    for child in psutil.Process().children(recursive=True):
        if child.name() == "postgres":
            times = child.cpu_times()
            spent += times.user + times.system + times.children_user + times.children_system
    return spent


def race(url: str, batches: list[str], workers: int) -> tuple[float, float, float]:
    """Seconds until `workers` processes have committed all rows; their sums of seconds
    committing, and of CPU seconds."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(workers), context.Queue()
    crew = [
        context.Process(target=work, args=(url, batches[n:] + batches[:n], n, barrier, results))
        for n in range(workers)
    ]
    for one in crew:
        one.start()
    spans = [results.get() for _ in crew]
    for one in crew:
        one.join()
    elapsed = max(s[1] for s in spans) - min(s[0] for s in spans)
    return elapsed, sum(s[2] for s in spans), sum(s[3] for s in spans)


def work(url: str, batches: list[str], number: int, barrier: Any, results: Any) -> None:
    """One worker process: it claims and commits micro-batches until there is nothing left.

    Each starts at a batch of its own, as the runs of a lane do.
    """
    store = open_store(url)
    share = [batches[start : start + 3] for start in range(0, len(batches), 3)]
    barrier.wait()
    started, committing, cpu = time.time(), 0.0, time.process_time()
    for some in share:
        while claims := store.claim(
            ClaimRequest(
                stage="validated", batches=some, limit=MICRO_BATCH, owner=f"w{number}", lease=LEASE
            ),
            NOW,
        ):
            before = time.perf_counter()
            store.commit([(claim, completed(claim)) for claim in claims], NOW, "run-1")
            committing += time.perf_counter() - before
    results.put((started, time.time(), committing, time.process_time() - cpu))
    store.close()


def completed(claim: Claim) -> Completed:
    found = Evidence(
        image_id=claim.image_id,
        stage=claim.stage,
        fingerprint="f" * 64,
        body=BODY,
        engine="media",
        model="",
        revision="1",
        determinism="exact",
        run_id="run-1",
        created_at=NOW,
    )
    preview = f"previews/{claim.image_id}.jpg"
    return Completed(found, {"sha256": claim.image_id, "phash": "0" * 16, "preview_key": preview})


def arrive(store: SqlStore, slug: str, rows: int) -> None:
    store.put_tenant(Tenant(slug=slug, bucket="bucket", prefix="incoming/", policy="default@1"))
    store.register(
        [
            Arrival(
                tenant=slug,
                bucket="bucket",
                key=f"{slug}/{n}.jpg",
                version="v1",
                size=1,
                landed_at=NOW,
            )
            for n in range(rows)
        ],
        NOW,
    )


def finding(name: str, url: str, history: int) -> dict[str, float]:
    """What `due` and a claim cost with 1,000 rows due, beside a short and a long history."""
    store = open_store(url, migrating=True)
    arrive(store, "acme", DUE)
    figures: dict[str, float] = {}
    for rows in (history // 10, history):
        grow(store, rows)
        figures[f"{name}.due.history_{rows}.ms"] = median_ms(lambda: store.due(NOW))
        figures[f"{name}.counts.history_{rows}.ms"] = median_ms(store.counts, 3)
    flat = figures[f"{name}.due.history_{history}.ms"]
    figures[f"{name}.due.growth"] = flat / figures[f"{name}.due.history_{history // 10}.ms"]
    store.close()
    return figures


def median_ms(call: Callable[[], Any], times: int = 15) -> float:
    spans = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        spans.append(time.perf_counter() - started)
    return statistics.median(spans) * 1000


def grow(store: SqlStore, rows: int, per_batch: int = 1000) -> None:
    """Copy a due row into curated ones until there are `rows` of them, within the database."""
    new = {
        "image_id": "'h' || n",
        "key": "'old/' || n",
        "batch": f"'acme/2000-01-01/' || (100 + (n - 1) / {per_batch})",
        "pipeline_status": "'curated'",
        "verdict": "'accept'",
        "due_at": "NULL",
        "sha256": "'sha-' || n",
    }
    names = ", ".join(f'"{column.name}"' for column in images.columns)
    values = ", ".join(new.get(column.name, f'"{column.name}"') for column in images.columns)
    with writing(store.engine) as connection:
        numbers = (
            "(SELECT generate_series AS n FROM generate_series(:first, :last)) AS numbers"
            if connection.dialect.name == "postgresql"
            else "(WITH RECURSIVE c(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM c "
            "WHERE n < :last) SELECT n FROM c) AS numbers"
        )
        have = connection.execute(text("SELECT count(*) FROM images")).scalar_one() - DUE
        connection.execute(
            text(
                f"INSERT INTO images ({names}) SELECT {values} FROM (SELECT * FROM images "
                f"WHERE due_at IS NOT NULL LIMIT 1) AS one, {numbers}"
            ),
            {"first": have + 1, "last": rows},
        )
    if store.engine.dialect.name == "postgresql":
        with store.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(
                text("VACUUM ANALYZE images")
            )


if __name__ == "__main__":
    print(f"{os.cpu_count()} cores")
    main()
