"""Make values storable in every backend: no NUL, no lone surrogates, only finite numbers.

Decoders, EXIF, file names and command lines give strings with NUL bytes, which PostgreSQL refuses,
and lone surrogates, which nobody can encode. One such string must not fail the other images of its
commit. So every value that goes to a store passes here, whatever it is and wherever it came from.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

STRICT: Final = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable_text(text: str) -> str:
    """The text with NUL and lone surrogates replaced by U+FFFD."""
    if text.isascii() and "\0" not in text:  # almost every text, and much faster
        return text
    return _UNSTORABLE.sub("\ufffd", text)


def storable_parameters(parameters: Any) -> Any:
    """What a statement is executed with: text in tuples, lists and dictionaries, however nested."""
    if isinstance(parameters, str):
        return storable_text(parameters)
    if isinstance(parameters, dict):
        return {name: storable_parameters(inner) for name, inner in parameters.items()}
    if isinstance(parameters, (list, tuple)):
        return type(parameters)(map(storable_parameters, parameters))
    return parameters


def storable(value: Any) -> Any:
    """A JSON value that every backend can store. Numbers that are not finite become null.

    A storable value comes back as it is. Raises TypeError for what is not JSON.
    """
    if _plainly(value):
        return value
    try:
        written = json.dumps(value, allow_nan=False)
    except ValueError:  # a number that is not finite
        return _repair(value)
    suspicious = "\\u0000" in written or "\\ud" in written
    return _repair(value) if suspicious else value


def _plainly(value: Any) -> bool:
    """Whether a value is storable for certain. False: not known, it needs the slow check.

    orjson refuses lone surrogates, and writes null for numbers that are not finite. A None at the
    top level is common, so it does not cause the slow check.
    """
    if isinstance(value, dict):
        value = {name: inner for name, inner in value.items() if inner is not None}
    try:
        written = orjson.dumps(value, option=STRICT)
    except TypeError:
        return False
    return b"null" not in written and b"\\u0000" not in written


def _repair(value: Any) -> Any:
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {storable_text(str(name)): _repair(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_repair(inner) for inner in value]
    return value
