"""The places of a home whose settings are plainly valid, read without pydantic.

Short commands ask for the home and its Truth alone, and importing the model of all settings takes
longer than their questions. What is not plainly valid is left to `loading`, which says what is
wrong or old. So no setting passes here that is refused there; a test compares them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from parjanya_dagster.settings.places import ENV_FILE, Places, home_of
from parjanya_dagster.settings.plain_values import CHOICES, NUMBERS, TEXTS, WHOLE

PREFIX = "PARJANYA_"
LINE = re.compile(r"(PARJANYA_[A-Z0-9_]+)=([\w.,:/@%+-]*)", re.ASCII)
NOTHING = re.compile(r"[ \t]*(#[^\r\n]*)?")
NUMBER = re.compile(r"\d{1,9}(\.\d{1,6})?", re.ASCII)


def plain_places(home: Path | None) -> Places | None:
    """Where everything of a home is. None: its settings need to be read as a whole."""
    at = home_of(home)
    try:
        text = (at / ENV_FILE).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        text = ""
    except (OSError, UnicodeDecodeError):
        return None
    return places_if_plain(at, os.environ, text)


def places_if_plain(home: Path, environment: Mapping[str, str], file: str = "") -> Places | None:
    """The same of variables and the text of the home's file. The variables win."""
    lines = _lines(file)
    if lines is None or "PARJANYA_HOME" in lines:
        return None
    ours = {name: value for name, value in environment.items() if name.upper().startswith(PREFIX)}
    for name, value in (*lines.items(), *ours.items()):
        if not _is_plain(name, value):
            return None
    given = lines | ours
    return Places(
        home=home,
        truth=given.get("PARJANYA_TRUTH__URL", ""),
        objects=given.get("PARJANYA_OBJECTS__URL", ""),
    )


def _lines(file: str) -> dict[str, str] | None:
    """The variables of a file without quotes, blanks and other names. None: it has such."""
    values: dict[str, str] = {}
    for line in file.split("\n"):
        if NOTHING.fullmatch(line):
            continue
        found = LINE.fullmatch(line)
        if found is None:
            return None
        values[found[1]] = found[2]
    return values


def _is_plain(name: str, value: str) -> bool:
    """Whether this is a setting and a value of it, whatever the others are."""
    if name in TEXTS:
        return value.isascii()
    if name in CHOICES:
        return value in CHOICES[name]
    bounds = WHOLE.get(name) or NUMBERS.get(name)
    if bounds is None or NUMBER.fullmatch(value) is None:
        return False
    if name in WHOLE and not value.isdecimal():
        return False
    return bounds[0] <= float(value) <= bounds[1]
