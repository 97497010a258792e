"""DynamoDB's manners: it throttles, cancels, answers in parts, late, and not at all."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

from botocore.awsrequest import AWSRequest

from parjanya_dagster.truth.dynamo.codec import Item
from parjanya_dagster.truth.dynamo.keys import Key
from tests.support.aws_manners.answers import document, hook, refused, said, send
from tests.support.aws_manners.chance import Chance
from tests.support.aws_manners.replica import MEGABYTE, Replica, key_of
from tests.support.clock import Clock

KEPT_TOKENS = 600.0  # seconds
LARGEST_ITEM, LARGEST_TRANSACTION, MOST_ACTIONS = 400 * 1024, 4 * 1024 * 1024, 100
MOST_GETS, MOST_PUTS = 100, 25
MOST_REFUSALS = 4
"""In a row, of one request: fewer than botocore's attempts. More would be an outage, which other
tests are about. Where many threads ask, a partition's faults in a row are shared by them all."""
NONE = Chance("no faults", rate=0.0)
SINGLE = frozenset({"PutItem", "UpdateItem", "DeleteItem"})
WRITES = SINGLE | {"TransactWriteItems", "BatchWriteItem"}
READS = frozenset({"GetItem", "Query", "BatchGetItem"})


class DynamoManners:
    """One table with AWS's manners, for every client that follows.

    - Throttling by partition key: `ProvisionedThroughputExceededException` on tables of either
      capacity mode. A partition gives 3,000 read and 1,000 write units a second (guide:
      warm-throughput-scenarios, throttling-key-range-limit-exceeded-mitigation). Here by chance,
      for one partition key at a time. botocore retries it (botocore.retries.standard).
    - 500 `InternalServerError`: "an error occurred on the server side" (API reference). It may
      come after the write was done: then its answer is lost, and botocore sends it again.
    - `TransactionCanceledException` with `TransactionConflict`, and `TransactionConflictException`
      for a single write, while another transaction holds the item (API reference: exceptions of
      TransactWriteItems and PutItem). botocore retries neither. Nothing was written.
    - `TransactionInProgressException`: a transaction with this token is under way (API reference).
    - Tokens: within ten minutes a transaction with a token that is known writes nothing and
      succeeds; with other contents it is `IdempotentParameterMismatchException` (API reference of
      TransactWriteItems: ClientRequestToken).
    - BatchWriteItem and BatchGetItem leave part undone: `UnprocessedItems`, `UnprocessedKeys`. At
      least one is done, else the whole is throttled (API reference of both).
    - Pages: a Query ends at 1 MB, or earlier here (`page_items`), with `LastEvaluatedKey`.
    - Limits: 400 KB an item, 100 actions and 4 MB a transaction, no item twice in it, 100 keys or
      25 writes in a batch: `ValidationException` (API reference, and the guide's page of quotas).
    - Indexes, and reads that do not ask for consistency, follow late: see `Replica`.
    """

    def __init__(
        self,
        clock: Clock,
        chance: Chance,
        *,
        replica: Replica | None = None,
        page_items: int | None = None,
        page_bytes: int = MEGABYTE,
    ) -> None:
        self._clock, self._chance, self._replica = clock, chance, replica
        self._page_items, self._page_bytes = page_items, page_bytes
        self._tokens: dict[str, tuple[float, str]] = {}
        self._refused: Counter[str] = Counter()  # in a row, by what was asked
        self._begun = False
        self._lock = threading.Lock()
        self.broken: list[str] = []
        """Requests that DynamoDB refuses for what they are: our mistakes."""

    def follow(self, client: Any, table: str) -> None:
        if self._replica is not None and not self._begun:
            self._begun = True
            pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
            self._replica.begin(item for page in pages for item in page["Items"])
        hook(client, lambda operation, request: self._serve(client, operation, request))

    def _serve(self, client: Any, operation: str, request: Any) -> Any:
        if operation not in WRITES | READS:
            return None
        asked = document(request)
        if why := invalid(operation, asked):
            self.broken.append(f"{operation}: {why}")
            return refused(request, "ValidationException", message=why)
        contents = _contents(asked)
        with self._lock:
            tried = self._refused[contents]
        chance = self._chance if tried < MOST_REFUSALS else NONE
        answered = self._answer(client, operation, request, asked, chance)
        with self._lock:
            if answered is None or answered.status_code == 200:
                self._refused.pop(contents, None)
            else:
                self._refused[contents] += 1
        return answered

    def _answer(
        self, client: Any, operation: str, request: Any, asked: dict[str, Any], chance: Chance
    ) -> Any:
        subject = _partition(operation, asked)
        if chance.happens("throttled", subject):
            return refused(request, "ProvisionedThroughputExceededException")
        if chance.happens("failed", subject):
            return refused(request, "InternalServerError", 500)
        if operation in READS:
            return self._read(client, operation, request, asked)
        return self._write(client, operation, request, asked, chance)

    # --- reads ---

    def _read(self, client: Any, operation: str, request: Any, asked: Any) -> Any:
        if operation == "BatchGetItem":
            return self._batch(client, request, asked, "UnprocessedKeys")
        if operation == "Query" and self._page_items is not None:
            asked["Limit"] = min(asked.get("Limit", self._page_items), self._page_items)
            _resay(request, asked)
        if self._replica is None or asked.get("ConsistentRead"):
            return None
        if operation == "Query":
            return said(request, self._replica.query(asked, self._page_bytes))
        item = self._replica.get(key_of(asked["Key"]))
        return said(request, {"Item": item} if item is not None else {})

    # --- writes ---

    def _write(
        self, client: Any, operation: str, request: Any, asked: dict[str, Any], chance: Chance
    ) -> Any:
        subject = _partition(operation, asked)
        if operation == "TransactWriteItems":
            if (known := self._known(asked)) is not None:
                if known != _contents(asked):
                    return refused(request, "IdempotentParameterMismatchException")
                return said(request, {})
            if chance.happens("in progress", subject):
                return refused(request, "TransactionInProgressException")
            if chance.happens("conflict", subject):
                return refused(
                    request,
                    "TransactionCanceledException",
                    CancellationReasons=[
                        {"Code": "None" if n else "TransactionConflict"}
                        for n in range(len(asked["TransactItems"]))
                    ],
                )
        elif operation in SINGLE and chance.happens("conflict", subject):
            return refused(request, "TransactionConflictException")
        if operation == "BatchWriteItem":
            answered = self._batch(client, request, asked, "UnprocessedItems")
        else:
            answered = send(client, request)
        if answered.status_code == 200:
            self._wrote(client, operation, asked)
            if chance.happens("answer lost", subject):
                return refused(request, "InternalServerError", 500)
        return answered

    def _known(self, asked: Any) -> str | None:
        with self._lock:
            at, contents = self._tokens.get(asked["ClientRequestToken"], (float("-inf"), ""))
        return contents if self._clock() - at < KEPT_TOKENS else None

    def _wrote(self, client: Any, operation: str, asked: Any) -> None:
        if operation == "TransactWriteItems":
            with self._lock:
                self._tokens[asked["ClientRequestToken"]] = (self._clock(), _contents(asked))
        if self._replica is None:
            return
        there, unknown = _now_there(operation, asked)
        table = next(keys_written(operation, asked))[0]
        self._replica.wrote(there | _read_below(client, table, unknown))

    def _batch(self, client: Any, request: Any, asked: Any, left: str) -> Any:
        """Do a part of a batch and name the rest."""
        (table, wanted), *_ = asked["RequestItems"].items()
        entries = wanted["Keys"] if left == "UnprocessedKeys" else wanted
        rest: list[Any] = []
        if len(entries) > 1 and self._chance.happens(left):
            done = int(self._chance.between(1, len(entries)))
            entries, rest = entries[:done], entries[done:]
        part = {**wanted, "Keys": entries} if left == "UnprocessedKeys" else entries
        asked["RequestItems"] = {table: part}
        _resay(request, asked)
        answered = send(client, request)
        if answered.status_code != 200 or not rest:
            return answered
        found = json.loads(answered.content)
        found[left] = {table: {**wanted, "Keys": rest} if left == "UnprocessedKeys" else rest}
        return said(request, found)


