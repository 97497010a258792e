"""`python -m tests.support.moto_server PORT`: an emulator of AWS, as atomic as DynamoDB is.

An emulator, not AWS: moto. Its server answers in threads and its DynamoDB takes no locks, so two
conditional writes at once can both succeed. It also copies the whole table, with its stream, for
each transaction, sorts it for each query and looks through it for one partition, measures an item
for each attribute of it, looks for each of ten types in each value, and parses an update for each
item. Here DynamoDB answers one
request at a time, a transaction looks at all of its conditions before its first write, and that
work is not done where it changes nothing. Other services are as moto has them.

Four fifths of moto's time for a request went into the way to its DynamoDB and back: Flask, the
search for an application, parameters parsed and answers serialized by AWS's description. The
requests in `_DIRECT` take none of it: moto's own action gets the JSON of the request, and what it
returns is sent as JSON. What moto refuses there goes the long way once more, which renders the
refusal. So this is left out on the direct way: that a parameter is one which AWS describes (boto3
checks that before it sends), checksums of answers, and attributes of an answer that boto3 ignores.
"""

from __future__ import annotations

import base64
import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from io import BytesIO
from threading import Lock
from typing import Any

from moto import settings
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.serialize import BaseJSONSerializer
from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.exceptions import TransactionCanceledException
from moto.dynamodb.models import DynamoDBBackend, Table
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.utilities import bytesize
from moto.dynamodb.parsing.expressions import UpdateExpressionParser
from moto.dynamodb.responses import DynamoHandler
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import run_simple

_write = DynamoDBBackend.transact_write_items
_query = Table.query
_specify = Table.set_stream_specification
_measure_and_set = LimitedSizeDict.__setitem__
_serialize_member = BaseJSONSerializer._serialize_structure_member
_SURELY_SMALL = 405_000  # bytes: moto's limit for an item
_API = "DynamoDB_20120810"
_DIRECT = {
    "BatchGetItem": DynamoHandler.batch_get_item,
    "BatchWriteItem": DynamoHandler.batch_write_item,
    "DeleteItem": DynamoHandler.delete_item,
    "GetItem": DynamoHandler.get_item,
    "PutItem": DynamoHandler.put_item,
    "Query": DynamoHandler.query,
    "Scan": DynamoHandler.scan,
    "TransactWriteItems": DynamoHandler.transact_write_items,
    "UpdateItem": DynamoHandler.update_item,
}
_READING = {"BatchGetItem", "GetItem", "Query", "Scan"}
_writes = 0  # so many requests may have written
_SIGNED_REGION = re.compile(r"Credential=[^/]+/[0-9]+/([^/]+)/")
_lock = Lock()
"""DynamoDB takes one request at a time."""


def _set_stream(self: Table, streams: dict[str, Any] | None) -> None:
    """moto goes on writing to a stream that was disabled, and fails over its missing settings."""
    _specify(self, streams)
    if not (self.stream_specification or {}).get("StreamEnabled"):
        self.stream_shard = None


