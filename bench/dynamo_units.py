"""Read and write units of requests to DynamoDB, by AWS's published rules. Pure.

moto does not count them, and no account was at hand, so they follow from the sizes of items.

| rule | source |
|---|---|
| an item's size: names and values in bytes; numbers a byte for two digits, and one | [1] |
| a write: 1 unit for each KB of the larger of the item before and after, at least 1 | [2] |
| a refused condition costs its write, by the item that is there | [2] |
| in a transaction: twice the units of the table; those of indexes are not doubled | [3], [4] |
| an entry of an index appears or goes: 1 write; its key changes: 2; its other attributes: 1 | [5] |
| a read by key: 1 unit for each 4 KB of each item, at least 1, also of what is not there | [2] |
| a query: the sum of what it reads, rounded up to 4 KB; of an index half of it | [2], [5] |

Below https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/:
[1] CapacityUnitCalculations.html, [2] read-write-operations.html, [3] transaction-apis.html,
[5] GSI.html. [4] github.com/nubo-db/dynoxide/pull/188 (2026-08-14), which measured it on DynamoDB.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from parjanya_dagster.truth.dynamo.keys import INDEXES

Item = Mapping[str, Mapping[str, Any]]
WRITE, READ = 1024, 4096  # bytes of a unit


def size(item: Item) -> int:
    """Bytes of an item."""
    return sum(len(name.encode()) + _value(typed) for name, typed in item.items())


def _value(typed: Mapping[str, Any]) -> int:
    ((kind, value),) = typed.items()
    if kind == "S":
        return len(value.encode())
    if kind == "N":
        digits = value.lower().partition("e")[0].replace(".", "").lstrip("-0").rstrip("0")
        return math.ceil(len(digits) / 2) + 1 + value.startswith("-")
    if kind == "B":
        return len(value)
    if kind in ("BOOL", "NULL"):
        return 1
    raise ValueError(f"the store writes no {kind}")


def written(before: Item | None, after: Item | None, *, transaction: bool) -> dict[str, float]:
    """Write units of one item, by index; '' is the table."""
    most = max(size(before or {}), size(after or {}))
    units = {"": float(max(1, math.ceil(most / WRITE)) * (2 if transaction else 1))}
    for index, (pk, sk, more) in INDEXES.items():
        was, is_ = _entry(before, pk, sk, more), _entry(after, pk, sk, more)
        if was == is_:
            continue
        ends = [entry for entry in (was, is_) if entry is not None]
        if was is not None and is_ is not None and was[pk] == is_[pk] and was[sk] == is_[sk]:
            ends = [max(ends, key=size)]
        units[index] = float(sum(max(1, math.ceil(size(entry) / WRITE)) for entry in ends))
    return units


def _entry(item: Item | None, pk: str, sk: str, more: Iterable[str]) -> Item | None:
    """What an index holds of an item. None: nothing."""
    if item is None or pk not in item or sk not in item:
        return None
    return {name: item[name] for name in dict.fromkeys((pk, sk, "pk", "sk", *more)) if name in item}


def got(items: Iterable[Item], asked: int) -> float:
    """Read units of reads by key: consistent, `asked` keys of which some are not there."""
    found = [max(1, math.ceil(size(item) / READ)) for item in items]
    return float(sum(found) + asked - len(found))


def queried(items: Iterable[Item], index: str) -> float:
    """Read units of one page of a query: of an index, or of the table and consistent."""
    if index:
        pk, sk, more = INDEXES[index]
        read = sum(size(_entry(item, pk, sk, more) or item) for item in items)
        return max(1, math.ceil(read / READ)) / 2
    return float(max(1, math.ceil(sum(map(size, items)) / READ)))
