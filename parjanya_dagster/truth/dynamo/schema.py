"""The table: its indexes, its stream, its creation and migration."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from parjanya_dagster.errors import SchemaOutdated, TruthUnavailable
from parjanya_dagster.truth.dynamo import keys
from parjanya_dagster.truth.dynamo.carry_over import carry_over
from parjanya_dagster.truth.dynamo.codec import attributes, number, text
from parjanya_dagster.truth.dynamo.key_index import file_by_key
from parjanya_dagster.truth.dynamo.keys import INDEXES
from parjanya_dagster.truth.dynamo.likeness import BY_KEY
from parjanya_dagster.truth.dynamo.old_queue import MANY, STILL, adopt
from parjanya_dagster.truth.dynamo.review_index import file_for_review
from parjanya_dagster.truth.dynamo.wire import Add, Wire

VERSION = 6
"""5: no index of present rows by key. 4: events and evidence were an item each. 3: likeness was
filed by key, and work lay in two indexes. 2: no index of what waits for a person. 1: records were
among the heartbeats."""
USABLE_FROM = 5  # the oldest version whose code can use the table too: what a version adds only
SCHEMA = keys.SCHEMA
STILL_FOR = 7 * 86_400  # seconds for which processes of the version before may be at work
MIXED_FOR = 86_400  # and for which they may validate images of tenants that come meanwhile
PATIENCE = 900.0  # seconds to wait for a new index: DynamoDB reads the whole table for it

_NUMBERS = frozenset({"due_at", "lease_until", "updated_at", "landed_at"})


def _definitions(names: set[str]) -> list[dict[str, str]]:
    return [
        {"AttributeName": name, "AttributeType": "N" if name in _NUMBERS else "S"}
        for name in sorted(names)
    ]


def _keys(pk: str, sk: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": pk, "KeyType": "HASH"},
        {"AttributeName": sk, "KeyType": "RANGE"},
    ]


def _index(name: str) -> dict[str, Any]:
    pk, sk, more = INDEXES[name]
    projection: dict[str, Any] = {"ProjectionType": "KEYS_ONLY"}
    if more:
        projection = {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(more)}
    return {"IndexName": name, "KeySchema": _keys(pk, sk), "Projection": projection}


def table(name: str) -> dict[str, Any]:
    """The parameters of `CreateTable`."""
    named = {"pk", "sk"} | {key for pk, sk, _ in INDEXES.values() for key in (pk, sk)}
    return {
        "TableName": name,
        "AttributeDefinitions": _definitions(named),
        "KeySchema": _keys("pk", "sk"),
        "GlobalSecondaryIndexes": [_index(index) for index in INDEXES],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    }


def migrate(
    wire: Wire,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.time,
) -> None:
    """Create the table, or add the indexes that it lacks. Safe to call from many processes."""
    described = wire.describe()
    if described is None:
        wire.create(table(wire.table))
    described = _active(wire, pause)
    recorded = wire.get(SCHEMA)
    if _is_newer(recorded):
        return  # a release that was taken back leaves the table as it is
    for missing in sorted(INDEXES.keys() - {index["IndexName"] for index in _indexes(described)}):
        pk, sk, _ = INDEXES[missing]
        wire.add_index(_definitions({pk, sk}), _index(missing))
        _active(wire, pause)
    wire.keep_backups()
    carry_over(wire)
    if recorded and number(recorded, "version") < 3:
        file_for_review(wire)
    if recorded and number(recorded, "version") < 6:
        file_by_key(wire)
    still: dict[str, int] = {}
    if recorded and (STILL in recorded or number(recorded, "version") < 4):
        now = int(clock())
        since = number(recorded, STILL, now)
        _note_filed_by_key(wire, since + MIXED_FOR)
        while adopt(wire, MANY):
            pass
        # A process of before may still write as it did: so long the reconciler looks. A second
        # migration does not end it: on ECS each start of the code server is one.
        still = {STILL: since} if now - since < STILL_FOR else {}
    wire.put(SCHEMA, attributes({"version": VERSION, "usable_from": USABLE_FROM, **still}))


def _note_filed_by_key(wire: Wire, before: float) -> None:
    """Tenants of before have images that were filed by key: whoever searches looks there too."""
    for item in list(wire.query("tenants")):
        slug = text(item, "slug")
        if BY_KEY not in item and float(item["created_at"]["N"]) < before:
            wire.write(Add(keys.tenant(slug), {}, attributes({BY_KEY: True}), {"slug": slug}))


def check(wire: Wire) -> None:
    """Raise SchemaOutdated unless the table has a schema that this code can use."""
    recorded = wire.get(SCHEMA)
    has = number(recorded, "version") if recorded else 0
    if has != VERSION and not _is_newer(recorded):
        raise SchemaOutdated(
            f"The table {wire.table} has schema {has or 'none'}, this code needs {VERSION}. "
            "Run `parjanya migrate` with the same settings."
        )


def _is_newer(recorded: Any) -> bool:
    """Whether a newer Parjanya migrated the table, to a schema that this code can use too.

    Raises SchemaOutdated where it cannot.
    """
    has = number(recorded, "version") if recorded else 0
    if has <= VERSION:
        return False
    if "usable_from" not in recorded or number(recorded, "usable_from") > VERSION:
        raise SchemaOutdated(
            f"Truth has schema {has}, which this code does not know: it was migrated by a newer "
            "Parjanya. Install that version."
        )
    return True


def _active(wire: Wire, pause: Callable[[float], None]) -> dict[str, Any]:
    waited = 0.0
    while True:
        described = wire.describe() or {}
        states = [described.get("TableStatus"), *(i["IndexStatus"] for i in _indexes(described))]
        if all(state == "ACTIVE" for state in states):
            return described
        if waited > PATIENCE:
            raise TruthUnavailable(
                f"The table {wire.table} is {states[0]}, its indexes are {states[1:]}, after "
                f"{PATIENCE:.0f} s. Run `parjanya migrate` again."
            )
        pause(1.0)
        waited += 1.0


def _indexes(described: dict[str, Any]) -> list[dict[str, Any]]:
    indexes: list[dict[str, Any]] = described.get("GlobalSecondaryIndexes", [])
    return indexes
