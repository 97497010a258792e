"""The names of settings: which variables there are, and which one somebody may have meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from parjanya_dagster.settings.model import Settings

PREFIX = "PARJANYA_"
NESTED = "__"
LIKENESS = 0.5  # of two names, of 1: below it, a suggestion would mislead

OTHERS = frozenset({"PARJANYA_RUN_TASK_DEFINITION"})
"""Variables with our prefix that something else reads: Dagster's launcher on ECS."""

SERVICE_LINK = re.compile(
    r"PARJANYA_(\w+_)?"
    r"(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
"""Kubernetes sets these in every pod, for Services of its namespace such as `parjanya-uploads`."""

Path = tuple[str, ...]


def settings_of(model: type[BaseModel], above: Path = ()) -> Iterator[tuple[Path, FieldInfo]]:
    """Each setting of a model and of the groups in it: its path and its field."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from settings_of(inner, (*above, name))
        else:
            yield (*above, name), field


def variable(path: tuple[Any, ...]) -> str:
    """The variable of a setting, or the prefix of the variables of a group."""
    return PREFIX + NESTED.join(map(str, path)).upper()


FIELDS = {variable(path): field for path, field in settings_of(Settings)}
PATHS = {variable(path): path for path, _ in settings_of(Settings)}


def is_ours(name: str) -> bool:
    """Whether a variable of the environment must be a setting."""
    return name.startswith(PREFIX) and name not in OTHERS and SERVICE_LINK.fullmatch(name) is None


def nearest(name: str, old_names: Mapping[str, str]) -> str | None:
    """The setting that somebody who wrote this name probably meant."""
    new_names = {known.removeprefix(PREFIX): known for known in (*old_names, *PATHS)}
    close = get_close_matches(name.upper().removeprefix(PREFIX), new_names, 1, LIKENESS)
    if not close:
        return None
    match = new_names[close[0]]
    return old_names.get(match, match)
