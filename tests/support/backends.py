"""Empty databases of every kind that Truth has, and how to open stores over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from parjanya_dagster.truth import open_store
from parjanya_dagster.truth.dynamo import open_wire
from parjanya_dagster.truth.dynamo.schema import SCHEMA
from parjanya_dagster.truth.dynamo.wire import PUTS
from parjanya_dagster.truth.store import Store
from tests.support.servers import MotoServer

POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.server)
DYNAMODB = pytest.param("dynamodb", marks=pytest.mark.server)
MANNERS = pytest.param("manners", marks=pytest.mark.server)
"""The same with what AWS may do, which nobody above the store may notice."""


@dataclass
class Backend:
    """An empty database of one kind, and how to open stores over it."""

    url: str
    opened: list[Store] = field(default_factory=list)
    follow: Callable[[Any], None] = lambda _: None
    """Is shown every store that is opened."""

    @property
    def kind(self) -> str:
        """sqlite, postgresql or dynamodb."""
        return self.url.partition(":")[0].partition("+")[0]

    def open(self, **options: Any) -> Store:
        self.opened.append(open_store(self.url, **options))
        self.follow(self.opened[-1])
        return self.opened[-1]

    def close(self) -> None:
        while self.opened:
            self.opened.pop().close()


@contextmanager
def dynamo_table(moto: MotoServer) -> Iterator[str]:
    """The URL of an empty table on moto's emulator of DynamoDB. It is not DynamoDB."""
    url = f"dynamodb://{moto.name('truth')}"
    open_store(url, migrating=True).close()
    try:
        yield url
    finally:
        wire = open_wire(url)
        wire.call("delete_table")
        wire.close()


@contextmanager
def dynamo_backend(moto: MotoServer) -> Iterator[Backend]:
    """Such a table, and how to open stores over it."""
    with dynamo_table(moto) as url:
        backend = Backend(url)
        yield backend
        backend.close()


def empty_table(url: str) -> None:
    """Delete every item of a table but the one that tells its schema."""
    wire = open_wire(url)
    page: dict[str, Any] = {"LastEvaluatedKey": None}
    while "LastEvaluatedKey" in page:
        after = page["LastEvaluatedKey"]
        start = {"ExclusiveStartKey": after} if after else {}
        page = wire.call("scan", ProjectionExpression="pk, sk", **start)
        keys = [one for one in page["Items"] if one["pk"]["S"] != SCHEMA[0]]
        for n in range(0, len(keys), PUTS):
            gone = [{"DeleteRequest": {"Key": key}} for key in keys[n : n + PUTS]]
            wire.client.batch_write_item(RequestItems={wire.table: gone})
    wire.close()
