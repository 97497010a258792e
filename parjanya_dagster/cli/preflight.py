"""`parjanya preflight`: is everything there that the engines need, on this machine?"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parjanya_dagster.cli.options import Home, Json, platform_of, settings_of
from parjanya_dagster.cli.output import BAD, GOOD, Line, print_json, print_title

if TYPE_CHECKING:
    from gpu_ops.preflight import Report

BY_HAND = "by hand"


class Stage(StrEnum):
    ENRICHED = "enriched"
    SCORED = "scored"


def preflight(
    home: Home = None,
    stage: Annotated[Stage | None, typer.Option("--stage", help="One stage only.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Files and GPU only: nothing is loaded or asked.")
    ] = False,
    record: Annotated[
        bool,
        typer.Option(
            "--record", help="Keep the result in Truth, as a run does: for a node that runs work."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check models, weights, GPU and one image, as runs do before they claim. Exit 0 fit, 1 not.

    Needs no Truth and no Dagster. With --quick it serves as a container's health check.
    """
    from parjanya_dagster.execution.preflight import STAGES, examine
    from parjanya_dagster.media import jail

    settings = settings_of(home)
    stages = [stage.value] if stage else list(STAGES)
    line, reports = Line(), {}
    for name in stages:
        line(f"{name}: {'files and GPU' if quick else 'loading, and trying one image'} …")
        reports[name] = examine(settings, name, smoke=not quick)
    line.clear()
    if record:
        _record(home, reports)
    fit = all(report.ok for report in reports.values())
    if as_json:
        by_stage = {name: report.as_dict() for name, report in reports.items()}
        print_json({"ok": fit, "stages": by_stage, "jail": str(jail.offered())})
    else:
        for name, report in reports.items():
            _print(name, report)
        typer.echo(f"jail of the decoders: {jail.offered()}")
    raise typer.Exit(0 if fit else 1)


def _record(home: Path | None, reports: Mapping[str, Report]) -> None:
    from parjanya_dagster.execution.preflight import record

    platform = platform_of(home)
    for stage, report in reports.items():
        record(platform.store, stage, report, BY_HAND, platform.clock())


def _print(stage: str, report: Report) -> None:
    print_title(f"{stage}: engine {report.engine}")
    for check in report.checks:
        mark, colour = ("fit  ", GOOD) if check.ok else ("unfit", BAD)
        typer.secho(f"  {mark} {check.name}: {check.detail}", fg=colour)
