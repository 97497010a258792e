"""What an image takes on the disk beside itself: `python -m bench.footprint [IMAGES]`.

A fresh home without Dagster: the images are taken in and go through all stages in this process,
with the default engines. It prints bytes an image, as blocks of the disk and as lengths.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from bench.chain import images
from parjanya_dagster.catalog import Catalog
from parjanya_dagster.cli.filters import bring_up_to_date
from parjanya_dagster.execution.stage_run import StageRunner
from parjanya_dagster.ingest.copy_files import Upload, upload
from parjanya_dagster.platform import Platform, open_platform
from parjanya_dagster.settings import Settings

BLOCK = 512  # bytes of a unit of st_blocks


def taken(files: Iterable[Path]) -> tuple[int, int]:
    """Bytes of blocks and of lengths of these files."""
    found = [path.stat() for path in files if path.is_file()]
    return sum(one.st_blocks * BLOCK for one in found), sum(one.st_size for one in found)


def curated(platform: Platform, count: int) -> None:
    """Take in `count` images and decide them."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for index, data in enumerate(images(count)):
            path = Path(folder, f"{index:05d}.jpg")
            path.write_bytes(data)
            files.append(Upload(path, f"incoming/{path.name}"))
        tenant = platform.sweeper.add_tenant("bench")
        for _ in upload(platform.objects, tenant, files):
            pass
    platform.sweeper.sweep(1e12)
    lane = platform.lanes[0]
    runner = StageRunner.begin(platform, lane, run_id="run", ledger_id="run", job=lane.job)
    for stage in lane.stages:
        runner.run(stage, platform.store.batches())


def main(count: int) -> int:
    with tempfile.TemporaryDirectory(prefix="parjanya-bench-") as folder:
        home = Path(folder)
        platform = open_platform(Settings(home=home, arrivals={"settle": 0.0}), migrating=True)
        before = taken([home / "truth.db"])
        curated(platform, count)
        with closing(Catalog(home)) as catalog:
            bring_up_to_date(catalog, platform.store, platform.settings.home)
        platform.store.close()  # type: ignore[attr-defined]
        with closing(sqlite3.connect(home / "truth.db")) as truth:
            truth.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (bucket,) = (path for path in (home / "buckets").iterdir() if path.is_dir())
        parts = {kind.name: taken(kind.rglob("*")) for kind in sorted(bucket.iterdir())}
        after = taken([home / "truth.db"])
        parts["Truth"] = after[0] - before[0], after[1] - before[1]
        parts["catalog"] = taken(home.glob("catalog.db*"))
        for name, (blocks, length) in parts.items():
            print(f"{name:12} {blocks / count:10,.0f} {length / count:10,.0f} bytes an image")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
