"""Evidence by its key: one statement for a stage of many images.

The keys are passed as one parameter and joined, in the order of the index. A list of key tuples
(`WHERE (a, b, c) IN (…)`) costs SQLite ten times as much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Row

from parjanya_dagster.truth.documents import dumps, loads
from parjanya_dagster.truth.models import Evidence

_COLUMNS = ", ".join(f"evidence.{name}" for name in Evidence.__slots__)
_BODY = Evidence.__slots__.index("body")
_SQLITE = f"""
SELECT {_COLUMNS} FROM json_each(?) AS wanted CROSS JOIN evidence
ON evidence.image_id = wanted.key AND evidence.stage = ? AND evidence.fingerprint = wanted.value
"""
_POSTGRESQL = f"""
SELECT {_COLUMNS} FROM unnest(%s::text[], %s::text[]) AS wanted (image_id, fingerprint)
JOIN evidence ON evidence.image_id = wanted.image_id AND evidence.stage = %s
AND evidence.fingerprint = wanted.fingerprint
"""


def recorded(
    connection: Connection, stage: str, fingerprints: Mapping[str, str]
) -> Iterator[Evidence]:
    """The evidence of a stage that has these fingerprints (by image id), in no order."""
    if connection.dialect.name == "postgresql":
        keys = (list(fingerprints), list(fingerprints.values()), stage)
        yield from map(evidence_of, connection.exec_driver_sql(_POSTGRESQL, keys))
        return
    for row in connection.exec_driver_sql(_SQLITE, (dumps(fingerprints), stage)):
        values = list(row)
        values[_BODY] = loads(values[_BODY])
        yield _evidence(values)


def evidence_of(row: Row[Any]) -> Evidence:
    """A row of `evidence`. The columns have the order of the fields, which a test holds."""
    return _evidence(row)


def _evidence(values: Iterable[Any]) -> Evidence:
    return Evidence(**dict(zip(Evidence.__slots__, values, strict=True)))
