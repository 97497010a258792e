"""How fast history is decided again: from asking until the last manifest, Dagster included.

A real instance (`parjanya up`) over images with recorded evidence and no pixels. The regrade is a
pure threshold change, so no model is loaded. It is asked for as an operator would, by the command
line, and carried out by the reconciler's packed runs.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from bench.recorded import land
from parjanya_dagster import policy
from parjanya_dagster.execution.stages import stage_work
from parjanya_dagster.execution.worker import Pace, work_off
from parjanya_dagster.platform import Platform, open_platform
from parjanya_dagster.settings import Settings, load, process_environment

PATIENCE = 1800.0  # seconds
TENANTS = ("acme", "bolt")
STRICTER = {"below: 20, review_from: 35": "below: 30, review_from: 45", "version: 1": "version: 3"}


def regraded(images: int = 100_000) -> Iterator[tuple[str, float]]:
    """Rows per second of a policy-only regrade, and what recomputing would take instead."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(prefix="parjanya-bench-") as folder:
        settings = load(Path(folder) / "home")
        platform = open_platform(settings)
        make_history(platform, images)
        seconds, reset = _through_dagster(settings, platform, images)
        yield "regrade.rows", float(images)
        yield "regrade.seconds", seconds
        yield "regrade.reset_seconds", reset
        yield "regrade.rows_per_second", images / seconds
        yield "regrade.runs", float(_runs(settings))
        yield from _against_recomputing(images / seconds)


def make_history(platform: Platform, images: int) -> None:
    """Tenants decided under default@1, and a stricter default@3 published beside it."""
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
        pace=Pace(500),
        clock=platform.clock,
    )
    assert decided.rows == images


def _through_dagster(settings: Settings, platform: Platform, images: int) -> tuple[float, float]:
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
            began = time.time()
            asked = subprocess.run(
                [*command, "regrade", *home, "--all", "--to", "default@3", "--yes",
                 "--no-backfill", "--no-wait"],
                env=environment, check=True, capture_output=True, text=True,
            )  # fmt: skip
            reset = time.time() - began
            print(asked.stdout, file=sys.stderr)
            _until(lambda: not store.regrading() and not store.stale_manifests())
            seconds = time.time() - began
            assert not store.mispinned()
            return seconds, reset
        finally:
            instance.send_signal(signal.SIGINT)
            instance.wait()


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("the regrade did not end in time")
        time.sleep(0.5)


def _runs(settings: Settings) -> int:
    from dagster import DagsterInstance, RunsFilter

    with DagsterInstance.from_config(str(settings.home / "dagster")) as instance:
        return instance.get_runs_count(RunsFilter(tags={"parjanya/policy": "default@3"}))


def _against_recomputing(rate: float) -> Iterator[tuple[str, float]]:
    """Enrichment of the same rows, by what one image takes here, models loaded."""
    from bench.stages import inferred

    each = dict(inferred())["stages.enriched.seconds"]
    yield "regrade.recompute_rows_per_second", 1.0 / each
    yield "regrade.of_recomputing", rate * each
