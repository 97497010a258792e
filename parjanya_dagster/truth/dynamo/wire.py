"""One DynamoDB table over boto3: reads, conditional writes, transactions. Knows nothing of rows.

botocore retries throttled requests. It does not retry two transactions on one item, so this module
does. If capacity or an answer is still missing then, TruthUnavailable is raised.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from parjanya_dagster.errors import SchemaOutdated, TruthUnavailable
from parjanya_dagster.truth.dynamo.codec import Item, attribute
from parjanya_dagster.truth.dynamo.keys import INDEXES, Key

T = TypeVar("T")
R = TypeVar("R")

MOST_WRITES = 100  # items in a transaction
READS, PUTS = 100, 25  # items in one BatchGetItem, one BatchWriteItem
TRIES = 10  # of a transaction that conflicts with others
THREADS = 8
ABSENT = {"pk": None}
"""The condition that there is no such item yet."""

_CROWDED = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
_TRANSIENT = frozenset(
    {
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)


@dataclass(frozen=True, slots=True)
class Put:
    """Write a whole item if the present one has these values. A value None: it lacks that one."""

    key: Key
    item: Item
    expect: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Add:
    """Add to the numbers of an item, and set attributes of it."""

    key: Key
    numbers: Mapping[str, int]
    sets: Item = field(default_factory=dict)
    expect: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete an item if it has these values."""

    key: Key
    expect: Mapping[str, Any] = field(default_factory=dict)


Write = Put | Add | Delete


