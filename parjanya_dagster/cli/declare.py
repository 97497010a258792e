"""`parjanya declare`: say what should run, and see what does. Thin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parjanya_dagster.cli.options import Home, Json
from parjanya_dagster.errors import SettingsInvalid

if TYPE_CHECKING:
    from parjanya_dagster.platform import Platform
    from parjanya_dagster.truth.store import Store

Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="part=value instead of what this process is; an empty value: any."),
]


def declare(
    home: Home = None,
    lane: Annotated[str | None, typer.Option("--lane", help="One lane only.")] = None,
    parts: Sets = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="JSON that `parjanya declare --print` printed.")
    ] = None,
    only_print: Annotated[
        bool, typer.Option("--print", help="Print what this process is, and declare nothing.")
    ] = False,
    show: Annotated[
        bool, typer.Option("--show", help="Show what was declared and what ran, lane by lane.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Declare that the runs of each lane should be what this process is."""
    from parjanya_dagster.belief.drift import declare as write
    from parjanya_dagster.execution.identity import identity_of
    from parjanya_dagster.platform import open_platform
    from parjanya_dagster.settings import load

    platform = open_platform(load(home))
    lanes = [one for one in platform.lanes if lane in (None, one.name)]
    if not lanes:
        known = ", ".join(one.name for one in platform.lanes)
        raise typer.BadParameter(f"There is no lane {lane!r}; there are {known}.")
    if show:
        _show(platform.store, as_json)
        return
    given = json.loads(file.read_text()) if file else {}
    changed = dict(_part(one) for one in parts or ())
    said = {
        one.name: {**(given.get(one.name) or identity_of(platform, one)), **changed}
        for one in lanes
    }
    if only_print:
        typer.echo(json.dumps(said, indent=2))
        return
    for name, identity in said.items():
        write(platform.store, name, identity, platform.clock())
        typer.echo(f"Declared for the lane {name}: {_line(identity)}")


def declare_here(platform: Platform) -> None:
    """On one machine, what starts it is what should run."""
    from parjanya_dagster.belief.drift import declare as write
    from parjanya_dagster.execution.identity import identity_of

    for lane in platform.lanes:
        write(platform.store, lane.name, identity_of(platform, lane), platform.clock())


def _part(text: str) -> tuple[str, str]:
    part, equals, value = text.partition("=")
    if not equals or not part:
        raise SettingsInvalid(
            f"--set reads part=value, such as image=registry/gpu:v23, not {text!r}."
        )
    return part, value


def _show(store: Store, as_json: bool) -> None:
    from parjanya_dagster.belief.drift import declared, differences, running

    wanted = declared(store)
    seen = running(store)
    if as_json:
        rows = [
            {"lane": lane, "began": at, "run": run, "identity": ran,
             "differs": differences(wanted.get(lane, {}), ran)}
            for lane, at, run, ran in seen
        ]  # fmt: skip
        typer.echo(json.dumps({"declared": wanted, "ran": rows}, indent=2))
        return
    for lane, identity in wanted.items():
        typer.secho(f"{lane}: declared {_line(identity)}", bold=True)
    for lane, at, run, ran in seen:
        when = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
        apart = differences(wanted.get(lane, {}), ran)
        said = "; ".join(
            f"{part} {is_!r}, declared {want!r}" for part, (want, is_) in apart.items()
        )
        typer.echo(
            f"{lane}: run {run} at {when} UTC {'differs: ' + said if said else 'as declared'}"
        )
    if not wanted:
        typer.echo("Nothing was declared: drift cannot be seen.")


def _line(identity: Mapping[str, str]) -> str:
    return ", ".join(f"{part} {value}" for part, value in identity.items())
