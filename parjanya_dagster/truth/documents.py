"""JSON in the columns of the SQL store, by orjson where it can.

orjson is several times faster than the standard library and writes the same values, more
compactly. It refuses integers beyond 64 bits, keys that are not text, and escaped lone surrogates.
The standard library takes those, so whatever was stored can be read. What not every backend can
store is made storable first.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from parjanya_dagster.truth.storable import STRICT, storable


def dumps(value: Any) -> str:
    """The JSON text of a value. Raises TypeError for what is not JSON."""
    try:
        text = orjson.dumps(value, option=STRICT).decode()
    except TypeError:
        return json.dumps(storable(value))
    return text if "\\u0000" not in text else json.dumps(storable(value))


def loads(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError for what is not JSON."""
    try:
        return orjson.loads(text)
    except ValueError:
        return json.loads(text)
