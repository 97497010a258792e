"""Registration: arrivals become rows, appended to the open batch of their tenant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, and_, func, or_, select

from parjanya_dagster.errors import UnknownTenant
from parjanya_dagster.truth import transitions
from parjanya_dagster.truth.models import (
    DELETED,
    PRESENT,
    Arrival,
    ImageRow,
    Registered,
    batch_key,
)
from parjanya_dagster.truth.registration import new_row, require_storable, settle
from parjanya_dagster.truth.sql.engine import reading, writing
from parjanya_dagster.truth.sql.mapping import (
    Base,
    apply,
    chunks,
    insert_rows,
    record,
    row_of,
)
from parjanya_dagster.truth.sql.schema import batches, images, tenants

settled = and_(
    images.c.object_state == PRESENT,
    or_(
        images.c.failure_class.is_(None),
        images.c.failure_class.not_in(transitions.WITHOUT_OBJECT),
    ),
)
"""Nothing can be learnt from seeing the object of such a row again."""


class Registration(Base):
    """The part of the store that registers arrivals."""

    def register(self, arrivals: Sequence[Arrival], now: float) -> list[Registered]:
        require_storable(arrivals)
        by_tenant: dict[str, dict[str, Arrival]] = defaultdict(dict)
        for arrival in arrivals:
            by_tenant[arrival.tenant][arrival.image_id] = arrival
        registered: list[Registered] = []
        for tenant, theirs in by_tenant.items():
            for chunk in chunks(theirs.values()):
                with writing(self.engine) as connection:
                    registered += self._register(connection, tenant, chunk, now)
        return registered

    def _register(
        self, connection: Connection, tenant: str, arrivals: list[Arrival], now: float
    ) -> list[Registered]:
        # The lock on the tenant serializes registration, so its batches fill one by one.
        lock = select(tenants.c.slug).where(tenants.c.slug == tenant).with_for_update()
        if connection.execute(lock).first() is None:
            raise UnknownTenant(f"There is no tenant {tenant!r}.")
        ids = [arrival.image_id for arrival in arrivals]
        query = select(images.c.image_id, images.c.batch, settled.label("settled")).where(
            images.c.image_id.in_(ids)
        )
        known = {row.image_id: row for row in connection.execute(query)}
        result = [Registered(i, known[i].batch, created=False) for i in ids if i in known]
        new = [arrival for arrival in arrivals if arrival.image_id not in known]
        back = [
            arrival
            for arrival in arrivals
            if arrival.image_id in known and not known[arrival.image_id].settled
        ]
        new.sort(key=lambda arrival: (arrival.landed_at, arrival.image_id))
        # Rows are locked before batches, as in a commit, so the two never deadlock.
        versions = self._versions(connection, new + back)
        day = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")
        places = self._places(connection, tenant, day, len(new))
        each = (batch for batch, taken in places.items() for _ in range(taken))
        rows = [new_row(arrival, batch, now) for batch, arrival in zip(each, new, strict=True)]
        insert_rows(connection, images, [transitions.jsonable(row) for row in rows])
        record(connection, [transitions.registered(row, "arrived") for row in rows])
        landed = {arrival.image_id: arrival.landed_at for arrival in new + back}
        apply(connection, settle([*versions, *rows], landed, now), places)
        return result + [Registered(row.image_id, row.batch, created=True) for row in rows]

    def _places(self, connection: Connection, tenant: str, day: str, count: int) -> dict[str, int]:
        """Batches of the day with room for `count` images, and how many go into each.

        Opens new batches as they fill. `apply` counts the images of the open batch later.
        """
        latest = connection.execute(
            select(batches.c.number, batches.c.registered)
            .where(batches.c.tenant == tenant, batches.c.day == day)
            .order_by(batches.c.number.desc())
            .limit(1)
        ).first()
        number, filled = (latest.number, latest.registered) if latest else (0, self.batch_size)
        places: dict[str, int] = {}
        while count:
            if filled >= self.batch_size:
                number, filled = number + 1, 0
                serial = select(func.coalesce(func.max(batches.c.serial), 0) + 1)
                connection.execute(
                    batches.insert().values(
                        batch=batch_key(tenant, day, number),
                        tenant=tenant,
                        day=day,
                        number=number,
                        registered=0,
                        decided=0,
                        manifest=0,
                        serial=serial.scalar_subquery(),
                    )
                )
            taken = min(count, self.batch_size - filled)
            places[batch_key(tenant, day, number)] = taken
            count, filled = count - taken, filled + taken
        return places

    def _versions(self, connection: Connection, seen: Sequence[Arrival]) -> list[ImageRow]:
        """The rows of these keys that are present or seen again, locked in the order of ids."""
        if not seen:
            return []
        rows = connection.execute(
            select(images)
            .where(
                images.c.key.in_({arrival.key for arrival in seen}),
                images.c.bucket.in_({arrival.bucket for arrival in seen}),
                or_(
                    images.c.object_state == PRESENT,
                    images.c.image_id.in_({arrival.image_id for arrival in seen}),
                ),
            )
            .order_by(images.c.image_id)
            .with_for_update()
        )
        return [row_of(row) for row in rows]

    def depart(self, image_ids: Sequence[str], now: float, reason: str) -> int:
        departed = 0
        for chunk in chunks(image_ids):
            with writing(self.engine) as connection:
                rows = connection.execute(
                    select(images)
                    .where(images.c.image_id.in_(chunk), images.c.object_state == PRESENT)
                    .order_by(images.c.image_id)
                    .with_for_update()
                )
                changes = [
                    transitions.leave_bucket(row_of(row), DELETED, now, reason) for row in rows
                ]
                apply(connection, changes)
                departed += len(changes)
        return departed

    def known(self, image_ids: Iterable[str]) -> set[str]:
        known: set[str] = set()
        with reading(self.engine) as connection:
            for chunk in chunks(image_ids):
                known.update(
                    connection.scalars(
                        select(images.c.image_id).where(images.c.image_id.in_(chunk), settled)
                    )
                )
        return known
