"""Values that are left as they were typed are those that typer gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from parjanya_dagster.cli.main import app

TYPED = (
    None,
    "",
    "acme",
    "a b",
    "/somewhere/else",
    "-landed",
    "12",
    "0",
    "-3",
    "1_0",
    "99999999999",
    "Zoë",
    "a\udcff",
)


def commands(command: Any) -> Iterator[Any]:
    yield command
    for one in (getattr(command, "commands", None) or {}).values():
        yield from commands(one)


def outcome(process: Any, context: Any, value: Any) -> object:
    try:
        return process(context, value)
    except Exception as error:  # what is refused is refused alike
        return type(error), str(error)


def test_what_is_left_alone_is_what_typer_gives() -> None:
    left = 0
    for command in commands(typer.main.get_command(app)):
        context = typer.Context(command, info_name="parjanya")
        for option in command.params:
            if option.is_eager:
                continue  # it acts at once
            for value in TYPED:
                if value is not None and (option.multiple or option.nargs != 1):
                    value = (value, value)
                typers = type(option).process_value.__get__(option)
                ours = outcome(option.process_value, context, value)
                assert ours == outcome(typers, context, value), (command.name, option.name, value)
                left += option.process_value != typers
    assert left > 100
