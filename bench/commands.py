"""What commands cost that are typed or asked often: `python -m bench.commands [OTHER CHECKOUT]`.

Processor time of each command as a process of its own, its interpreter included: over a home with a
few decided images, and over one with rows for hundreds more. Another checkout's commands run over
the same home, in turn with ours. A busy machine makes both longer: their ratio counts.
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from parjanya_dagster.truth import open_store
from tests.support.clock import Clock
from tests.support.releases import make_home

COMMANDS = (
    "--version",
    "doctor --quick",
    "status",
    "tenant list",
    "policy list",
    "explain IMAGE",
    "images",
)
ROUNDS = 5
MANY = 600  # images of the larger home


def spent(tree: Path, home: Path, command: list[str]) -> float:
    """Seconds of processor time of one command. Raises CalledProcessError where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "parjanya_dagster.cli", *command],
        cwd=home,  # and not a checkout, whose code would come first
        env={**os.environ, "PYTHONPATH": str(tree), "PARJANYA_HOME": str(home)},
        capture_output=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def home_in(folder: Path) -> tuple[Path, str]:
    """A home with decided images, and the id of one of them."""
    empty = folder / "empty.db"
    open_store(f"sqlite:///{empty}", migrating=True).close()  # type: ignore[attr-defined]
    home = make_home(empty, folder / "home", Clock())
    store = open_store(f"sqlite:///{home / 'truth.db'}")
    (tenant, *_) = store.tenants()
    return home, store.present(tenant.slug, "", 1)[0].image_id


def multiplied(home: Path) -> None:
    """Copies of one image's row, evidence and history, under ids and keys of their own."""
    with closing(sqlite3.connect(home / "truth.db")) as truth, truth:
        (first,) = truth.execute("SELECT min(image_id) FROM images").fetchone()
        for table in ("images", "evidence", "events"):
            columns = [row[1] for row in truth.execute(f"PRAGMA table_info({table})")]
            kept = [name for name in columns if name != "event_id"]
            new = {"image_id": "printf('%024x', n)", "key": "key || n", "sha256": "sha256 || n"}
            truth.execute(
                f"WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many LIMIT ?) "
                f"INSERT INTO {table} ({', '.join(kept)}) "
                f"SELECT {', '.join(new.get(name, name) for name in kept)} "
                f"FROM many, {table} WHERE image_id = ? ORDER BY n",
                (MANY, first),
            )
        truth.execute("UPDATE batches SET registered = registered + ?", (MANY,))


def measured(trees: list[Path], home: Path, image: str, rounds: int) -> dict[str, Any]:
    """Seconds of each command, by tree, the first run left out: it compiles."""
    figures: dict[str, list[list[float]]] = {}
    for name in COMMANDS:
        command = name.replace("IMAGE", image).split()
        times: list[list[float]] = [[] for _ in trees]
        for _ in range(rounds + 1):
            for tree, taken in zip(trees, times, strict=True):
                taken.append(spent(tree, home, command))
        figures[name] = [taken[1:] for taken in times]
        told = "  ".join(
            f"{statistics.median(taken):.2f} ({min(taken):.2f} to {max(taken):.2f})"
            for taken in figures[name]
        )
        print(f"{name:16} {told}", flush=True)
    return figures


def main(others: list[str]) -> int:
    trees = [*map(Path, others), Path(__file__).parents[1]]
    with tempfile.TemporaryDirectory() as folder:
        home, image = home_in(Path(folder))
        figures = {"few": measured(trees, home, image, ROUNDS)}
        multiplied(home)
        print(f"with {MANY} more images", flush=True)
        figures["many"] = measured(trees, home, image, ROUNDS)
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
