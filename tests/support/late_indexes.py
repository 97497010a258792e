"""Global indexes that follow late, as those of DynamoDB do: moto's follow at once.

What a query of an index returns is what the table held `late` seconds ago, by a clock of the test.
Reads by key stay consistent. It keeps a copy of the table per write, so tables are small.

DynamoDB's guide: an index is updated asynchronously, within a fraction of a second under normal
conditions; "in some unlikely failure scenarios, longer propagation delays might occur", so who asks
should expect answers of an index that are not up to date.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from parjanya_dagster.truth.dynamo.codec import Item, attribute
from parjanya_dagster.truth.dynamo.keys import INDEXES
from parjanya_dagster.truth.dynamo.wire import Wire
from tests.support.clock import Clock

_WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"})
_COMPARE = {
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    "begins": lambda one, other: str(one).startswith(other),
}


class LateIndexes:
    """The indexes of one table. Every wire that is given follows them."""

    def __init__(self, clock: Clock, late: float = 1.0) -> None:
        self.clock, self.late = clock, late
        self._copies: list[tuple[float, list[Item]]] = []
        self._copying = False

    def follow(self, wire: Wire) -> None:
        """Queries of this wire see the late indexes, and its writes reach them late."""
        wire.client.meta.events.register(
            "after-call.dynamodb", lambda model, **_: self._copy(wire, model.name)
        )
        query = wire.query

        def late(
            pk: str,
            where: tuple[str, Any] | None = None,
            *,
            index: str = "",
            most: int | None = None,
            page: int | None = None,
            backwards: bool = False,
            only: Sequence[str] = (),
        ) -> Iterator[Item]:
            if not index:
                return query(pk, where, most=most, page=page, backwards=backwards, only=only)
            return iter(self._query(pk, where, index, most, backwards))

        wire.query = late  # type: ignore[method-assign]
        if not self._copies:
            self._copies.append((float("-inf"), self._items(wire)))

    def _copy(self, wire: Wire, operation: str) -> None:
        if operation in _WRITES and not self._copying:
            self._copies.append((self.clock(), self._items(wire)))

    def _items(self, wire: Wire) -> list[Item]:
        self._copying = True
        pages = wire.client.get_paginator("scan").paginate(TableName=wire.table)
        items = [item for page in pages for item in page["Items"]]
        self._copying = False
        return items

    def _query(
        self,
        pk: str,
        where: tuple[str, Any] | None,
        index: str,
        most: int | None,
        backwards: bool,
    ) -> list[Item]:
        seen = [items for at, items in self._copies if at <= self.clock() - self.late][-1]
        partition, sort = INDEXES[index][:2]

        def value(item: Item) -> Any:
            (kind, said), *_ = item[sort].items()
            return float(said) if kind == "N" else said

        found = [
            item
            for item in seen
            if item.get(partition) == attribute(pk)
            and sort in item
            and (where is None or _COMPARE[where[0]](value(item), where[1]))
        ]
        return sorted(found, key=value, reverse=backwards)[:most]
