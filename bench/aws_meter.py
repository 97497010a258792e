"""What every boto3 client of this process asks of AWS, counted in requests and units."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bench import dynamo_units

TABLE = "truth"  # of Truth


@dataclass
class Bill:
    """What was asked of AWS."""

    requests: Counter[str] = field(default_factory=Counter)  # by service and operation
    units: Counter[str] = field(default_factory=Counter)  # by the names of `aws_prices.yaml`
    writes: Counter[str] = field(default_factory=Counter)  # write units by kind of item, or index
    reads: Counter[str] = field(default_factory=Counter)  # read units by kind of item, or index

    def dollars(self, prices: dict[str, float]) -> float:
        return sum(prices[name] * units for name, units in self.units.items()) / 1e6


class Meter:
    """Counts the calls of all boto3 clients of this process while it is on.

    It knows every item that this process wrote, so that what a write replaces costs no request.
    """

    def __init__(self) -> None:
        self.bill = Bill()
        self.on = False
        self._items: dict[str, Any] = {}  # by name
        self._mine = threading.local()  # whether a call is the meter's own
        self._lock = threading.Lock()

    @contextmanager
    def counting(self) -> Iterator[Bill]:
        self.bill, self.on = Bill(), True
        try:
            yield self.bill
        finally:
            self.on = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        from botocore.client import BaseClient

        call = BaseClient._make_api_call

        def metered(client: Any, operation: str, asked: dict[str, Any]) -> Any:
            if getattr(self._mine, "call", False):
                return call(client, operation, asked)
            return self._metered(client, operation, asked, call)

        BaseClient._make_api_call = metered
        try:
            yield
        finally:
            BaseClient._make_api_call = call

    def _metered(self, client: Any, operation: str, asked: dict[str, Any], call: Any) -> Any:
        service = client.meta.service_model.service_name
        changed = _changed(operation, asked) if service == "dynamodb" else []
        answer, done = {}, False
        try:
            answer = call(client, operation, asked)
            done = True
        finally:
            writes = self._written(client, operation, changed, done)
            if self.on:
                reads = self._read(operation, asked, answer)
                with self._lock:
                    self._charge(service, operation, writes, reads)
        return answer

    def _written(
        self, client: Any, operation: str, changed: Sequence[tuple[str, Any]], done: bool
    ) -> Counter[str]:
        """Write units by kind of item or index. A refused write costs what is there."""
        units: Counter[str] = Counter()
        for kind, item in changed:
            name = _name(item)
            was = self._items.get(name)
            after = item if kind == "Put" else None
            if not done:
                after = was
            elif kind == "Update":
                after = self._present(client, item)
            cost = dynamo_units.written(was, after, transaction="Transact" in operation)
            for index, number in cost.items():
                units[f"index {index}" if index else _kind(name)] += number
            if after is None:
                self._items.pop(name, None)
            else:
                self._items[name] = after
        return units

    def _read(self, operation: str, asked: dict[str, Any], answer: Any) -> Counter[str]:
        """Read units by kind of item or index."""
        units: Counter[str] = Counter()
        if operation == "Query":
            index = asked.get("IndexName", "")
            found = [self._items.get(_name(i), i) for i in answer.get("Items", []) if "pk" in i]
            pk = asked["ExpressionAttributeValues"][":p"]["S"]
            kind = f"index {index}" if index else pk.partition("#")[0]
            units[kind] += dynamo_units.queried(found, index)
        elif operation == "GetItem":
            there = [answer["Item"]] if answer.get("Item") else []
            units[_kind(_name(asked["Key"]))] += dynamo_units.got(there, 1)
        elif operation == "BatchGetItem":
            for table, of_table in asked["RequestItems"].items():
                items = {_name(item): item for item in answer.get("Responses", {}).get(table, [])}
                for name in map(_name, of_table["Keys"]):
                    one = [items[name]] if name in items else []
                    units[_kind(name)] += dynamo_units.got(one, 1)
        return units

    def _charge(
        self, service: str, operation: str, writes: Counter[str], reads: Counter[str]
    ) -> None:
        bill = self.bill
        bill.requests[f"{service}.{operation}"] += 1
        bill.writes.update(writes)
        bill.reads.update(reads)
        bill.units["write_units"] += sum(writes.values())
        bill.units["read_units"] += sum(reads.values())
        if service == "s3":
            bill.units[_s3_class(operation)] += 1
        elif service == "sqs":
            bill.units["sqs_requests"] += 1
        elif operation == "GetRecords":
            bill.units["stream_reads"] += 1

    def _present(self, client: Any, key: dict[str, Any]) -> Any:
        self._mine.call = True
        try:
            return client.get_item(TableName=TABLE, Key=_key(key), ConsistentRead=True).get("Item")
        finally:
            self._mine.call = False


def _s3_class(operation: str) -> str:
    """The price of a request to S3."""
    if operation.startswith("Delete"):
        return "s3_deletes"
    listed = ("Put", "Copy", "Create", "Upload", "Complete", "List")
    return "s3_writes" if operation.startswith(listed) else "s3_reads"


def _changed(operation: str, asked: dict[str, Any]) -> list[tuple[str, Any]]:
    """What a request may write: the kind of write, and the item or its key."""
    if operation == "TransactWriteItems":
        pairs = [pair for item in asked["TransactItems"] for pair in item.items()]
        return [(kind, one.get("Item") or one["Key"]) for kind, one in pairs]
    if operation == "BatchWriteItem":
        requests = [one for of_table in asked["RequestItems"].values() for one in of_table]
        puts = [one["PutRequest"]["Item"] for one in requests if "PutRequest" in one]
        deletes = [one["DeleteRequest"]["Key"] for one in requests if "DeleteRequest" in one]
        return [("Put", item) for item in puts] + [("Delete", key) for key in deletes]
    if operation in ("PutItem", "UpdateItem", "DeleteItem"):
        return [(operation.removesuffix("Item"), asked.get("Item") or asked["Key"])]
    return []


def _key(item: dict[str, Any]) -> dict[str, Any]:
    return {"pk": item["pk"], "sk": item["sk"]}


def _name(item: dict[str, Any]) -> str:
    return f"{item['pk']['S']} {item['sk']['S']}"


def _kind(name: str) -> str:
    """What an item is, of its name: `image#… event#…` is an event."""
    pk, _, sk = name.partition(" ")
    return sk.partition("#")[0] if pk.startswith("image#") else pk.partition("#")[0]
