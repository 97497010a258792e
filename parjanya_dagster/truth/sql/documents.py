"""JSON as it stands in the columns of the SQL store: orjson, as far as that goes.

It is several times faster than the standard library and writes the same values, more compactly.
What it refuses (integers beyond 64 bits, keys that are no text, escaped lone surrogates) the
standard library takes, so what was ever stored can be read.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from parjanya_dagster.truth.storable import STRICT


def dumps(value: Any) -> str:
    """The JSON text of a value. Raises TypeError for what is not JSON."""
    try:
        return orjson.dumps(value, option=STRICT).decode()
    except TypeError:
        return json.dumps(value)


def loads(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError where it is none."""
    try:
        return orjson.loads(text)
    except ValueError:
        return json.loads(text)
