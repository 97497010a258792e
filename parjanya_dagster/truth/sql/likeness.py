"""Duplicates: present rows with the same bytes, and rows filed under a common key of likeness.

All are look-ups by key, in the order of arrival.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, Text, cast, func, literal, select, true, tuple_
from sqlalchemy.dialects.postgresql import ARRAY

from parjanya_dagster.truth.documents import dumps, loads
from parjanya_dagster.truth.models import PRESENT, ImageRow
from parjanya_dagster.truth.outcomes import Claim, Completed
from parjanya_dagster.truth.sql.engine import reading
from parjanya_dagster.truth.sql.mapping import Base, chunks, insert_rows, row_of
from parjanya_dagster.truth.sql.schema import images, likenesses
from parjanya_dagster.truth.store import CROWD

# SQLite has no lateral joins, so the rows of each wanted value come as one JSON array.
_TWINS_SQLITE = """
SELECT wanted.value, (
    SELECT json_group_array(image_id) FROM (
        SELECT image_id FROM images
        WHERE tenant = ? AND sha256 = wanted.value AND object_state = ?
        ORDER BY landed_at, image_id LIMIT ?
    )
) FROM json_each(?) AS wanted
"""
_FILED_SQLITE = """
SELECT wanted.value, (
    SELECT json_group_array(json_array(image_id, "view")) FROM (
        SELECT image_id, "view" FROM likenesses WHERE tenant = ? AND "key" = wanted.value
        ORDER BY landed_at, image_id LIMIT ?
    )
) FROM json_each(?) AS wanted
"""


def file_likenesses(connection: Connection, done: Sequence[tuple[Claim, Completed]]) -> None:
    """File what was just completed under its keys of likeness, if it has any."""
    rows = [
        {
            "tenant": claim.row.tenant,
            "key": key,
            "landed_at": claim.row.landed_at,
            "image_id": claim.image_id,
            "view": view,
        }
        for claim, outcome in done
        for key, view in outcome.likeness.items()
    ]
    insert_rows(connection, likenesses, rows, if_new=True)


class Likeness(Base):
    """The part of the store that finds duplicates."""

    def twins(
        self,
        tenant: str,
        sha256: Iterable[str],
        limit: int | None = None,
        but: Collection[str] = (),
    ) -> dict[str, list[ImageRow]]:
        known = frozenset(but)
        with reading(self.engine) as connection:
            first = first_twins(connection, tenant, sha256, limit)
            ids = {sha: [i for i in same if i not in known] for sha, same in first.items()}
            rows = _rows(connection, [image_id for same in ids.values() for image_id in same])
        return {sha: [rows[image_id] for image_id in same] for sha, same in ids.items() if same}

    def twin_ids(
        self, tenant: str, sha256: Iterable[str], limit: int | None = None
    ) -> dict[str, list[str]]:
        with reading(self.engine) as connection:
            return first_twins(connection, tenant, sha256, limit)

    def copies(
        self, tenant: str, sha256: str, after: ImageRow | None = None, limit: int = 1000
    ) -> list[ImageRow]:
        query = select(images).where(
            images.c.tenant == tenant,
            images.c.sha256 == sha256,
            images.c.object_state == PRESENT,
        )
        if after is not None:
            place = tuple_(images.c.landed_at, images.c.image_id)
            query = query.where(place > tuple_(literal(after.landed_at), literal(after.image_id)))
        query = query.order_by(images.c.landed_at, images.c.image_id).limit(limit)
        with reading(self.engine) as connection:
            return [row_of(row) for row in connection.execute(query)]

    def alike(
        self, tenant: str, wanted: Mapping[str, Mapping[str, int]], distance: int
    ) -> dict[str, list[tuple[ImageRow, int]]]:
        with reading(self.engine) as connection:
            every = sorted({key for filed in wanted.values() for key in filed})
            filed_under = _filed(connection, tenant, every)
            near: dict[str, dict[str, int]] = {}
            for image_id, filed in wanted.items():
                best = near.setdefault(image_id, {})
                for key, view in filed.items():
                    for other, its_view in filed_under.get(key, ()):
                        apart = ((view ^ its_view) & (1 << 64) - 1).bit_count()
                        if apart <= distance and other != image_id:
                            best[other] = min(apart, best.get(other, apart))
            rows = _rows(connection, {other for best in near.values() for other in best})
        present = {image: row for image, row in rows.items() if row.object_state == PRESENT}
        return {
            image_id: sorted(
                ((present[other], apart) for other, apart in best.items() if other in present),
                key=lambda pair: (pair[0].landed_at, pair[0].image_id),
            )
            for image_id, best in near.items()
        }


def first_twins(
    connection: Connection, tenant: str, hashes: Iterable[str], limit: int | None
) -> dict[str, list[str]]:
    """hash -> ids of present rows with it, earliest arrival first. No key without ids."""

    def of(value: Any) -> Select[Any]:
        return (
            select(images.c.sha256, images.c.image_id)
            .where(
                images.c.tenant == tenant,
                images.c.sha256 == value,
                images.c.object_state == PRESENT,
            )
            .order_by(images.c.landed_at, images.c.image_id)
            .limit(limit)
        )

    by_hash: dict[str, list[str]] = {}
    for chunk in chunks(sorted(set(hashes))):
        if connection.dialect.name != "postgresql":
            asked = (tenant, PRESENT, -1 if limit is None else limit, dumps(chunk))
            for sha, same in connection.exec_driver_sql(_TWINS_SQLITE, asked):
                if ids := loads(same):
                    by_hash[sha] = ids
            continue
        for sha, image_id in _of_each(connection, chunk, of):
            by_hash.setdefault(sha, []).append(image_id)
    return by_hash


def _rows(connection: Connection, image_ids: Iterable[str]) -> dict[str, ImageRow]:
    rows: dict[str, ImageRow] = {}
    for chunk in chunks(sorted(image_ids)):
        query = select(images).where(images.c.image_id.in_(chunk))
        rows |= {row.image_id: row_of(row) for row in connection.execute(query)}
    return rows


def _filed(
    connection: Connection, tenant: str, keys: Sequence[str]
) -> dict[str, list[tuple[str, int]]]:
    """key -> image id and hash of the earliest images filed under it."""
    by_key: dict[str, list[tuple[str, int]]] = defaultdict(list)

    def of(value: Any) -> Select[Any]:
        return (
            select(likenesses.c.key, likenesses.c.image_id, likenesses.c.view)
            .where(likenesses.c.tenant == tenant, likenesses.c.key == value)
            .order_by(likenesses.c.landed_at, likenesses.c.image_id)
            .limit(CROWD)
        )

    for chunk in chunks(keys, 5000):
        if connection.dialect.name != "postgresql":
            asked = (tenant, CROWD, dumps(chunk))
            for key, filed in connection.exec_driver_sql(_FILED_SQLITE, asked):
                by_key[key] = [(image_id, view) for image_id, view in loads(filed)]
            continue
        for row in _of_each(connection, chunk, of):
            by_key[row[0]].append((row[1], row[2]))
    return by_key


def _of_each(connection: Connection, values: Sequence[str], query: Any) -> list[Row[Any]]:
    """The rows of a query for each of these values, in one statement. PostgreSQL only."""
    unnested = func.unnest(cast(list(values), ARRAY(Text)))
    wanted = unnested.table_valued("value", name="wanted").render_derived()
    each = query(wanted.c.value).lateral("each")
    return list(connection.execute(select(each).select_from(wanted.join(each, true()))))
