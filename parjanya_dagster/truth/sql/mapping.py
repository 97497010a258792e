"""Rows to dataclasses and changes to statements, shared by the parts of the SQL store."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import JSON, Connection, Engine, Row, Table, update

from parjanya_dagster.truth.documents import dumps
from parjanya_dagster.truth.models import Event, ImageRow
from parjanya_dagster.truth.sql.engine import CHUNK
from parjanya_dagster.truth.sql.schema import batches, events, images, reviews
from parjanya_dagster.truth.stages import Status
from parjanya_dagster.truth.transitions import Change, Rules

T = TypeVar("T")
_IMAGE_COLUMNS = ImageRow.__slots__
_DECIDED = frozenset(str(status) for status in Status if status.terminal)


class Base:
    """What each part of the store shares: an engine, the rules, a random source."""

    def __init__(
        self,
        engine: Engine,
        *,
        rules: Rules | None = None,
        batch_size: int = 1000,
        rng: random.Random | None = None,
    ) -> None:
        self.engine = engine
        self.rules = rules or Rules()
        self.batch_size = batch_size
        self.rng = rng or random.Random()


def chunks(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def row_of(row: Row[Any]) -> ImageRow:
    """A row of `images`. The columns have the order of the fields, which a test holds."""
    columns = dict(zip(_IMAGE_COLUMNS, row, strict=True))
    columns["reasons"] = tuple(columns["reasons"])  # JSON has no tuples
    return ImageRow(**columns)


def event_of(row: Row[Any]) -> Event:
    columns = dict(row._mapping)
    del columns["event_id"]
    return Event(**columns)


def columns_of(record: Any) -> dict[str, Any]:
    """The fields of a slotted dataclass. `asdict` copies them deeply and is 20 times slower."""
    return {name: getattr(record, name) for name in record.__slots__}


def record(connection: Connection, new: Sequence[Event]) -> None:
    insert_rows(connection, events, [columns_of(event) for event in new])


def insert_rows(
    connection: Connection, table: Table, rows: Sequence[dict[str, Any]], *, if_new: bool = False
) -> None:
    """Insert rows that all name the same columns. With `if_new`, existing keys are left alone.

    PostgreSQL gets one JSON document, which it parses once. A list of VALUES would cost a
    parameter per cell.
    """
    if not rows:
        return
    names = ", ".join(_quoted(rows[0]))
    conflict = "ON CONFLICT DO NOTHING" if if_new else ""
    if connection.dialect.name != "postgresql":
        places = ", ".join("?" * len(rows[0]))
        connection.exec_driver_sql(
            f"INSERT INTO {table.name} ({names}) VALUES ({places}) {conflict}",
            list(_written(table, rows[0], rows)),
        )
        return
    connection.exec_driver_sql(
        f"INSERT INTO {table.name} ({names}) SELECT {names} "
        f"FROM jsonb_populate_recordset(NULL::{table.name}, %s::jsonb) {conflict}",
        (dumps(rows),),
    )


def apply(
    connection: Connection, changes: Sequence[Change], registered: Mapping[str, int] | None = None
) -> None:
    """Write changes, their events and reviews, and what they mean for their batches.

    The caller's transaction has locked the rows and calls this once, as its last step. Batches are
    locked after rows, and both in the order of their keys, so no two transactions deadlock.
    `registered`: how many rows were added to each batch.
    """
    by_columns: dict[tuple[str, ...], list[Change]] = defaultdict(list)
    for change in changes:
        by_columns[tuple(sorted(change.columns))].append(change)
    for columns, alike in by_columns.items():
        _update(connection, columns, alike)
    record(connection, [change.event for change in changes])
    made = [change.review for change in changes if change.review is not None]
    insert_rows(connection, reviews, [columns_of(review) for review in made])
    _note(connection, changes, registered or {})


def _update(connection: Connection, columns: Sequence[str], changes: Sequence[Change]) -> None:
    if connection.dialect.name == "postgresql":
        rows = [{"image_id": change.event.image_id, **change.columns} for change in changes]
        new = ", ".join(f"{name} = new.{name}" for name in _quoted(columns))
        connection.exec_driver_sql(
            f"UPDATE images SET {new} FROM jsonb_populate_recordset(NULL::images, %s::jsonb) "
            "AS new WHERE images.image_id = new.image_id",
            (dumps(rows),),
        )
        return
    new = ", ".join(f"{name} = ?" for name in _quoted(columns))
    written = _written(images, columns, [change.columns for change in changes])
    connection.exec_driver_sql(
        f"UPDATE images SET {new} WHERE image_id = ?",
        [(*values, change.event.image_id) for values, change in zip(written, changes, strict=True)],
    )


def _written(
    table: Table, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[Any, ...]]:
    """Rows as SQLite's driver takes them, with documents as text.

    The driver is called directly, since SQLAlchemy's preparation of parameters doubles the cost.
    """
    names = list(columns)
    cells = itemgetter(*names, names[0])  # of one name alone it would give no tuple
    documents = [at for at, name in enumerate(names) if isinstance(table.c[name].type, JSON)]
    for row in rows:
        values = list(cells(row)[:-1])
        for at in documents:
            if values[at] is not None:
                values[at] = dumps(values[at])
        yield tuple(values)


def _note(connection: Connection, changes: Sequence[Change], registered: Mapping[str, int]) -> None:
    """Count what was added to batches. A batch whose decided rows changed has a stale manifest."""
    decided = {
        change.event.batch
        for change in changes
        if {change.event.to_status, change.event.from_status} & _DECIDED
    }
    for batch in sorted(decided | registered.keys()):
        connection.execute(
            update(batches)
            .where(batches.c.batch == batch)
            .values(
                registered=batches.c.registered + registered.get(batch, 0),
                decided=batches.c.decided + int(batch in decided),
            )
        )


def _quoted(names: Iterable[str]) -> list[str]:
    return [f'"{name}"' for name in names]
