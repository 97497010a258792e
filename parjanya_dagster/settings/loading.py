"""Reads settings from the environment and from `parjanya.env`, and says what is wrong in them.

Nothing here repeats a value that may be secret.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from parjanya_dagster.errors import SettingsInvalid
from parjanya_dagster.settings.given import Given, lines_of
from parjanya_dagster.settings.model import Settings
from parjanya_dagster.settings.names import FIELDS, PATHS, is_ours, variable
from parjanya_dagster.settings.places import ENV_FILE, home_of
from parjanya_dagster.settings.together import told_twice

LAUNCHED_AS = "DAGSTER_CURRENT_IMAGE"  # Dagster's chart says it to its code locations


def read(home: Path, environment: Mapping[str, str], file: str = "") -> Settings:
    """The settings of a home, from variables and the text of its file. The variables win.

    Raises SettingsInvalid with each name and each value that is wrong.
    """
    lines, problems = lines_of(file)
    from_file = Given(lines)
    variables = {name.upper(): value for name, value in environment.items()}
    from_variables = Given({name: value for name, value in variables.items() if is_ours(name)})
    problems = [
        f"{ENV_FILE}: {problem}" for problem in (*problems, *from_file.problems)
    ] + from_variables.problems
    if problems:
        raise _invalid(problems)
    for notice in dict.fromkeys((*from_file.notices, *from_variables.notices)):
        print(f"parjanya: {notice}", file=sys.stderr)
    if "PARJANYA_HOME" in from_file.values:
        print(f"parjanya: PARJANYA_HOME does nothing in {home / ENV_FILE}, which is read because "
              "the home is where it lies. Set it in the environment, or use --home.",
              file=sys.stderr)  # fmt: skip
    tree: dict[str, Any] = {}
    for name, value in (from_file.values | from_variables.values).items():
        *groups, last = PATHS[name]
        branch = tree
        for group in groups:
            branch = branch.setdefault(group, {})
        branch[last] = value
    wrong: Iterable[str]
    try:
        settings = Settings.model_validate(tree | {"home": home})
        wrong = list(told_twice(settings.identity.image, variables.get(LAUNCHED_AS, "")))
        if not wrong:
            return settings
    except ValidationError as error:
        wrong = map(_explain, error.errors(include_url=False))
    raise _invalid(wrong)  # outside, since the error carries the values of a whole group


def _invalid(problems: Iterable[str]) -> SettingsInvalid:
    return SettingsInvalid("Settings are not valid. " + "; ".join(problems))


def _explain(error: Any) -> str:
    """One thing that is wrong. The value is repeated only if it is no secret."""
    name = variable(error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    if name not in FIELDS:  # of several settings together
        return str(message)
    if FIELDS[name].annotation is SecretStr:
        return f"{name}: {message}"
    return f"{name}: {message} (it is {error['input']!r})"


@cache
def _load(home: Path) -> Settings:
    try:
        file = (home / ENV_FILE).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        file = ""
    except UnicodeDecodeError:
        raise SettingsInvalid(f"{home / ENV_FILE} cannot be read: it is not UTF-8.") from None
    except OSError as error:
        raise SettingsInvalid(f"{home / ENV_FILE} cannot be read: {error.strerror}.") from None
    return read(home, os.environ, file)


def load(home: Path | None = None) -> Settings:
    """The settings of a home: the argument, else PARJANYA_HOME, else `.parjanya` here.

    Raises SettingsInvalid with each variable that is wrong.
    """
    return _load(home_of(home))


def dagster_home(settings: Settings) -> Path:
    """Where Dagster's configuration is: in the home, or, in a cluster, in DAGSTER_HOME."""
    own = settings.home / "dagster"
    elsewhere = os.environ.get("DAGSTER_HOME")
    if elsewhere and not (own / "dagster.yaml").exists():
        return Path(elsewhere).absolute()
    return own


def process_environment(settings: Settings) -> dict[str, str]:
    """The environment for a process of this instance."""
    return {
        **os.environ,
        "PARJANYA_HOME": str(settings.home),
        "DAGSTER_HOME": str(settings.home / "dagster"),
    }
