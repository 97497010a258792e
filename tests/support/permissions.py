"""What was asked of DynamoDB, in the words of IAM: which action, on what, of which items.

A transaction has no action of its own: it needs those of its items.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Protocol

_OF_TRANSACTIONS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}


class Right(Protocol):
    """See `deploy/ecs/rights.py`."""

    @property
    def actions(self) -> tuple[str, ...]: ...

    @property
    def on(self) -> tuple[str, ...]: ...

    @property
    def keys(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Asked:
    """One action. `on`: '' for the table, else '/index/NAME'. `key`: the partition key, if any."""

    action: str
    on: str = ""
    key: str = ""


def of_request(operation: str, params: Mapping[str, Any]) -> Iterator[Asked]:
    """The actions that a request needs."""
    if operation == "TransactWriteItems":
        for one in params["TransactItems"]:
            for kind, item in one.items():
                yield Asked(f"dynamodb:{_OF_TRANSACTIONS[kind]}", key=_key(item))
    elif operation in ("BatchGetItem", "BatchWriteItem"):
        for of_table in params["RequestItems"].values():
            items = of_table["Keys"] if operation == "BatchGetItem" else _written(of_table)
            for item in items:
                yield Asked(f"dynamodb:{operation}", key=str(item["pk"]["S"]))
    elif operation == "Query":
        index = params.get("IndexName", "")
        on = f"/index/{index}" if index else ""
        yield Asked("dynamodb:Query", on, params["ExpressionAttributeValues"][":p"]["S"])
    else:
        yield Asked(f"dynamodb:{operation}", key=_key(params))


def _key(params: Mapping[str, Any]) -> str:
    item = params.get("Key") or params.get("Item") or {}
    return str(item["pk"]["S"]) if item else ""


def _written(requests: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    for request in requests:
        for kind, one in request.items():
            yield one["Item" if kind == "PutRequest" else "Key"]


@dataclass
class Recorder:
    """Records what a client asks."""

    asked: set[Asked] = field(default_factory=set)

    def listen(self, client: Any) -> None:
        client.meta.events.register("provide-client-params.dynamodb", self._note)

    def _note(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        self.asked.update(of_request(model.name, params))


def missing(asked: set[Asked], rights: Sequence[Right]) -> list[Asked]:
    """What was asked and no right allows."""
    return sorted(
        (one for one in asked if not any(_allows(right, one) for right in rights)),
        key=lambda one: (one.action, one.on, one.key),
    )


def spare(asked: set[Asked], rights: Sequence[Right]) -> list[tuple[str, str]]:
    """What is allowed and was never asked: (action, '') or (action, pattern of keys)."""
    idle = []
    for right in rights:
        used = [one for one in asked if _allows(right, one)]
        actions = {one.action for one in used}
        idle += [(action, "") for action in right.actions if action not in actions]
        idle += [
            (right.actions[0], pattern)
            for pattern in right.keys
            if not any(fnmatchcase(one.key, pattern) for one in used)
        ]
    return idle


def _allows(right: Right, asked: Asked) -> bool:
    return (
        asked.action in right.actions
        and any(fnmatchcase(asked.on, part) for part in right.on)
        and (not right.keys or any(fnmatchcase(asked.key, pattern) for pattern in right.keys))
    )
