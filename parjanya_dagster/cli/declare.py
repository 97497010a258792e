"""`parjanya declare`: say what should run, and see what does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parjanya_dagster.cli.options import Home, Json, platform_of, settings_of
from parjanya_dagster.cli.output import print_json, print_title, second
from parjanya_dagster.errors import SettingsInvalid

if TYPE_CHECKING:
    from parjanya_dagster.truth.store import Store

Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="part=value instead of that of this process. An empty value allows any. Repeatable.",
    ),
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
    from parjanya_dagster.belief.drift import declare as record
    from parjanya_dagster.execution.declaration import identities
    from parjanya_dagster.platform import lanes_of

    settings = settings_of(home)
    lanes = [known for known in lanes_of(settings) if lane in (None, known.name)]
    if not lanes:
        known_lanes = ", ".join(known.name for known in lanes_of(settings))
        raise typer.BadParameter(f"There is no lane {lane!r}; there are {known_lanes}.")
    if show:
        _show(platform_of(home).store, as_json)
        return
    given = json.loads(file.read_text()) if file else {}
    changed = dict(_part(text) for text in parts or ())
    by_lane = identities(settings, lanes, given, changed)
    if only_print:
        print_json(by_lane)
        return
    platform = platform_of(home)
    for name, identity in by_lane.items():
        record(platform.store, name, identity, platform.clock())
        if not as_json:
            typer.echo(f"Declared for the lane {name}: {_line(identity)}")
    if as_json:
        print_json({"declared": by_lane})


def _part(text: str) -> tuple[str, str]:
    part, equals, value = text.partition("=")
    if not equals or not part:
        raise SettingsInvalid(
            f"--set reads part=value, such as image=registry/gpu:v23, not {text!r}."
        )
    return part, value


def _show(store: Store, as_json: bool) -> None:
    from parjanya_dagster.belief.drift import declared, differences, running

    by_lane = declared(store)
    ran: list[dict[str, Any]] = [
        {"lane": lane, "began": at, "run": run, "identity": identity,
         "differs": differences(by_lane.get(lane, {}), identity)}
        for lane, at, run, identity in running(store)
    ]  # fmt: skip
    if as_json:
        print_json({"declared": by_lane, "ran": ran})
        return
    for lane, identity in by_lane.items():
        print_title(f"{lane}: declared {_line(identity)}")
    for seen in ran:
        typer.echo(f"{seen['lane']}: run {seen['run']} at {second(seen['began'])} UTC "
                   f"{_against(seen['differs'])}")  # fmt: skip
    if not by_lane:
        typer.echo("Nothing was declared: drift cannot be seen.")


def _against(differs: Mapping[str, tuple[str, str]]) -> str:
    if not differs:
        return "as declared"
    return "differs: " + "; ".join(
        f"{part} {running!r}, declared {declared!r}"
        for part, (declared, running) in differs.items()
    )


def _line(identity: Mapping[str, str]) -> str:
    return ", ".join(f"{part} {value}" for part, value in identity.items())
