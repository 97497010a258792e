"""How fast history is decided again: from asking until the last manifest, Dagster included.

A real instance (`parjanya up`) over images with recorded evidence and no pixels. The regrade is a
pure threshold change, so no model is loaded. It is asked for as an operator would, by the command
line, and carried out by the reconciler's packed runs.

    python -m bench.regrade 20000     # fewer images than the 100,000 of `python -m bench regrade`
"""

from __future__ import annotations

import contextlib
import logging
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import structlog

from bench.recorded import land
from parjanya_dagster import policy
from parjanya_dagster.execution.heartbeat import note_pace
from parjanya_dagster.execution.stages.build import stage_work
from parjanya_dagster.execution.worker import Pace, work_off
from parjanya_dagster.platform import Platform, open_platform
from parjanya_dagster.settings import Settings, load, process_environment

PATIENCE = 1800.0  # seconds
TENANTS = ("acme", "bolt")
STRICTER = {
    "name: default": "name: stricter",
    "below: 20, review_from: 35": "below: 30, review_from: 45",
}


def regraded(images: int = 100_000) -> Iterator[tuple[str, float]]:
    """Rows per second of a policy-only regrade, and what recomputing would take instead."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(prefix="parjanya-bench-") as folder:
        settings = load(Path(folder) / "home")
        platform = open_platform(settings, migrating=True)
        make_history(platform, images)
        took = _through_dagster(settings, platform)
        yield "regrade.rows", float(images)
        yield "regrade.seconds", took.seconds
        yield "regrade.reset_seconds", took.sending
        yield "regrade.rows_per_second", images / took.seconds
        yield "regrade.runs", float(_runs(settings))
        yield "regrade.cpu_ms_per_row", 1e3 * took.processor / images
        for part, seconds in took.processor_by_part.items():
            yield f"regrade.cpu_ms_per_row.{part}", 1e3 * seconds / images
        yield from _against_recomputing(images / took.seconds)


def make_history(platform: Platform, images: int) -> None:
    """Tenants decided under default@1, and stricter@1 published beside it."""
    text = policy.builtin()["default@1"].text
    for old, new in STRICTER.items():
        text = text.replace(old, new)
    platform.registry.publish(policy.load(text))
    for tenant in TENANTS:
        land(platform, tenant, images // len(TENANTS), policy="default@1")
    decided = work_off(
        platform.store,
        stage_work(platform, "curated", "history"),
        platform.store.batches(),
        owner="history",
        pace=Pace(rows=500),
        clock=platform.clock,
    )
    assert decided.rows == images
    note_pace(platform.store, "curated", decided, platform.clock())


@dataclass(frozen=True)
class Took:
    """Seconds, of the clock and of processors (user and system)."""

    seconds: float
    sending: float  # of these, until all rows were sent back
    processor_by_part: dict[str, float]

    @property
    def processor(self) -> float:
        return sum(self.processor_by_part.values())


class Processors:
    """Processor time of a process and all below it, by part, from looks at them.

    What a process used after the last look at it is missing: half a second of each run at most.
    """

    def __init__(self, pid: int) -> None:
        self._top = psutil.Process(pid)
        self._used: dict[psutil.Process, tuple[str, float]] = {}
        self._before: dict[psutil.Process, float] = {}
        self.look()
        self._before = {process: used for process, (_, used) in self._used.items()}

    def look(self) -> None:
        for process in [self._top, *self._top.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                used = process.cpu_times()
                part = self._used[process][0] if process in self._used else _part(process)
                self._used[process] = (part, used.user + used.system)

    def by_part(self) -> dict[str, float]:
        total: dict[str, float] = defaultdict(float)
        for process, (part, used) in self._used.items():
            total[part] += used - self._before.get(process, 0.0)
        return dict(total)


def _part(process: psutil.Process) -> str:
    """Dagster's code server starts the process of each run by Python's multiprocessing."""
    return "runs" if "spawn_main" in " ".join(process.cmdline()) else "instance"


def _through_dagster(settings: Settings, platform: Platform) -> Took:
    environment = process_environment(settings)
    command = [sys.executable, "-m", "parjanya_dagster.cli"]
    home = ["--home", str(settings.home)]
    with subprocess.Popen(
        [*command, "up", *home], stdout=subprocess.PIPE, text=True, env=environment
    ) as instance:
        try:
            assert instance.stdout is not None
            for line in instance.stdout:
                if line.startswith("The UI is at "):
                    break
            store = platform.store
            _until(lambda: not store.stale_manifests() and "reconciler" in store.heartbeats())
            time.sleep(10)  # runs that wrote the first manifests end
            processors = Processors(instance.pid)
            began, before = time.time(), resource.getrusage(resource.RUSAGE_CHILDREN)
            asked = subprocess.run(
                [*command, "regrade", *home, "--all", "--to", "stricter@1", "--yes",
                 "--no-backfill", "--no-wait"],
                env=environment, check=True, capture_output=True, text=True,
            )  # fmt: skip
            sending = time.time() - began
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            print(asked.stdout, file=sys.stderr)
            _until(lambda: not store.regrading() and not store.stale_manifests(), processors.look)
            seconds = time.time() - began
            assert not store.mispinned()
            sent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            return Took(seconds, sending, {"sending": sent, **processors.by_part()})
        finally:
            instance.send_signal(signal.SIGINT)
            instance.wait()


def _until(condition: Callable[[], object], meanwhile: Callable[[], None] = lambda: None) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        meanwhile()
        if time.monotonic() > deadline:
            raise SystemExit("the regrade did not end in time")
        time.sleep(0.5)


def _runs(settings: Settings) -> int:
    from dagster import DagsterInstance, RunsFilter

    with DagsterInstance.from_config(str(settings.home / "dagster")) as instance:
        return instance.get_runs_count(RunsFilter(tags={"parjanya/policy": "stricter@1"}))


def _against_recomputing(rate: float) -> Iterator[tuple[str, float]]:
    """Enrichment of the same rows, by what one image takes here, models loaded."""
    from bench.stages import inferred

    each = dict(inferred())["stages.enriched.seconds"]
    yield "regrade.recompute_rows_per_second", 1.0 / each
    yield "regrade.of_recomputing", rate * each


if __name__ == "__main__":
    for name, value in regraded(int(sys.argv[1])):
        print(f"{name:<40} {value:10.3f}", flush=True)
