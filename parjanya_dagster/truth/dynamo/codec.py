"""Dataclasses to DynamoDB attributes and back. Nothing here calls a server.

None is an absent attribute. Numbers are written by `repr`, so a float comes back as the same
float. Nested values are JSON text, compressed if long. No query looks into them.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar

from parjanya_dagster.truth.storable import storable, storable_text

T = TypeVar("T")
Item = dict[str, dict[str, Any]]
"""attribute -> {type: value}, as DynamoDB's protocol has it."""

LONG = 200  # bytes of JSON from which compression is worth it: a write is paid for by the KB


def attribute(value: Any) -> dict[str, Any]:
    """A value as a typed attribute. Raises TypeError for None and what is not storable."""
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": storable_text(str(value))}
    if isinstance(value, (int, float)):
        return {"N": repr(value)}
    if isinstance(value, bytes):
        return {"B": value}
    if isinstance(value, (Mapping, list, tuple)):
        return packed(value)
    raise TypeError(f"DynamoDB cannot hold {value!r}.")


def packed(value: Any) -> dict[str, Any]:
    """A JSON attribute, compressed if it is long."""
    value = storable(dict(value) if isinstance(value, Mapping) else value)
    text = json.dumps(value, ensure_ascii=False)
    raw = text.encode()
    return {"B": zlib.compress(raw)} if len(raw) > LONG else {"S": text}


def unpacked(typed: Mapping[str, Any]) -> Any:
    """The value of an attribute that `packed` made."""
    if "B" in typed:
        return json.loads(zlib.decompress(bytes(typed["B"])))
    return json.loads(typed["S"])


def attributes(values: Mapping[str, Any]) -> Item:
    """The attributes of the values that are not None."""
    return {name: attribute(value) for name, value in values.items() if value is not None}


def pack(record: Any) -> Item:
    """The fields of a dataclass as attributes of the same names."""
    return attributes({field.name: getattr(record, field.name) for field in fields(record)})


def unpack(kind: type[T], item: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> T:
    """The dataclass that `pack` made these attributes of. Other attributes are ignored.

    `more`: values of fields that have no attribute, as JSON has them.
    """
    more = more or {}
    values = {
        name: _typed(hint, more[name])
        for name, hint in _hints(kind)  # type: ignore[arg-type]
        if name in more
    }
    values |= {
        name: _read(hint, item[name]) if name in item else None
        for name, hint in _hints(kind)  # type: ignore[arg-type]
        if name in item or ("None" in hint and name not in more)
    }
    return kind(**values)


@cache
def _hints(kind: Any) -> tuple[tuple[str, str], ...]:
    return tuple((field.name, str(field.type)) for field in fields(kind))


def _typed(hint: str, value: Any) -> Any:
    if hint.startswith("tuple"):
        return tuple(value)
    return float(value) if hint.startswith("float") else value


def _read(hint: str, typed: Mapping[str, Any]) -> Any:
    if hint.startswith(("Mapping", "tuple")):
        value = unpacked(typed)
        return tuple(value) if hint.startswith("tuple") else value
    if hint.startswith("bool"):
        return typed["BOOL"]
    if hint.startswith("float"):
        return float(typed["N"])
    if hint.startswith("int"):
        return int(typed["N"])
    return typed["S"]


def text(item: Mapping[str, Any], name: str) -> str:
    return str(item[name]["S"])


def number(item: Mapping[str, Any], name: str, default: int = 0) -> int:
    return int(item[name]["N"]) if name in item else default


def size(item: Item) -> int:
    """The size of an item as DynamoDB counts it, in bytes, approximately."""
    total = 0
    for name, typed in item.items():
        ((kind, value),) = typed.items()
        total += len(name.encode()) + (len(value.encode()) if kind == "S" else 22)
        total += len(value) if kind == "B" else 0
    return total
