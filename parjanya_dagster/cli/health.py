"""`parjanya doctor --quick` and `--maintenance`: a container's health, and the checklist."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

import typer

from parjanya_dagster.cli.options import answering_platform_of, places_of
from parjanya_dagster.cli.output import (
    ATTENTION,
    BAD,
    CANNOT_TELL,
    FINDINGS,
    GOOD,
    HEALTHY,
    Line,
    print_json,
)
from parjanya_dagster.errors import ParjanyaError

MARKS: dict[bool | None, tuple[str, str]] = {
    True: ("ok", GOOD),
    False: ("attention", ATTENTION),
    None: ("unknown", BAD),
}


def _loops(home: Path | None) -> dict[str, float]:
    """When each loop last completed. Raises what `answering_platform_of` raises."""
    from parjanya_dagster.truth.glance import heartbeats_if_well

    file = places_of(home).truth_file
    loops = heartbeats_if_well(file) if file is not None else None
    if loops is None:
        store = answering_platform_of(home).store
        loops = {name: beat.at for name, beat in store.heartbeats().items()}
    return loops


def quick(home: Path | None, as_json: bool) -> int:
    """Whether Truth answers, with the schema of this code. Dagster is neither imported nor asked.

    The age of each loop's heartbeat is told. An old one is no failure: restarting this container
    would not cure it. Returns the exit code.
    """
    try:
        loops = _loops(home)
        ages = {name: round(time.time() - at, 1) for name, at in loops.items()}
    except Exception as error:
        reason = str(error) if isinstance(error, ParjanyaError) else repr(error)
        if as_json:
            print_json({"truth": reason}, indent=None)
        else:
            typer.echo(f"Truth: {reason}", err=True)
        return CANNOT_TELL
    if as_json:
        print_json({"truth": "answers", "heartbeat_age_seconds": ages}, indent=None)
    else:
        loops_told = "".join(f"; {name} {age:.0f} s ago" for name, age in ages.items())
        typer.echo(f"Truth answers{loops_told}")
    return HEALTHY


def maintenance(home: Path | None, as_json: bool) -> int:
    """Print each check of the checklist. Returns the exit code."""
    from parjanya_dagster.doctor.checklist import checklist
    from parjanya_dagster.doctor.instance import ground_of

    show = Line()
    ground = ground_of(answering_platform_of(home))
    lines = list(checklist(ground, lambda check: show(f"checking: {check} …")))
    show.clear()
    if as_json:
        print_json([asdict(line) for line in lines])
    else:
        for line in lines:
            mark, colour = MARKS[line.passed]
            typer.secho(f"{mark:<9} {line.name}: {line.said}", fg=colour)
            if not line.passed:
                typer.echo(f"{'':<9} next: {line.next_step}")
    if any(line.passed is None for line in lines):
        return CANNOT_TELL
    return HEALTHY if all(line.passed for line in lines) else FINDINGS
