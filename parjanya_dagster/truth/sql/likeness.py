"""Duplicates: present rows with the same bytes, and rows filed under a common key of likeness.

Only look-ups by key, in the order of arrival: DynamoDB could answer them from an index whose
partition key is tenant and key, and whose sort key is arrival and image id.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, Text, bindparam, cast, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from parjanya_dagster.truth.outcomes import Claim, Completed
from parjanya_dagster.truth.rows import PRESENT, ImageRow
from parjanya_dagster.truth.sql.engine import reading
from parjanya_dagster.truth.sql.mapping import Base, chunks, insert_rows, row_of
from parjanya_dagster.truth.sql.schema import images, likenesses
from parjanya_dagster.truth.store import CROWD

FEW = 8
_FIRST_SQLITE = f"""
SELECT "key", image_id, "view" FROM likenesses WHERE tenant = ? AND "key" = ?
ORDER BY landed_at, image_id LIMIT {CROWD}
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
        self, tenant: str, sha256: Iterable[str], limit: int | None = None
    ) -> dict[str, list[ImageRow]]:
        def of(value: Any) -> Select[Any]:
            return (
                select(images)
                .where(
                    images.c.tenant == tenant,
                    images.c.sha256 == value,
                    images.c.object_state == PRESENT,
                )
                .order_by(images.c.landed_at, images.c.image_id)
                .limit(limit)
            )

        found: dict[str, list[ImageRow]] = defaultdict(list)
        with reading(self.engine) as connection:
            for chunk in chunks(sorted(set(sha256))):
                if connection.dialect.name != "postgresql":
                    few, chunk = _few(connection, tenant, chunk)
                    for row in few:
                        same = found[str(row.sha256)]
                        if limit is None or len(same) < limit:
                            same.append(row)
                for row in map(row_of, _of_each(connection, chunk, of)):
                    found[str(row.sha256)].append(row)
        return dict(found)

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
            rows: dict[str, ImageRow] = {}
            for chunk in chunks(sorted({other for best in near.values() for other in best})):
                some = select(images).where(images.c.image_id.in_(chunk))
                present = some.where(images.c.object_state == PRESENT)
                rows |= {row.image_id: row_of(row) for row in connection.execute(present)}
        return {
            image_id: sorted(
                ((rows[other], apart) for other, apart in best.items() if other in rows),
                key=lambda pair: (pair[0].landed_at, pair[0].image_id),
            )
            for image_id, best in near.items()
        }


def _few(
    connection: Connection, tenant: str, hashes: Sequence[str]
) -> tuple[list[ImageRow], list[str]]:
    """The rows of hashes that few rows have, in one query, and the hashes that many have.

    Nearly every image is the only one with its bytes: a query for each would cost the most.
    """
    ours = (
        images.c.tenant == tenant,
        images.c.sha256.in_(hashes),
        images.c.object_state == PRESENT,
    )
    counted = select(images.c.sha256, func.count()).where(*ours).group_by(images.c.sha256)
    counts: dict[str, int] = {row[0]: row[1] for row in connection.execute(counted)}
    many = [sha for sha, count in counts.items() if count > FEW]
    query = select(images).where(*ours, images.c.sha256.not_in(many))
    rows = connection.execute(query.order_by(images.c.landed_at, images.c.image_id))
    return [row_of(row) for row in rows], many


def _filed(
    connection: Connection, tenant: str, keys: Sequence[str]
) -> dict[str, list[tuple[str, int]]]:
    """key -> image id and hash of the earliest images filed under it."""
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    if connection.dialect.name != "postgresql":
        for key in keys:
            for row in connection.exec_driver_sql(_FIRST_SQLITE, (tenant, key)):
                found[key].append((row[1], row[2]))
        return found

    def of(value: Any) -> Select[Any]:
        return (
            select(likenesses.c.key, likenesses.c.image_id, likenesses.c.view)
            .where(likenesses.c.tenant == tenant, likenesses.c.key == value)
            .order_by(likenesses.c.landed_at, likenesses.c.image_id)
            .limit(CROWD)
        )

    for chunk in chunks(keys, 5000):
        for row in _of_each(connection, chunk, of):
            found[row[0]].append((row[1], row[2]))
    return found


def _of_each(connection: Connection, values: Sequence[str], query: Any) -> list[Row[Any]]:
    """The rows of a query of one value, for each of these values: PostgreSQL is asked once."""
    if connection.dialect.name != "postgresql":
        one = query(bindparam("value"))
        return [row for value in values for row in connection.execute(one, {"value": value})]
    unnested = func.unnest(cast(list(values), ARRAY(Text)))
    wanted = unnested.table_valued("value", name="wanted").render_derived()
    each = query(wanted.c.value).lateral("each")
    return list(connection.execute(select(each).select_from(wanted.join(each, true()))))
