"""What commands cost that are typed or asked often: `python -m bench.commands [OTHER CHECKOUT]`.

Processor time of each command as a process of its own, its interpreter included, over a home with a
few decided images. Another checkout's commands run over the same home, in turn with ours. A busy
machine makes both longer: their ratio counts.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

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


def main(others: list[str]) -> int:
    trees = [*map(Path, others), Path(__file__).parents[1]]
    figures: dict[str, list[list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        home, image = home_in(Path(folder))
        for name in COMMANDS:
            command = name.replace("IMAGE", image).split()
            times: list[list[float]] = [[] for _ in trees]
            for _ in range(ROUNDS + 1):  # the first compiles, and does not count
                for tree, taken in zip(trees, times, strict=True):
                    taken.append(spent(tree, home, command))
            figures[name] = [taken[1:] for taken in times]
            told = "  ".join(
                f"{statistics.median(taken):.2f} ({min(taken):.2f} to {max(taken):.2f})"
                for taken in figures[name]
            )
            print(f"{name:16} {told}", flush=True)
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
