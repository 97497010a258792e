"""`parjanya doctor --quick` and `--maintenance`: a container's health, and the checklist. Thin."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import typer

from parjanya_dagster.cli.options import CANNOT_TELL, FINDINGS, HEALTHY
from parjanya_dagster.errors import ParjanyaError


def quick(home: Path | None, as_json: bool) -> int:
    """Truth answers, with the schema of this code. Nothing of Dagster's is imported or asked.

    A loop that is blind is told and is no failure: restarting this container would not cure it.
    """
    from parjanya_dagster.platform import open_platform
    from parjanya_dagster.settings import load

    try:
        platform = open_platform(load(home))
        loops = platform.store.heartbeats()
        ages = {name: round(platform.clock() - beat.at, 1) for name, beat in loops.items()}
    except Exception as error:
        said = str(error) if isinstance(error, ParjanyaError) else repr(error)
        typer.echo(json.dumps({"truth": said}) if as_json else f"Truth: {said}", err=not as_json)
        return CANNOT_TELL
    if as_json:
        typer.echo(json.dumps({"truth": "answers", "heartbeat_age_seconds": ages}))
    else:
        told = "".join(f"; {name} {age:.0f} s ago" for name, age in ages.items())
        typer.echo(f"Truth answers{told}")
    return HEALTHY


def maintenance(home: Path | None, as_json: bool) -> int:
    from parjanya_dagster.belief.instance import oldest_ended_run, open_dagster
    from parjanya_dagster.doctor.checklist import Ground, checklist
    from parjanya_dagster.doctor.instance import examined
    from parjanya_dagster.platform import open_platform
    from parjanya_dagster.settings import load

    platform = open_platform(load(home))

    def oldest_run() -> float | None:
        with open_dagster(platform.settings) as instance:
            return oldest_ended_run(instance)

    lines = list(checklist(Ground(platform, lambda: examined(platform, None), oldest_run)))
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in lines], indent=2))
    else:
        for one in lines:
            mark, colour = _MARKS[one.passed]
            typer.secho(f"{mark:<9} {one.name}: {one.said}", fg=colour)
            if not one.passed:
                typer.echo(f"{'':<9} next: {one.next_step}")
    if any(one.passed is None for one in lines):
        return CANNOT_TELL
    return HEALTHY if all(one.passed for one in lines) else FINDINGS


_MARKS: dict[bool | None, tuple[str, str]] = {
    True: ("ok", typer.colors.GREEN),
    False: ("attention", typer.colors.YELLOW),
    None: ("unknown", typer.colors.RED),
}
