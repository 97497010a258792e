"""What only an account can show, asked of the account: the table, its indexes, queues, buckets.

It writes probes of its own and takes them away: an item of the table whose key begins with
`verify#`, and an object under `verify/` in a bucket. Neither is an image. Each check stands for
itself, so one that is refused stops no other.
"""

from __future__ import annotations

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from parjanya_dagster.aws.bucket_check import Finding, Mark
from parjanya_dagster.aws.clients import client as client_of
from parjanya_dagster.doctor.tenant_bucket import findings_of_bucket
from parjanya_dagster.errors import ParjanyaError
from parjanya_dagster.platform import Platform
from parjanya_dagster.queues.messages import DEAD_LETTERS
from parjanya_dagster.truth.dynamo import open_wire
from parjanya_dagster.truth.dynamo.codec import attributes
from parjanya_dagster.truth.dynamo.keys import INDEXES, Key
from parjanya_dagster.truth.dynamo.wire import Delete, Put, Wire

PATIENCE = 30.0  # seconds until an index must show a probe
SLOW = 5.0  # seconds for which a process knows its own writes: `truth.dynamo.recent`
PROBES = 5
BODY = b"parjanya aws verify"


def verify(platform: Platform) -> Iterator[Finding]:
    """Every check, passed or not, as it is made."""
    url = platform.settings.truth_url
    if url.startswith("dynamodb:"):
        with _wire(url) as wire:
            yield from _one("table", lambda: _table(wire))
            yield from _one("point-in-time recovery", lambda: _backups(wire))
            yield from _one("conditions", lambda: _conditions(wire))
            yield from _one("units", lambda: _units(wire))
            yield from _one("index lag", lambda: _lag(wire, platform.clock, platform.pause))
    else:
        yield Finding("table", Mark.OK, "Truth is not in DynamoDB: nothing of it applies.")
    for role, queue in platform.all_queues.items():
        yield from _one(f"queue of {role}", partial(_queue, role, queue))
    if not platform.settings.objects_url.startswith("s3:"):
        yield Finding("buckets", Mark.OK, "Buckets are folders: nothing of S3 applies.")
        return
    for tenant in platform.store.tenants():
        origins = platform.settings.uploads.origins.split()
        for finding in (
            *_one("bucket", partial(findings_of_bucket, platform, tenant, origins)),
            *_one("signed uploads", partial(_signatures, platform, tenant.bucket)),
        ):
            yield replace(finding, name=f"{tenant.slug}: {finding.name}")


def _one(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of a check. That it is refused, or not answered, is a finding, too."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield from check()
    except (ParjanyaError, ClientError, BotoCoreError, OSError) as error:
        step = "Give this role the right, or run it as one that has it; then look again."
        yield Finding(name, Mark.UNKNOWN, f"It could not be looked at: {error}", step)


@contextmanager
def _wire(url: str) -> Iterator[Wire]:
    wire = open_wire(url)
    try:
        yield wire
    finally:
        wire.close()


# --- the table ---


def _table(wire: Wire) -> Iterator[Finding]:
    table = wire.describe() or {}
    indexes = {one["IndexName"]: one["IndexStatus"] for one in table["GlobalSecondaryIndexes"]}
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
    mode = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    on_demand = mode == "PAY_PER_REQUEST"
    yield Finding(
        "capacity",
        Mark.OK if on_demand else Mark.WARNING,
        f"The table's mode is {mode}.",
        "" if on_demand else "Give the indexes as much as the table: theirs throttles writes too.",
    )
    stream = table.get("StreamSpecification", {})
    told = stream.get("StreamEnabled") and stream.get("StreamViewType") == "NEW_AND_OLD_IMAGES"
    yield Finding(
        "stream",
        Mark.OK if told else Mark.WARNING,
        "The stream tells old and new images." if told else "There is no stream that tells both.",
        "" if told else "Ticks look at the index instead: it works, and costs more.",
    )
    kept = bool(table.get("DeletionProtectionEnabled"))
    yield Finding(
        "deletion protection",
        Mark.OK if kept else Mark.WARNING,
        f"It is {'on' if kept else 'off'}.",
        "" if kept else "Turn it on: the table is all of Truth.",
    )


def _backups(wire: Wire) -> Iterator[Finding]:
    answer = wire.call("describe_continuous_backups")["ContinuousBackupsDescription"]
    status = answer.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
    kept = status == "ENABLED"
    yield Finding(
        "point-in-time recovery",
        Mark.OK if kept else Mark.ERROR,
        f"It is {status}.",
        "" if kept else "Run `parjanya migrate`, which turns it on.",
    )


def _conditions(wire: Wire) -> Iterator[Finding]:
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


def _units(wire: Wire) -> Iterator[Finding]:
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


def _lag(
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


# --- queues and buckets ---


def _queue(role: str, queue: Any) -> Iterator[Finding]:
    state = queue.state()
    name = f"queue of {role}"
    if state.receives is not None and role != DEAD_LETTERS:
        yield Finding(
            name,
            Mark.ERROR,
            f"{queue.name} gives a message up after {state.receives} receipts.",
            "Take its redrive policy away: an outage uses receipts up.",
        )
    else:
        days = state.retention / 86_400
        yield Finding(name, Mark.OK, f"{queue.name} answers, and keeps messages {days:.0f} days.")


def _signatures(platform: Platform, bucket: str) -> Iterator[Finding]:
    """A signed address is good for one PUT of exactly the type and size that were signed."""
    key = f"verify/{secrets.token_hex(8)}.txt"
    signed = platform.objects.presigned_put(bucket, key, "text/plain", len(BODY), 60)
    if signed is None:
        return
    headers = dict(signed.headers)
    other_size = _put(signed.url, headers, BODY + b"!")
    other_type = _put(signed.url, {**headers, "Content-Type": "image/jpeg"}, BODY)
    first, second = _put(signed.url, headers, BODY), _put(signed.url, headers, BODY)
    left = _take_away(bucket, key)
    as_meant = first == 200 and second == 412 and other_size >= 400 and other_type >= 400
    yield Finding(
        "signed uploads",
        Mark.OK if as_meant else Mark.ERROR,
        f"Another size: {other_size}. Another type: {other_type}. The first PUT: {first}. "
        f"The second: {second}.{left}",
        "" if as_meant else "Do not let strangers upload here: expected 4xx, 4xx, 200, 412.",
    )


def _put(url: str, headers: dict[str, str], body: bytes) -> int:
    """The status of the answer."""
    request = urllib.request.Request(url, body, headers, method="PUT")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return int(error.code)


def _take_away(bucket: str, key: str) -> str:
    """Delete a probe. What a role may not delete is left, and said."""
    from botocore.exceptions import ClientError

    try:
        client_of("s3").delete_object(Bucket=bucket, Key=key)
    except ClientError as error:
        return f" {key} is still there: {json.dumps(error.response['Error'].get('Code'))}."
    return ""
