"""Whether a table of DynamoDB is as Truth needs it: asked of the table, with probes of our own.

A probe is an item whose key begins with `verify#`. It is no row, and is taken away again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

from parjanya_dagster.aws.bucket_check import Finding, Mark
from parjanya_dagster.truth.dynamo.codec import attributes
from parjanya_dagster.truth.dynamo.keys import INDEXES, Key
from parjanya_dagster.truth.dynamo.wire import Delete, Put, Wire

PATIENCE = 30.0  # seconds until an index must show a probe
SLOW = 5.0  # seconds for which a process knows its own writes: `truth.dynamo.recent`
PROBES = 5


def table(wire: Wire) -> Iterator[Finding]:
    """Its indexes, its mode, its stream, its protection."""
    described = wire.describe() or {}
    indexes = {
        one["IndexName"]: one["IndexStatus"]  # DynamoDB leaves the list out where there is none
        for one in described.get("GlobalSecondaryIndexes", ())
    }
    lacking = sorted(INDEXES.keys() - indexes.keys())
    waiting = sorted(name for name, status in indexes.items() if status != "ACTIVE")
    if lacking or waiting:
        yield Finding(
            "indexes",
            Mark.ERROR,
            f"Lacking: {', '.join(lacking) or 'none'}. Not ready: {', '.join(waiting) or 'none'}.",
            "Run `parjanya migrate`, and look again.",
        )
    else:
        yield Finding("indexes", Mark.OK, f"All {len(INDEXES)} are there and active.")
    mode = described.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    on_demand = mode == "PAY_PER_REQUEST"
    yield Finding(
        "capacity",
        Mark.OK if on_demand else Mark.WARNING,
        f"The table's mode is {mode}.",
        "" if on_demand else "Give the indexes as much as the table: theirs throttles writes too.",
    )
    stream = described.get("StreamSpecification", {})
    told = stream.get("StreamEnabled") and stream.get("StreamViewType") == "NEW_AND_OLD_IMAGES"
    yield Finding(
        "stream",
        Mark.OK if told else Mark.WARNING,
        "The stream tells old and new images." if told else "There is no stream that tells both.",
        "" if told else "Ticks look at the index instead: it works, and costs more.",
    )
    kept = bool(described.get("DeletionProtectionEnabled"))
    yield Finding(
        "deletion protection",
        Mark.OK if kept else Mark.WARNING,
        f"It is {'on' if kept else 'off'}.",
        "" if kept else "Turn it on: the table is all of Truth.",
    )


def backups(wire: Wire) -> Iterator[Finding]:
    """Whether it can be restored to any second."""
    answer = wire.call("describe_continuous_backups")["ContinuousBackupsDescription"]
    status = answer.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
    kept = status == "ENABLED"
    yield Finding(
        "point-in-time recovery",
        Mark.OK if kept else Mark.ERROR,
        f"It is {status}.",
        "" if kept else "Run `parjanya migrate`, which turns it on.",
    )


def conditions(wire: Wire) -> Iterator[Finding]:
    """A condition that does not hold must refuse, alone and in a transaction."""
    key = _probe()
    absent = Put(key, attributes({"n": 1}), {"pk": None})
    try:
        first, again = wire.write(absent), wire.write(absent)
        broken = wire.transact([absent])
    finally:
        wire.write(Delete(key))
    held = first is None and again is not None and broken == [0]
    yield Finding(
        "conditions",
        Mark.OK if held else Mark.ERROR,
        "What is there is not written over." if held else "A refused write was done.",
        "" if held else "Do not use this table: fences do not hold here.",
    )


def units(wire: Wire) -> Iterator[Finding]:
    """What a transaction is charged for a small item in one index, as docs/aws-cost.md counts."""
    key = _probe()
    item = attributes({"pk": key[0], "sk": key[1], "list_pk": key[0], "image_id": key[0]})
    put = {"TableName": wire.table, "Item": item}
    try:
        answer = wire.call(
            "transact_write_items",
            table=False,
            TransactItems=[{"Put": put}],
            ReturnConsumedCapacity="INDEXES",
        )
    finally:
        wire.write(Delete(key))
    (charged,) = answer.get("ConsumedCapacity") or [{}]
    of_table = charged.get("Table", {}).get("CapacityUnits")
    of_index = charged.get("GlobalSecondaryIndexes", {}).get("listed", {}).get("CapacityUnits")
    as_counted = (of_table, of_index) == (2.0, 1.0)
    yield Finding(
        "units",
        Mark.OK if as_counted else Mark.WARNING,
        f"A small item in a transaction cost {of_table} units, its index {of_index}; "
        "docs/aws-cost.md counts 2 and 1.",
        "" if as_counted else "The bill will differ from docs/aws-cost.md.",
    )


def lag(
    wire: Wire, clock: Callable[[], float], pause: Callable[[float], None]
) -> Iterator[Finding]:
    """How long an index takes to show what was written."""
    waits = [_seen_after(wire, clock, pause) for _ in range(PROBES)]
    slowest = max(waits)
    mark = Mark.OK if slowest < SLOW else Mark.WARNING if slowest < PATIENCE else Mark.ERROR
    yield Finding(
        "index lag",
        mark,
        f"An index showed {PROBES} writes after at most {slowest:.2f} s.",
        ""
        if mark is Mark.OK
        else f"A process knows its own writes for {SLOW:.0f} s only: runs will end too early.",
    )


def _seen_after(wire: Wire, clock: Callable[[], float], pause: Callable[[float], None]) -> float:
    key = _probe()
    began = clock()
    wire.put(key, attributes({"list_pk": key[0], "image_id": key[0]}))
    try:
        while clock() - began < PATIENCE:
            if next(wire.query(key[0], index="listed"), None) is not None:
                break
            pause(0.05)
        return clock() - began
    finally:
        wire.write(Delete(key))


def _probe() -> Key:
    return f"verify#{secrets.token_hex(8)}", "probe"
