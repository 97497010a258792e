"""The store contract on DynamoDB: one table, conditional writes, transactions of a few items."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import NoRegionError

from parjanya_dagster.errors import SettingsInvalid
from parjanya_dagster.objects.aws_environment import region
from parjanya_dagster.truth.dynamo import schema
from parjanya_dagster.truth.dynamo.arrivals import Registration
from parjanya_dagster.truth.dynamo.counting import Counting
from parjanya_dagster.truth.dynamo.histories import Histories
from parjanya_dagster.truth.dynamo.likeness import Likeness
from parjanya_dagster.truth.dynamo.publishing import Publishing
from parjanya_dagster.truth.dynamo.reads import Reads
from parjanya_dagster.truth.dynamo.records import Records
from parjanya_dagster.truth.dynamo.regrading import Regrading
from parjanya_dagster.truth.dynamo.releasing import Releasing
from parjanya_dagster.truth.dynamo.reviewing import Reviewing
from parjanya_dagster.truth.dynamo.stream import Stream
from parjanya_dagster.truth.dynamo.trouble import Trouble
from parjanya_dagster.truth.dynamo.uploads import Uploading
from parjanya_dagster.truth.dynamo.wire import THREADS, Wire
from parjanya_dagster.truth.dynamo.work import Work
from parjanya_dagster.truth.probe import Probe
from parjanya_dagster.truth.transitions import Rules

if TYPE_CHECKING:
    from parjanya_dagster.objects.store import Objects

_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_OPTIONS = {"region", "endpoint", "attempts"}
ATTEMPTS = 6  # of one request: botocore waits between them, longer each time


class DynamoStore(
    Registration,
    Work,
    Histories,
    Counting,
    Reads,
    Likeness,
    Trouble,
    Publishing,
    Regrading,
    Reviewing,
    Releasing,
    Uploading,
    Records,
):
    """Truth in DynamoDB. See `truth.store.Store`."""

    def close(self) -> None:
        self.wire.close()


def open_store(
    url: str,
    *,
    rules: Rules | None = None,
    batch_size: int = 1000,
    rng: random.Random | None = None,
    migrating: bool = False,
    objects: Objects | None = None,
) -> DynamoStore:
    """Open Truth in the table of `dynamodb://TABLE?region=…&endpoint=…&attempts=…`.

    Credentials, and region and endpoint where they are not named, are boto3's business. Raises
    SettingsInvalid, TruthUnavailable, SchemaOutdated; where `migrating` the table is created.
    """
    wire = open_wire(url)
    try:
        if migrating:
            schema.migrate(wire)
        else:
            schema.check(wire)
    except BaseException:
        wire.close()
        raise
    return DynamoStore(wire, rules=rules, batch_size=batch_size, rng=rng, objects=objects)


def open_wire(url: str) -> Wire:
    """The table of a URL, whether it is there or not. Raises SettingsInvalid."""
    table, options = parse(url)
    return Wire(client("dynamodb", options), table)


def open_probe(url: str) -> Probe:
    """A probe of the table of a URL. Raises SettingsInvalid."""
    table, options = parse(url)
    impatient = {"connect_timeout": 2, "read_timeout": 3}
    wire = Wire(client("dynamodb", {**options, "attempts": "1"}, **impatient), table)

    def look() -> None:
        wire.get(schema.SCHEMA)

    return Probe(f"Truth at dynamodb://{table}", look)


def open_stream(url: str, clock: Callable[[], float]) -> Stream:
    """Hints from the stream of a table, if it has one. Raises SettingsInvalid."""
    _, options = parse(url)
    return Stream(open_wire(url), client("dynamodbstreams", options), clock)


def parse(url: str) -> tuple[str, dict[str, str]]:
    """The table and the options of a URL. Raises SettingsInvalid."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    attempts = options.get("attempts", "1")
    if (
        parts.scheme != "dynamodb"
        or not _TABLE.fullmatch(parts.netloc)
        or parts.path.strip("/")
        or options.keys() - _OPTIONS
        or not (attempts.isdigit() and int(attempts) > 0)
    ):
        raise SettingsInvalid(
            f"{url!r} is no table. It reads dynamodb://TABLE, and may have the options "
            "?region=…&endpoint=…&attempts=…"
        )
    return parts.netloc, options


def client(
    service: str, options: dict[str, str], connect_timeout: float = 5, read_timeout: float = 20
) -> Any:
    """A boto3 client of a service. Raises SettingsInvalid where no region is named."""
    attempts = int(options.get("attempts", ATTEMPTS))
    config = Config(
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=2 * THREADS,
    )
    try:
        return boto3.session.Session().client(
            service,
            region_name=options.get("region") or region(),
            endpoint_url=options.get("endpoint"),
            config=config,
        )
    except NoRegionError:
        raise SettingsInvalid(
            "No AWS region is named: set AWS_REGION, or dynamodb://TABLE?region=…"
        ) from None


__all__ = ["DynamoStore", "open_store"]
