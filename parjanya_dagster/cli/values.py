"""Values of options that are what was typed.

Typer converts each value with pydantic, also the values of options that were not given. Importing
pydantic takes longer than most commands. What is left alone here is what typer would give as it
is: no value, plain text, a small number, and the path of a home. A test compares the two.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import typer

TEXT = {str, str | None}
TEXTS = {list[str], list[str] | None}
NUMBER = {int, int | None}
MANY_DIGITS = 10
PATH = {Path | None}
HOME = "home"  # the one option with a path of which nothing is asked
_LEFT: Any = object()

Process = Callable[[Any, Any], Any]


def leave_plain_values(command: Any) -> None:
    """Of a command and of the commands of its group, convert only the values that need it."""
    function = inspect.unwrap(command.callback) if command.callback else None
    hints = get_type_hints(function) if function else {}
    for option in command.get_params(typer.Context(command)):  # with --help
        option.process_value = _processing(option, hints.get(option.name))
    if isinstance(below := getattr(command, "commands", None), dict):
        for one in below.values():
            leave_plain_values(one)


def _processing(option: Any, hint: Any) -> Process:
    convert: Process = option.process_value

    def process(context: Any, value: Any) -> Any:
        plain = _plain(option, hint, value)
        if plain is _LEFT:
            return convert(context, value)
        return option.callback(context, option, plain) if option.callback else plain

    return process


def _plain(option: Any, hint: Any, value: Any) -> Any:
    """The value as typer gives it. `_LEFT`: typer has to say."""
    if value is None and not option.required:
        return () if option.multiple or option.nargs == -1 else None
    if hint in TEXTS and isinstance(value, (list, tuple)):
        plain = all(isinstance(one, str) and one.isascii() for one in value)
        return list(value) if plain else _LEFT
    if isinstance(value, str) and value.isascii():
        if hint in NUMBER and value.isdecimal() and len(value) < MANY_DIGITS:
            return _within(int(value), option)
        if hint in TEXT:
            return value
        if hint in PATH and option.name == HOME:
            return Path(value)
    return _LEFT


def _within(number: int, option: Any) -> Any:
    least, most = getattr(option, "min", None), getattr(option, "max", None)
    too_small = least is not None and number < least
    too_large = most is not None and number > most
    return _LEFT if too_small or too_large else number
