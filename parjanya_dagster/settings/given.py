"""What the environment and `parjanya.env` give: settings by their present names. Pure.

A name that is no setting is a problem. Otherwise a typing error would silently mean the default. No
problem repeats a value, since it may be a secret.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from io import StringIO

from dotenv import dotenv_values
from dotenv.parser import parse_stream

import parjanya_dagster.settings.old_names as old_names
from parjanya_dagster.settings.names import PATHS, nearest

PAGE = "docs/settings.md"
logging.getLogger("dotenv.main").setLevel(logging.ERROR)  # `lines_of` names what is wrong

NAME = re.compile(r"[A-Za-z_]\w*")


class Given:
    """The variables of one source by their present names, and what is wrong or old in them."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.values = {name: value for name, value in variables.items() if name in PATHS}
        self.problems: list[str] = []
        self.notices: list[str] = []
        for name, value in variables.items():
            if name not in PATHS:
                self._translate(name, value)

    def _translate(self, name: str, value: str) -> None:
        try:
            meant = old_names.answer(name, value)
        except ValueError as error:
            self.problems.append(str(error))
            return
        if meant is None:
            self.problems.append(_unknown(name))
            return
        if not meant or any(self.values.get(new) != value for new, value in meant.items()):
            self.notices.append(
                old_names.notice(name)
            )  # no notice if the new name has the same value
        for new, its_value in meant.items():
            if new not in PATHS:
                self.problems.append(f"{name}: {_unknown(new)}")
            elif self.values.setdefault(new, its_value) != its_value:
                self.problems.append(
                    f"{name} is the old name of {new}, and the two say different things"
                )


def _unknown(name: str) -> str:
    meant = nearest(name, old_names.NEW_NAMES)
    hint = f"Did you mean {meant}?" if meant else f"{PAGE} lists them."
    return f"{name} is no setting. {hint}"


def lines_of(text: str) -> tuple[dict[str, str], list[str]]:
    """The variables of an env file, and what is wrong with its other lines.

    A wrong line is named by its number, because it may contain a secret.
    """
    wrong = [
        f"line {binding.original.line} does not read NAME=value"
        for binding in parse_stream(StringIO(text))
        if binding.error
        or (binding.key is not None and not _is_variable(binding.key, binding.value))
    ]
    values = dotenv_values(stream=StringIO(text))
    return {
        name.upper(): value
        for name, value in values.items()
        if value is not None and _is_variable(name, value)
    }, wrong


def _is_variable(name: str, value: str | None) -> bool:
    return value is not None and NAME.fullmatch(name) is not None
