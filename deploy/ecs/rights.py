"""What each kind of process may do to Truth, as data: the stack grants it, and a test compares it
with the calls that the code makes. Knows nothing of CDK.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TABLE, STREAM = "", "/stream/*"
ANY_INDEX = "/index/*"


@dataclass(frozen=True, kw_only=True)
class Right:
    """Actions on parts of the table: '' is the table itself, '/index/NAME' one of its indexes."""

    actions: tuple[str, ...]
    on: tuple[str, ...] = (TABLE,)
    keys: tuple[str, ...] = ()  # patterns of partition keys; none: every item


def _dynamodb(*names: str) -> tuple[str, ...]:
    return tuple(f"dynamodb:{name}" for name in names)


WORK = (
    Right(
        actions=_dynamodb(
            "GetItem",
            "BatchGetItem",
            "Query",
            "PutItem",
            "UpdateItem",
            "DeleteItem",
            "BatchWriteItem",
        ),
        on=(TABLE, ANY_INDEX),
    ),
)
"""Sensors and runs: items by key and by index. No Scan, no table of its own making."""

FOLLOW = (
    Right(actions=_dynamodb("DescribeTable")),
    Right(actions=_dynamodb("DescribeStream", "GetRecords", "GetShardIterator"), on=(STREAM,)),
)
"""The sensor that reads the stream."""

MIGRATE = (Right(actions=_dynamodb("DescribeTable", "UpdateContinuousBackups", "UpdateTable")),)
"""`parjanya migrate`, of a table that the stack made."""

LOOK = (Right(actions=_dynamodb("GetItem", "BatchGetItem", "Query"), on=(TABLE, ANY_INDEX)),)
"""What only shows or measures."""

DECIDE = (
    Right(
        actions=_dynamodb(
            "GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "BatchWriteItem"
        ),
        on=(TABLE, ANY_INDEX),
    ),
    Right(actions=_dynamodb("DeleteItem"), keys=("image#*", "regrades#open")),
)
"""The desk: people's decisions, regrades, releases, uploads. It deletes what says that somebody
looks at an image, and that a regrade is under way."""

PROMISE = (
    Right(
        actions=_dynamodb("GetItem", "BatchGetItem"),
        keys=("schema", "tenants", "token#*", "upload#*", "key#*", "image#*"),
    ),
    Right(actions=_dynamodb("Query"), on=("/index/named",)),
    Right(actions=_dynamodb("PutItem"), keys=("upload#*",)),
)
"""The upload application, which strangers reach: promises, and what became of them."""


def user_of(of: Sequence[Sequence[Right]]) -> str:
    """The user of PostgreSQL that has these rights (`parjanya_dagster.truth.sql.users`)."""
    if PROMISE in of:
        return "parjanya_uploads"
    return "parjanya_work" if WORK in of or DECIDE in of else "parjanya_look"