class Wire:
    """A table. `pause` and `rng` space out retries."""

    def __init__(
        self,
        client: Any,
        table: str,
        *,
        pause: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self.client, self.table = client, table
        self._pause, self._rng = pause, rng or random.Random()
        self._pool: ThreadPoolExecutor | None = None
        self.wrote: Callable[[Sequence[Write]], None] = lambda _: None
        """Is told of conditional writes that were done."""

    # --- reading ---

    def get(self, key: Key) -> Item | None:
        answer = self.call("get_item", Key=_key(key), ConsistentRead=True)
        item: Item | None = answer.get("Item")
        return item

    def get_all(self, keys: Iterable[Key]) -> dict[Key, Item]:
        """The current items of these keys. Keys without an item are left out."""
        items: dict[Key, Item] = {}
        distinct = list(dict.fromkeys(keys))
        for start in range(0, len(distinct), READS):
            asked = [_key(key) for key in distinct[start : start + READS]]
            tries = 0
            while asked:
                wanted = {self.table: {"Keys": asked, "ConsistentRead": True}}
                answer = self.call("batch_get_item", table=False, RequestItems=wanted)
                for item in answer["Responses"].get(self.table, []):
                    items[key_of(item)] = item
                left = answer.get("UnprocessedKeys", {}).get(self.table, {}).get("Keys", [])
                tries = self._wait(tries if len(left) == len(asked) else 0) if left else 0
                asked = left
        return items

    def query(
        self,
        pk: str,
        where: tuple[str, Any] | None = None,
        *,
        index: str = "",
        most: int | None = None,
        page: int | None = None,
        backwards: bool = False,
    ) -> Iterator[Item]:
        """The items of a partition in the order of their sort key, page by page.

        `where` is a condition on the sort key: ("<=", 7) or ("begins", "x"). Without an index the
        answer is consistent. An index lags a moment behind. `most`: items in all; `page`: items of
        one request, for who may need no more.
        """
        partition, sort = INDEXES[index][:2] if index else ("pk", "sk")
        names, values = {"#p": partition}, {":p": attribute(pk)}
        condition = "#p = :p"
        if where is not None:
            names["#s"], values[":s"] = sort, attribute(where[1])
            condition += (
                " AND begins_with(#s, :s)" if where[0] == "begins" else f" AND #s {where[0]} :s"
            )
        asked: dict[str, Any] = {
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ScanIndexForward": not backwards,
            **({"IndexName": index} if index else {"ConsistentRead": True}),
        }
        left = most
        if page is not None:
            asked["Limit"] = page
        while left is None or left > 0:
            if left is not None:
                asked["Limit"] = left
            answer = self.call("query", **asked)
            yield from answer["Items"]
            left = None if left is None else left - len(answer["Items"])
            if not (last := answer.get("LastEvaluatedKey")):
                return
            asked["ExclusiveStartKey"] = last

    # --- writing ---

    def put(self, key: Key, item: Item) -> None:
        self.call("put_item", Item={**_key(key), **item})

    def put_all(self, puts: Sequence[tuple[Key, Item]]) -> None:
        """Write items, in no order and not in one transaction."""
        for start in range(0, len(puts), PUTS):
            asked = [
                {"PutRequest": {"Item": {**_key(key), **item}}}
                for key, item in puts[start : start + PUTS]
            ]
            tries = 0
            while asked:
                wanted = {self.table: asked}
                answer = self.call("batch_write_item", table=False, RequestItems=wanted)
                left = answer.get("UnprocessedItems", {}).get(self.table, [])
                tries = self._wait(tries if len(left) == len(asked) else 0) if left else 0
                asked = left

    def write(self, write: Write) -> Item | None:
        """Write if the condition holds, and return None. Otherwise return the present item.

        If an answer is lost, botocore sends the write again, and it then fails on itself. What lies
        there is what we put: it was written.
        """
        operation, asked = _asked(write)
        asked["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        try:
            self.call(f"{operation.lower()}_item", **asked)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            there: Item = error.response.get("Item", {})
            sent_again = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0) > 0
            if not (sent_again and isinstance(write, Put) and _is_put(write, there)):
                return there
        self.wrote([write])
        return None

    def transact(self, writes: Sequence[Write]) -> list[int]:
        """Write all or nothing. Returns which conditions did not hold. Empty: all is written."""
        operations = [_asked(write) for write in writes]
        asked = [{kind: {**parameters, "TableName": self.table}} for kind, parameters in operations]
        tries = 0
        while True:
            try:
                self.call("transact_write_items", table=False, TransactItems=asked)
            except ClientError as error:
                codes = [reason.get("Code", "None") for reason in _reasons(error)]
                broken = [n for n, code in enumerate(codes) if code == "ConditionalCheckFailed"]
                if broken:
                    return broken
                if not set(codes) & _CROWDED:
                    raise
                tries = self._wait(tries)
            else:
                self.wrote(writes)
                return []

    # --- the table itself ---

    def describe(self) -> dict[str, Any] | None:
        try:
            table: dict[str, Any] = self.call("describe_table")["Table"]
        except SchemaOutdated:
            return None
        return table

    def create(self, wanted: dict[str, Any]) -> None:
        try:
            self.call("create_table", table=False, **wanted)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceInUseException":  # another was quicker
                raise

    def add_index(self, definitions: list[dict[str, str]], index: dict[str, Any]) -> None:
        try:
            self.call(
                "update_table",
                AttributeDefinitions=definitions,
                GlobalSecondaryIndexUpdates=[{"Create": index}],
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("ResourceInUseException",):
                raise

    def keep_backups(self) -> None:
        """Turn point-in-time recovery on."""
        self.call(
            "update_continuous_backups",
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        )

    # --- how it is asked ---

    def call(self, operation: str, *, table: bool = True, **asked: Any) -> dict[str, Any]:
        """Call the service. Raises TruthUnavailable, SchemaOutdated, or another ClientError."""
        if table:
            asked["TableName"] = self.table
        tries = 0
        while True:
            try:
                answer: dict[str, Any] = getattr(self.client, operation)(**asked)
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code == "TransactionConflictException" and tries < TRIES:
                    tries = self._wait(tries)
                    continue
                self._name(error, code)
                raise
            except ParamValidationError:
                raise
            except BotoCoreError as error:
                raise TruthUnavailable(f"{self.where} does not answer: {error}") from error
            return answer

    def each(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """The results of `work` on each item, in their order. Several run at once."""
        if len(items) < 2:
            return [work(item) for item in items]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, "dynamodb")
        return list(self._pool.map(work, items))

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()
        self.client.close()

    @property
    def where(self) -> str:
        return f"Truth in table {self.table} at {self.client.meta.endpoint_url}"

    def _name(self, error: ClientError, code: str) -> None:
        """Name a missing table, capacity or permission. Our own mistakes pass through."""
        message = error.response["Error"].get("Message", "")
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code == "ResourceNotFoundException":
            raise SchemaOutdated(
                f"There is no table {self.table} at {self.client.meta.endpoint_url}. "
                "Run `parjanya migrate` with the same settings."
            ) from error
        if code in _TRANSIENT or status >= 500:
            raise TruthUnavailable(f"{self.where} is busy: {code}: {message}") from error
        if status in (401, 403) or "Credential" in code or "Token" in code or "Access" in code:
            raise TruthUnavailable(f"{self.where} refuses us: {code}: {message}") from error

    def _wait(self, tries: int) -> int:
        """Pause before the next try, longer each time. Raises TruthUnavailable after too many."""
        if tries >= TRIES:
            raise TruthUnavailable(f"{self.where} is too busy: tried {tries} times.")
        self.rest(tries)
        return tries + 1

    def rest(self, tries: int) -> None:
        """Pause, so that those who were in each other's way come at different times."""
        self._pause(self._rng.uniform(0.0, min(2.0, 0.02 * 2.0**tries)))


def key_of(item: Mapping[str, Any]) -> Key:
    return item["pk"]["S"], item["sk"]["S"]


def _key(key: Key) -> Item:
    return {"pk": attribute(key[0]), "sk": attribute(key[1])}


def _is_put(put: Put, there: Item) -> bool:
    """Whether an item is what a write puts. DynamoDB gives numbers back in its own spelling."""
    return bool(_plain({**_key(put.key), **put.item}) == _plain(there))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        number = value.get("N")
        if isinstance(number, str):
            return Decimal(number)
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _reasons(error: ClientError) -> list[dict[str, Any]]:
    if error.response["Error"]["Code"] != "TransactionCanceledException":
        raise error
    reasons: list[dict[str, Any]] = error.response.get("CancellationReasons", [])
    return reasons


def _asked(write: Write) -> tuple[str, dict[str, Any]]:
    """The operation of a write and its parameters, for a transaction or a single call."""
    names: dict[str, str] = {}
    values: dict[str, Any] = {}

    def name(attribute_name: str) -> str:
        return names.setdefault(attribute_name, f"#{len(names)}")

    def value(typed: dict[str, Any]) -> str:
        values[f":{len(values)}"] = typed
        return f":{len(values) - 1}"

    asked: dict[str, Any] = {}
    operation = "Update"
    if isinstance(write, Put):
        operation, asked["Item"] = "Put", {**_key(write.key), **write.item}
    elif isinstance(write, Delete):
        operation, asked["Key"] = "Delete", _key(write.key)
    else:
        asked["Key"] = _key(write.key)
        asked["UpdateExpression"] = _update(write, name, value)
    holds = [
        f"attribute_not_exists({name(column)})"
        if expected is None
        else f"{name(column)} = {value(attribute(expected))}"
        for column, expected in write.expect.items()
    ]
    if holds:
        asked["ConditionExpression"] = " AND ".join(holds)
    if names:
        asked["ExpressionAttributeNames"] = {short: long for long, short in names.items()}
    if values:
        asked["ExpressionAttributeValues"] = values
    return operation, asked


def _update(write: Add, name: Callable[[str], str], value: Callable[[dict[str, Any]], str]) -> str:
    clauses = []
    if write.sets:
        sets = [f"{name(column)} = {value(typed)}" for column, typed in write.sets.items()]
        clauses.append(f"SET {', '.join(sets)}")
    if write.numbers:
        adds = [f"{name(column)} {value(attribute(n))}" for column, n in write.numbers.items()]
        clauses.append(f"ADD {', '.join(adds)}")
    return " ".join(clauses)
