"""What eventually consistent readers of a table see: the table as it was a while ago."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any

from parjanya_dagster.truth.dynamo.codec import Item
from parjanya_dagster.truth.dynamo.keys import INDEXES, Key
from tests.support.clock import Clock

MEGABYTE = 1_000_000
_CONDITION = re.compile(
    r"(?P<p>#\w+) = (?P<pv>:\w+)"
    r"(?: AND (?:begins_with\((?P<b>#\w+), (?P<bv>:\w+)\)"
    r"|(?P<s>#\w+) (?P<op><=|>=|<|>|=) (?P<sv>:\w+)))?"
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<=": lambda one, other: bool(one <= other),
    ">=": lambda one, other: bool(one >= other),
    "<": lambda one, other: bool(one < other),
    ">": lambda one, other: bool(one > other),
    "=": lambda one, other: bool(one == other),
}


class Replica:
    """A copy that follows each item late, in the order of that item's writes.

    Global indexes and reads without `ConsistentRead` are eventually consistent: HowItWorks.
    ReadConsistency in DynamoDB's guide. An index follows "within 1 second" (AWS re:Post,
    dynamodb-missing-table-items-gsi), and longer where it is crowded. Items follow each by itself,
    so an index may show a later write of one item and not yet an earlier one of another: the guide
    promises no order between items.
    """

    def __init__(self, clock: Clock, delay: Callable[[], float]) -> None:
        self._clock, self._delay = clock, delay
        self._versions: dict[Key, list[tuple[float, Item | None]]] = {}
        self._lock = threading.Lock()

    def begin(self, items: Iterable[Item]) -> None:
        """What was in the table before."""
        for item in items:
            self._versions[key_of(item)] = [(float("-inf"), item)]

    def wrote(self, now_there: dict[Key, Item | None]) -> None:
        """These items were written, and are so now."""
        with self._lock:
            for key, item in now_there.items():
                versions = self._versions.setdefault(key, [(float("-inf"), None)])
                at = max(versions[-1][0], self._clock() + self._delay())
                versions.append((at, item))
                old = [n for n, one in enumerate(versions) if one[0] <= self._clock()]
                del versions[: old[-1] if old else 0]

    def get(self, key: Key) -> Item | None:
        with self._lock:
            seen = [item for at, item in self._versions.get(key, ()) if at <= self._clock()]
        return seen[-1] if seen else None

    def query(self, asked: dict[str, Any], page_bytes: int = MEGABYTE) -> dict[str, Any]:
        """The answer to a Query. A page that is full names a last key, also where nothing follows.

        "If LastEvaluatedKey is not empty, it does not necessarily mean that there is more data"
        (Query, API reference).
        """
        names, values = asked["ExpressionAttributeNames"], asked["ExpressionAttributeValues"]
        parsed = _CONDITION.fullmatch(asked["KeyConditionExpression"])
        assert parsed is not None, asked["KeyConditionExpression"]
        index = asked.get("IndexName", "")
        sort, shown = (INDEXES[index][1], INDEXES[index]) if index else ("sk", None)
        partition = names[parsed["p"]]

        def holds(item: Item) -> bool:
            if item.get(partition) != values[parsed["pv"]] or sort not in item:
                return False
            if parsed["b"]:
                return str(_value(item[sort])).startswith(str(_value(values[parsed["bv"]])))
            op = parsed["op"]
            return not op or _COMPARE[op](_value(item[sort]), _value(values[parsed["sv"]]))

        def place(item: Item) -> tuple[Any, ...]:
            return (_value(item[sort]), *key_of(item))

        backwards = not asked.get("ScanIndexForward", True)
        with self._lock:
            keys = list(self._versions)
        there = [item for key in keys if (item := self.get(key)) is not None]
        found = sorted(filter(holds, there), key=place, reverse=backwards)
        if start := asked.get("ExclusiveStartKey"):
            after = place(start)
            found = [i for i in found if (place(i) < after if backwards else place(i) > after)]
        page: list[Item] = []
        size = 0
        for item in found:
            if len(page) == asked.get("Limit", len(found) + 1) or (page and size > page_bytes):
                break
            page.append(item)
            size += len(json.dumps(item))
        answer: dict[str, Any] = {"Items": [_shown(item, shown, asked) for item in page]}
        if page and (len(page) < len(found) or len(page) == asked.get("Limit")):
            last = page[-1]
            answer["LastEvaluatedKey"] = {
                name: last[name] for name in {"pk", "sk", partition, sort}
            }
        return answer | {"Count": len(page), "ScannedCount": len(page)}


def key_of(item: Item) -> Key:
    return item["pk"]["S"], item["sk"]["S"]


def _value(typed: dict[str, Any]) -> Any:
    (kind, value), *_ = typed.items()
    return float(value) if kind == "N" else value


def _shown(item: Item, index: tuple[str, str, tuple[str, ...]] | None, asked: Any) -> Item:
    """What an index projects of an item, and the request wants."""
    if index is not None:
        kept = {"pk", "sk", index[0], index[1], *index[2]}
        item = {name: value for name, value in item.items() if name in kept}
    if wanted := asked.get("ProjectionExpression"):
        names = [asked["ExpressionAttributeNames"][one.strip()] for one in wanted.split(",")]
        item = {name: value for name, value in item.items() if name in names}
    return item
