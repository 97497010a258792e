"""What only an account can show, asked of the account: table or database, queues, buckets.

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
from parjanya_dagster.doctor import aws_table
from parjanya_dagster.doctor.tenant_bucket import findings_of_bucket
from parjanya_dagster.errors import ParjanyaError
from parjanya_dagster.platform import Platform
from parjanya_dagster.queues.messages import DEAD_LETTERS
from parjanya_dagster.truth.dynamo import open_wire
from parjanya_dagster.truth.dynamo.wire import Wire

BODY = b"parjanya aws verify"


def verify(platform: Platform) -> Iterator[Finding]:
    """Every check, passed or not, as it is made."""
    url = platform.settings.truth_url
    if url.startswith("dynamodb:"):
        with _wire(url) as wire:
            yield from _one("table", lambda: aws_table.table(wire))
            yield from _one("point-in-time recovery", lambda: aws_table.backups(wire))
            yield from _one("conditions", lambda: aws_table.conditions(wire))
            yield from _one("units", lambda: aws_table.units(wire))
            yield from _one(
                "index lag", lambda: aws_table.lag(wire, platform.clock, platform.pause)
            )
    elif url.startswith("postgresql+iam:"):
        from parjanya_dagster.doctor import aws_database

        yield from _one("login", lambda: aws_database.login(url))
        yield from _one("other users", lambda: aws_database.others(url))
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
    try:
        other_size = _put(signed.url, headers, BODY + b"!")
        other_type = _put(signed.url, {**headers, "Content-Type": "image/jpeg"}, BODY)
        first, second = _put(signed.url, headers, BODY), _put(signed.url, headers, BODY)
    finally:
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
