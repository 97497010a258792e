"""What finding near duplicates costs as a tenant's archive grows: `python -m bench.duplicates`.

Hashes are drawn at random: each image has eight views, as the platform makes them. Real hashes
crowd together more, which the limit per key bounds; `bench.resemblance` works on real images.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from parjanya_dagster.media import likeness_keys
from parjanya_dagster.truth.sql import open_store
from parjanya_dagster.truth.sql.engine import reading
from parjanya_dagster.truth.sql.likeness import _filed
from parjanya_dagster.truth.store import Store

TENANT, DISTANCE, LOOKUPS = "acme", 12, 200


@dataclass(frozen=True)
class LookUps:
    """Figures of one archive."""

    images: int
    rows_per_image: float  # in the index
    bytes_per_image: float  # of the database file
    read: float  # index rows per look-up
    milliseconds: float  # per image, looked up 50 at a time
    crowded_milliseconds: float  # the same, where all share their keys with the whole archive


def measure(images: int, crowd: int = 0, seed: int = 7) -> LookUps:
    """Look up unknown images in an archive of `images`, and in one where they are all alike."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="parjanya-bench-") as folder:
        path = Path(folder) / "truth.db"
        store = open_store(f"sqlite:///{path}", migrating=True)
        empty = path.stat().st_size
        rows = _fill(path, images, draw)
        unknown = {f"new-{n}": likeness_keys(views(draw)) for n in range(LOOKUPS)}
        some = [dict(list(unknown.items())[n : n + 50]) for n in range(0, LOOKUPS, 50)]
        with reading(store.engine) as connection:
            read = sum(
                len(found)
                for keys in unknown.values()
                for found in _filed(connection, TENANT, list(keys)).values()
            )
        plain = _seconds(store, some)
        _fill(path, crowd or images // 10, draw, same=True)
        alike = likeness_keys(views(random.Random(0)))
        crowded = _seconds(store, [{f"new-{n}": alike for n in range(50)}])
        size = path.stat().st_size - empty
        store.close()
    return LookUps(
        images,
        rows / images,
        size / (images + (crowd or images // 10)),
        read / LOOKUPS,
        1e3 * plain / LOOKUPS,
        1e3 * crowded / 50,
    )


def views(draw: random.Random) -> list[str]:
    """The hashes of an image, of six parts of it, and of it in a mirror."""
    first = draw.getrandbits(64)
    parts = [f"{first ^ _flipped(draw, count):016x}" for count in (0, 4, 10, 14, 14, 14, 14)]
    return [*parts, f"{draw.getrandbits(64):016x}"]


def _flipped(draw: random.Random, count: int) -> int:
    return sum(1 << bit for bit in draw.sample(range(64), count))


def _fill(path: Path, images: int, draw: random.Random, *, same: bool = False) -> int:
    """Write the index alone, in the order of its keys. Returns how many rows."""

    def rows() -> Iterator[tuple[str, float, str, int]]:
        alike = views(random.Random(0))
        for n in range(images):
            image_id = f"{n:024x}"
            for key, view in likeness_keys(alike if same else views(draw)).items():
                yield key, float(n), image_id, view

    ordered = sorted(rows())
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.executemany(
            'INSERT OR IGNORE INTO likenesses (tenant, "key", landed_at, image_id, "view") '
            f"VALUES ('{TENANT}', ?, ?, ?, ?)",
            ordered,
        )
    connection.close()
    return len(ordered)


def _seconds(store: Store, parts: list[dict[str, dict[str, int]]]) -> float:
    for part in parts[:1]:
        store.alike(TENANT, part, DISTANCE)
    began = time.perf_counter()
    for part in parts:
        store.alike(TENANT, part, DISTANCE)
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", nargs="*", type=int, default=[10_000, 100_000])
    for images in parser.parse_args().images:
        one = measure(images)
        print(
            f"{images} images: {one.rows_per_image:.1f} index rows and {one.bytes_per_image:.0f} "
            f"bytes each; a look-up reads {one.read:.0f} rows in {one.milliseconds:.2f} ms, "
            f"{one.crowded_milliseconds:.2f} ms where all are alike"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
