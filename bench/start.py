"""What it takes to start an instance, and to let it run: `python -m bench.start [OTHER CHECKOUT]`.

`parjanya up` over a new home, until it says where the UI is. Then it is left alone. Processor time
is that of all its processes. Another checkout starts in turn with ours. On a busy machine the time
that passes says little, and the ratio of processor times counts.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROUNDS = 3
LOADING = 30.0  # seconds after the start, in which processes that stand by load their models
IDLE = 60.0  # seconds that are measured after that
MEASURES = {
    "passed": "s until it is ready",
    "ready": "s of processor time until it is ready",
    "loaded": "s of processor time once the stand-by process has loaded",
    "idle": "s of processor time in a minute with nothing to do",
    "memory": "MB (PSS) of all processes together",
}


def family(up: int) -> list[psutil.Process]:
    head = psutil.Process(up)
    return [head, *head.children(recursive=True)]


def spent(up: int) -> float:
    """Processor seconds of these processes, and of those that they have waited for."""
    total = 0.0
    for process in family(up):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def memory(up: int) -> float:
    total = 0
    for process in family(up):
        try:
            total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total / 1e6


def started(tree: Path, home: Path) -> dict[str, float]:
    """One start of this tree, by the names of MEASURES."""
    foreign = ("PARJANYA_", "DAGSTER_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "parjanya_dagster.cli", "up", "--home", str(home)],
        cwd=home,  # and not a checkout, whose code would come first
        env={**kept, "PYTHONPATH": str(tree)},
        stdout=subprocess.PIPE,
        text=True,
    ) as up:
        try:
            assert up.stdout is not None
            if not any(line.startswith("The UI is at ") for line in up.stdout):
                raise SystemExit("the instance did not start")
            found = {"passed": time.monotonic() - began, "ready": spent(up.pid)}
            time.sleep(LOADING)
            found["loaded"] = spent(up.pid)
            time.sleep(IDLE)
            found["idle"] = (spent(up.pid) - found["loaded"]) * 60 / IDLE
            found["memory"] = memory(up.pid)
            return found
        finally:
            up.send_signal(signal.SIGTERM)


def main(others: list[str]) -> int:
    trees = [*map(Path, others), Path(__file__).parents[1]]
    taken: list[list[dict[str, float]]] = [[] for _ in trees]
    for tree in trees:
        sources = [tree / package for package in ("parjanya_dagster", "gpu_ops")]
        subprocess.run([sys.executable, "-m", "compileall", "-q", *sources], check=False)
    for round_ in range(ROUNDS):
        for tree, figures in zip(trees, taken, strict=True):
            with tempfile.TemporaryDirectory(prefix="parjanya-bench-") as folder:
                figures.append(started(tree, Path(folder)))
            print(f"{round_} {tree.name:10} {json.dumps(figures[-1])}", flush=True)
    for measure, meaning in MEASURES.items():
        told = []
        for figures in taken:
            values = [one[measure] for one in figures]
            told.append(f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})")
        print(f"{'  '.join(told)}  {meaning}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