def invalid(operation: str, asked: dict[str, Any]) -> str:
    """Why DynamoDB refuses a request for what it is. Empty: it does not."""
    if operation == "TransactWriteItems":
        actions = [next(iter(one.values())) for one in asked["TransactItems"]]
        named = [key_of(one.get("Key") or one["Item"]) for one in actions]
        if len(actions) > MOST_ACTIONS:
            return f"{len(actions)} actions in a transaction"
        if len(set(named)) < len(named):
            return "one item twice in a transaction"
        if (size := sum(item_size(one.get("Item", {})) for one in actions)) > LARGEST_TRANSACTION:
            return f"{size} bytes in a transaction"
        items = [one.get("Item", {}) for one in actions]
    elif operation == "BatchWriteItem":
        entries = [one for many in asked["RequestItems"].values() for one in many]
        if len(entries) > MOST_PUTS:
            return f"{len(entries)} writes in a batch"
        named = [key_of(one) for _, one in keys_written(operation, asked)]
        if len(set(named)) < len(named):
            return "one item twice in a batch"
        items = [one.get("PutRequest", {}).get("Item", {}) for one in entries]
    elif operation == "BatchGetItem":
        gets = [key for one in asked["RequestItems"].values() for key in one["Keys"]]
        if len(gets) > MOST_GETS:
            return f"{len(gets)} keys in a batch"
        if len({key_of(key) for key in gets}) < len(gets):
            return "one key twice in a batch"
        items = []
    else:
        items = [asked.get("Item", {})]
    largest = max(map(item_size, items), default=0)
    return f"an item of {largest} bytes" if largest > LARGEST_ITEM else ""


