"""`python -m bench [SUITE…]`: measure, compare with floors.yaml, print a table, write JSON.

Exits 1 where a figure falls short of its aim, and 2 where an aimed figure was not measured.
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import structlog
import yaml
from rich.console import Console
from rich.table import Table

FLOORS = Path(__file__).with_name("floors.yaml")
Figures = Iterator[tuple[str, float]]


def chain() -> Figures:
    """Seconds from file landed to curated, split into where they went."""
    from bench.chain import measure

    for count in (1, 50, 500):
        journey = measure(count)
        yield f"chain.{count}.seconds", journey.total
        for part in ("tick", "queue", "process", "loading", "work", "truth", "rest"):
            yield f"chain.{count}.{part}", getattr(journey, part)
        yield f"chain.{count}.runs", journey.runs
        if count == 500:
            yield "chain.500.overhead", journey.overhead_ms


def stages() -> Figures:
    """What each stage costs per image, beside what it could cost at best."""
    from bench.stages import inferred, validated

    yield from validated()
    yield from inferred()


def durable() -> Figures:
    """What it costs that objects in folders survive a loss of power."""
    from bench.durable import costs

    yield from costs()


def neighbour() -> Figures:
    """Seconds of one tenant's image while another's first 100,000 files arrive."""
    from bench.neighbour import waits

    yield from waits()


def store() -> Figures:
    """Claims and commits per second, with 1, 4 and 8 workers."""
    from bench.store import databases, throughput

    for name, database in databases(durable=False):
        with database() as url:
            figures = throughput(name, url, 6_000, [1] if name == "sqlite" else [1, 4, 8])
        yield from ((f"store.{figure}", value) for figure, value in figures.items())


def reconciler() -> Figures:
    """A reconciler's tick beside a short and a long history."""
    from bench.reconciler import ticks

    yield from ticks()


def scattered() -> Figures:
    """A tick where 200 batches have one due row each among their decided ones."""
    from bench.scattered import ticks

    yield from ticks()


def planning() -> Figures:
    """`plan()` with 10,000 due batches and 400 remembered runs."""
    from bench.planning import planned

    yield from planned()


def copies() -> Figures:
    """An image whose bytes the tenant has 1,000 and 60,000 times."""
    from bench.copies import copied

    yield from copied()


def measuring() -> Figures:
    """One measurement for Prometheus, beside a short and a long history."""
    from bench.measuring import measurements

    yield from measurements()


def catalog() -> Figures:
    """The desk's questions to a catalog of a million images."""
    from bench.catalog import measure

    yield from ((f"catalog.{name}", value) for name, value in measure().items())


def desk() -> Figures:
    """The catalog behind 50 images a second, and the next image of Review in Chromium."""
    from bench.desk import lag, review

    yield from ((f"desk.lag.{name}", value) for name, value in lag().items())
    yield from ((f"desk.review.{name}", value) for name, value in review().items())


def regrade() -> Figures:
    """Rows per second of a policy-only regrade of 100,000 images, Dagster included."""
    from bench.regrade import regraded

    yield from regraded()


def release() -> Figures:
    """A release of 2,000 images against a plain tar of the same files."""
    from bench.release import measurements

    yield from measurements()


SUITES: dict[str, Callable[[], Figures]] = {
    "chain": chain,
    "stages": stages,
    "durable": durable,
    "neighbour": neighbour,
    "regrade": regrade,
    "store": store,
    "reconciler": reconciler,
    "measuring": measuring,
    "scattered": scattered,
    "planning": planning,
    "copies": copies,
    "catalog": catalog,
    "desk": desk,
    "release": release,
}


def judge(figure: float | None, aim: dict[str, Any]) -> str:
    """ok, short, not measured, or nothing where there is no aim."""
    if "at_most" not in aim and "at_least" not in aim:
        return ""
    if figure is None:
        return "not measured"
    too_much = "at_most" in aim and figure > aim["at_most"]
    too_little = "at_least" in aim and figure < aim["at_least"]
    return "short" if too_much or too_little else "ok"


def machine() -> dict[str, Any]:
    packages = ("dagster", "sqlalchemy", "pyvips", "torch", "onnxruntime", "pyiqa")
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "processor": _processor(),
        "python": platform.python_version(),
        "load_before": psutil.getloadavg()[0],
        **{name: version(name) for name in packages},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("suites", nargs="*", choices=[[], *SUITES], metavar="SUITE",
                        help=f"any of {', '.join(SUITES)}; all where none is named")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path(".bench/figures.json"))
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    chosen = options.suites or list(SUITES)
    about, figures = machine(), {}
    for suite in chosen:
        for name, value in SUITES[suite]():
            figures[name] = value
            print(f"{name:<32} {value:10.3f}", file=sys.stderr, flush=True)
    aims = [aim for aim in yaml.safe_load(FLOORS.read_text()) if _belongs(aim, chosen)]
    verdicts = {aim["figure"]: judge(figures.get(aim["figure"]), aim) for aim in aims}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(
        json.dumps({"machine": about, "figures": figures, "verdicts": verdicts}, indent=1)
    )
    Console().print(_table(aims, figures, verdicts))
    print(f"All figures are in {options.out}.")
    if "not measured" in verdicts.values():
        return 2
    return 1 if "short" in verdicts.values() else 0


def _belongs(aim: dict[str, Any], suites: list[str]) -> bool:
    return aim["figure"].split(".")[0] in suites


def _table(
    aims: list[dict[str, Any]], figures: dict[str, float], verdicts: dict[str, str]
) -> Table:
    table = Table()
    for column in ("what", "figure", "aim", "verdict"):
        table.add_column(column, justify="left" if column in ("what", "verdict") else "right")
    for aim in aims:
        figure = figures.get(aim["figure"])
        wanted = ""
        if "at_most" in aim:
            wanted = f"≤ {aim['at_most']} {aim['unit']}"
        elif "at_least" in aim:
            wanted = f"≥ {aim['at_least']} {aim['unit']}"
        shown = "" if figure is None else f"{figure:.2f} {aim['unit']}"
        table.add_row(aim["what"], shown, wanted, verdicts[aim["figure"]])
    return table


if __name__ == "__main__":
    sys.exit(main())
