"""`parjanya preflight`: is everything there that the engines need, on this machine? Thin."""

from __future__ import annotations

import json
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gpu_ops.preflight import Report

BY_HAND = "by hand"


class Stage(StrEnum):
    ENRICHED = "enriched"
    SCORED = "scored"


def preflight(
    home: Annotated[
        Path | None,
        typer.Option(
            "--home", help="Where the instance lives. Default: PARJANYA_HOME or .parjanya."
        ),
    ] = None,
    stage: Annotated[Stage | None, typer.Option("--stage", help="One stage only.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Files, GPU and server only: load no model.")
    ] = False,
    record: Annotated[
        bool,
        typer.Option(
            "--record", help="Keep the result in Truth, as a run does: for a node that runs work."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check models, weights, GPU and one image, as runs do before they claim. Exit 0 fit, 1 not.

    Needs no Truth and no Dagster, so it serves as a container's health check.
    """
    from parjanya_dagster.execution.preflight import STAGES, examine
    from parjanya_dagster.settings import load

    settings = load(home)
    stages = [stage.value] if stage else list(STAGES)
    reports = {one: examine(settings, one, smoke=not quick) for one in stages}
    if record:
        _record(settings, reports)
    fit = all(report.ok for report in reports.values())
    if as_json:
        body = {"ok": fit, "stages": {one: report.as_dict() for one, report in reports.items()}}
        typer.echo(json.dumps(body, indent=2))
    else:
        for one, report in reports.items():
            _print(one, report)
    raise typer.Exit(0 if fit else 1)


def _record(settings: Any, reports: dict[str, Report]) -> None:
    from parjanya_dagster.execution.preflight import record
    from parjanya_dagster.platform import open_platform

    platform = open_platform(settings)
    for stage, report in reports.items():
        record(platform.store, stage, report, BY_HAND, time.time())


def _print(stage: str, report: Report) -> None:
    typer.secho(f"{stage}: engine {report.engine}", bold=True)
    for check in report.checks:
        colour = typer.colors.GREEN if check.ok else typer.colors.RED
        typer.secho(f"  {'fit  ' if check.ok else 'unfit'} {check.name}: {check.detail}", fg=colour)
