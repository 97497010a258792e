"""What the tests of the DynamoDB store watch and break: the requests of its client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from parjanya_dagster.truth.dynamo.wire import Wire

WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"})


class Died(BaseException):
    """The process is gone."""


class Requests:
    """Counts the requests of a wire and the items they return; may die at a write."""

    def __init__(self, wire: Wire, die_at: int = 0, *, after: bool = False) -> None:
        self.made: Counter[str] = Counter()
        self.items = 0
        self.largest = 0  # bytes of one request
        self._die_at, self._after, self.writes, self.died = die_at, after, 0, False
        wire.client.meta.events.register("before-call.dynamodb", self._before)
        wire.client.meta.events.register("after-call.dynamodb", self._returned)

    def _before(self, model: Any, params: Any, **_: Any) -> None:
        if self.died:
            raise Died
        self.made[model.name] += 1
        self.largest = max(self.largest, len(params["body"]))
        self.writes += model.name in WRITES
        if not self._after:
            self._die(model)

    def _returned(self, model: Any, parsed: Any, **_: Any) -> None:
        self.items += len(parsed.get("Items", ()))
        self.items += sum(map(len, parsed.get("Responses", {}).values()))
        if self._after:
            self._die(model)

    def _die(self, model: Any) -> None:
        if model.name in WRITES and self.writes == self._die_at:
            self.died = True
            raise Died


def answer(wire: Wire, operation: str, code: str, times: int, **more: Any) -> Callable[[], int]:
    """Let the next calls of an operation fail with a code. Returns how many did, when asked."""
    left = [times]

    def fail(**_: Any) -> Any:
        if not left[0]:
            return None
        left[0] -= 1
        error = {"Code": code, "Message": "said the test"}
        said = {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}, **more}
        return SimpleNamespace(status_code=400), said

    wire.client.meta.events.register(f"before-call.dynamodb.{operation}", fail)
    return lambda: times - left[0]