def _transact(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
    """Raise TransactionCanceledException where a condition fails; else write, with no undo.

    moto would look at each condition twice more.
    """
    reasons = [_failed(self, *next(iter(item.items()))) for item in transact_items]
    if any(code is not None for code, _, _ in reasons):
        raise TransactionCanceledException(reasons)
    _write(
        self,
        [{kind: _unconditional(asked)} for item in transact_items for kind, asked in item.items()],
    )


def _unconditional(asked: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if name != "ConditionExpression"}


def _all_items(self: Table) -> Iterator[Item]:
    """Every item, in no order: whoever asks sorts what it keeps.

    For a query, the items of its partition. Those of an index are looked for once between two
    writes: whoever looks for work asks for all partitions of an index, one after the other.
    """
    if (of_index := getattr(self, "of_index", None)) is not None:
        yield from _partitions(self, of_index[0]).get(of_index[1], ())
        return
    within = getattr(self, "within", None)
    for some in self.items.values() if within is None else [self.items.get(within, {})]:
        yield from some.values() if self.range_key_attr else [some]


def _partitions(self: Table, attribute: str) -> dict[Any, list[Item]]:
    """The items that have an attribute, by its value."""
    number, known = getattr(self, "partitions", (-1, {}))
    if number != _writes:
        self.partitions = number, known = _writes, {}  # type: ignore[attr-defined]
    if attribute not in known:
        found: dict[Any, list[Item]] = {}
        for item in _all_items(self):
            if (value := item.attrs.get(attribute)) is not None:
                found.setdefault(value.value, []).append(item)
        known[attribute] = found
    return known[attribute]


def _query_partition(
    self: Table, hash_key: Any, comparison: Any, values: Any, limit: Any, start: Any, forward: Any,
    projections: Any, index_name: str | None = None, *more: Any, **options: Any,
) -> Any:  # fmt: skip
    self.within = hash_key if index_name is None else None  # type: ignore[attr-defined]
    for index in self.all_indexes() if index_name is not None else ():
        if index.name == index_name and isinstance(hash_key, DynamoType):
            attribute = index.schema[0]["AttributeName"]
            _partitions(self, attribute)
            self.of_index = attribute, hash_key.value  # type: ignore[attr-defined]
    try:
        return _query(
            self, hash_key, comparison, values, limit, start, forward, projections, index_name,
            *more, **options,
        )  # fmt: skip
    finally:
        self.within = self.of_index = None  # type: ignore[attr-defined]


def _set_attribute(self: LimitedSizeDict, key: str, value: Any) -> None:
    """Measure the whole item only where it may be too large: `ever` is at least what it holds."""
    size = bytesize(key) + (value.size() if isinstance(value, DynamoType) else bytesize(str(value)))
    self.ever = getattr(self, "ever", 0) + size  # type: ignore[attr-defined]
    if self.ever > _SURELY_SMALL:  # type: ignore[attr-defined]
        _measure_and_set(self, key, value)
    else:
        dict.__setitem__(self, key, value)


def _serialize_present(
    self: BaseJSONSerializer, serialized: Any, value: Any, shape: Any, key: str
) -> None:
    """A value of DynamoDB has one of ten types: the other nine are not looked for."""
    if shape.parent.name != "AttributeValue" or not isinstance(value, dict) or key in value:
        _serialize_member(self, serialized, value, shape, key)


def _failed(backend: DynamoDBBackend, kind: str, asked: dict[str, Any]) -> tuple[Any, Any, Any]:
    expression = asked.get("ConditionExpression")
    if expression is None:
        return None, None, None
    table = backend.get_table(asked["TableName"])
    named = asked["Item"] if kind == "Put" else asked["Key"]
    key = {name: named[name] for name in table.table_key_attrs}
    current = backend.get_item(asked["TableName"], key)
    holds = get_filter_expression(
        expression,
        asked.get("ExpressionAttributeNames"),
        asked.get("ExpressionAttributeValues"),
    ).expr(current)
    if holds:
        return None, None, None
    wanted = asked.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
    old = current.to_json()["Attributes"] if wanted and current else None
    return "ConditionalCheckFailed", "The conditional request failed", old


def _one_at_a_time(application: DomainDispatcherApplication) -> Callable[..., Iterable[bytes]]:
    """Which application answers for DynamoDB is found out once."""
    found: dict[str, Any] = {}

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        global _writes
        api = environ.get("HTTP_X_AMZ_TARGET", "").partition("_")[0]
        if api.startswith("DynamoDB"):
            with _lock:
                _writes += 1  # perhaps
                if api not in found:
                    found[api] = application.get_application(environ)
                return found[api](environ, start_response)
        return application(environ, start_response)

    return serve


def _binary(value: dict[str, Any]) -> dict[str, Any]:
    """Bytes are base64 in JSON."""
    if isinstance(coded := value.get("B"), str) and len(value) == 1:
        return {"B": base64.b64decode(coded)}
    return value


def _answer(operation: str, region: str, asked: bytes) -> bytes | None:
    """What moto's DynamoDB answers to a request, as JSON. None: it refuses."""
    global _writes
    handler = DynamoHandler()
    handler.current_account, handler.region = DEFAULT_ACCOUNT_ID, region
    handler.body = json.loads(asked, object_hook=_binary if b'"B"' in asked else None)
    try:
        with _lock:
            _writes += operation not in _READING
            said = _DIRECT[operation](handler).result
    except Exception:
        return None
    return json.dumps(said, default=lambda coded: base64.b64encode(coded).decode()).encode()


class _KeepAlive(MotoRequestHandler):
    protocol_version = "HTTP/1.1"

    def run_wsgi(self) -> None:
        api, _, operation = self.headers.get("X-Amz-Target", "").partition(".")
        signed = _SIGNED_REGION.search(self.headers.get("Authorization", ""))
        everybody_may = math.isinf(settings.INITIAL_NO_AUTH_ACTION_COUNT)
        if not (api == _API and operation in _DIRECT and signed and everybody_may):
            super().run_wsgi()
            return
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        if (said := _answer(operation, signed[1], asked)) is not None:
            head = f"HTTP/1.1 200 OK\r\nDate: {self.date_time_string()}\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(said)}\r\n\r\n"
            self.wfile.write(head.encode() + said)
            return
        stream, self.rfile = self.rfile, BytesIO(asked)
        try:
            super().run_wsgi()
        finally:
            self.rfile = stream

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing of requests that were answered."""


def main() -> None:
    DynamoDBBackend.transact_write_items = _transact  # type: ignore[method-assign]
    Table.set_stream_specification = _set_stream  # type: ignore[method-assign]
    Table.all_items = _all_items  # type: ignore[method-assign]
    Table.query = _query_partition  # type: ignore[method-assign]
    LimitedSizeDict.__setitem__ = _set_attribute  # type: ignore[method-assign]
    BaseJSONSerializer._serialize_structure_member = (  # type: ignore[method-assign]
        _serialize_present
    )
    Table.__deepcopy__ = lambda self, _memo: self  # type: ignore[attr-defined]
    # Whoever fills in what was parsed copies it first.
    UpdateExpressionParser.make = lru_cache(1000)(UpdateExpressionParser.make)  # type: ignore
    application = DomainDispatcherApplication(create_backend_app)
    run_simple(
        "127.0.0.1",
        int(sys.argv[1]),
        _one_at_a_time(application),
        threaded=True,
        request_handler=_KeepAlive,
    )


if __name__ == "__main__":
    main()