def item_size(item: Item) -> int:
    """Bytes of an item: names and values (guide: CapacityUnitCalculations, from memory)."""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(typed: dict[str, Any]) -> int:
    (kind, value), *_ = typed.items()
    if kind == "S":
        return len(value.encode())
    if kind == "B":
        return len(value) * 3 // 4
    if kind == "N":
        return len(value) // 2 + 1
    if kind == "M":
        return 3 + sum(len(name.encode()) + 1 + _size(one) for name, one in value.items())
    if kind == "L":
        return 3 + sum(1 + _size(one) for one in value)
    return 1 if kind in ("BOOL", "NULL") else sum(len(one) for one in value)


def keys_written(operation: str, asked: dict[str, Any]) -> Iterator[tuple[str, Item]]:
    """The tables and keys that a request writes."""
    if operation == "TransactWriteItems":
        for action in asked["TransactItems"]:
            (one,) = action.values()
            yield one["TableName"], _key(one.get("Key") or one["Item"])
    elif operation == "BatchWriteItem":
        for table, entries in asked["RequestItems"].items():
            for entry in entries:
                (one,) = entry.values()
                yield table, _key(one.get("Key") or one["Item"])
    else:
        yield asked["TableName"], _key(asked.get("Key") or asked["Item"])


def _key(item: Item) -> Item:
    return {"pk": item["pk"], "sk": item["sk"]}


def _partition(operation: str, asked: dict[str, Any]) -> str:
    """The partition key that a request is about: the first, where it names several."""
    if operation in WRITES:
        return str(next(keys_written(operation, asked))[1]["pk"]["S"])
    if operation == "GetItem":
        return str(asked["Key"]["pk"]["S"])
    if operation == "Query":
        return json.dumps(asked["ExpressionAttributeValues"].get(":p"))
    return "batch"


def _contents(asked: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _resay(request: Any, asked: dict[str, Any]) -> None:
    request.body = json.dumps(asked).encode()
    request.headers["Content-Length"] = str(len(request.body))


def _now_there(operation: str, asked: dict[str, Any]) -> tuple[dict[Key, Item | None], list[Item]]:
    """What a write put or deleted, and the keys of what it updated."""
    if operation == "TransactWriteItems":
        actions = [next(iter(one.values())) for one in asked["TransactItems"]]
    elif operation == "BatchWriteItem":
        entries = (one for many in asked["RequestItems"].values() for one in many)
        actions = [next(iter(one.values())) for one in entries]
    else:
        actions = [asked]
    there: dict[Key, Item | None] = {}
    updated: list[Item] = []
    for action in actions:
        if "Item" in action:
            there[key_of(action["Item"])] = action["Item"]
        elif "UpdateExpression" in action:
            updated.append(action["Key"])
        else:
            there[key_of(action["Key"])] = None
    return there, updated


def _read_below(client: Any, table: str, keys: list[Item]) -> dict[Key, Item | None]:
    """Current items, asked below the hook: a request through the client would be hooked."""
    if not keys:
        return {}
    body = {"RequestItems": {table: {"Keys": keys, "ConsistentRead": True}}}
    request = AWSRequest(
        method="POST",
        url=client.meta.endpoint_url,
        data=json.dumps(body).encode(),
        headers={
            "X-Amz-Target": "DynamoDB_20120810.BatchGetItem",
            "Content-Type": "application/x-amz-json-1.0",
            "Authorization": "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/dynamodb/"
            "aws4_request, SignedHeaders=host, Signature=none",
        },
    )
    found = json.loads(send(client, request.prepare()).content)["Responses"].get(table, [])
    return dict.fromkeys(map(key_of, keys)) | {key_of(item): item for item in found}
