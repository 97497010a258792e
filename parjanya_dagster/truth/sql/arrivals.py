"""Registration: arrivals become rows, appended to the open batch of their tenant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, and_, func, or_, select

from parjanya_dagster.errors import UnknownTenant
from parjanya_dagster.truth import transitions
from parjanya_dagster.truth.models import (
    DELETED,
    PRESENT,
    Arrival,
    ImageRow,
    Registered,
    batch_key,
    image_id,
)
from parjanya_dagster.truth.registration import inheriting, new_row, require_storable, settle
from parjanya_dagster.truth.sql.engine import reading
from parjanya_dagster.truth.sql.heirs import Heirs, with_heirs
from parjanya_dagster.truth.sql.mapping import (
    Base,
    apply,
    chunks,
    insert_rows,
    record,
    row_of,
)
from parjanya_dagster.truth.sql.schema import batches, images, locations, tenants

settled = and_(
    images.c.object_state == PRESENT,
    or_(
        images.c.failure_class.is_(None),
        images.c.failure_class.not_in(transitions.WITHOUT_OBJECT),
    ),
)
"""Nothing can be learnt from seeing the object of such a row again, as the same version."""

_VERSION = (images.c.image_id, images.c.bucket, images.c.key, images.c.version)


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
                registered += with_heirs(self.engine, partial(self._register, tenant, chunk, now))
        return registered

    def _register(
        self, tenant: str, arrivals: list[Arrival], now: float, connection: Connection
    ) -> list[Registered]:
        # The lock on the tenant serializes registration, so its batches fill one by one.
        lock = select(tenants.c.slug).where(tenants.c.slug == tenant).with_for_update()
        if connection.execute(lock).first() is None:
            raise UnknownTenant.named(tenant)
        arrivals = sorted(arrivals, key=lambda arrival: (arrival.landed_at, arrival.image_id))
        located = _located(connection, arrivals)
        seen = {located[arrival.image_id]: arrival for arrival in arrivals}
        query = select(images.c.batch, *_VERSION, settled.label("settled")).where(
            images.c.image_id.in_(seen)
        )
        known = {row.image_id: row for row in connection.execute(query)}
        result = [Registered(i, row.batch, created=False) for i, row in known.items()]
        for image, row in known.items():
            if row.settled and row.version == seen[image].version:
                del seen[image]
        new = [arrival for image, arrival in seen.items() if image not in known]
        # Rows are locked before batches, as in a commit, so the two never deadlock.
        versions, heirs = self._versions(connection, seen)
        day = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")
        places = self._places(connection, tenant, day, len(new))
        each = (batch for batch, taken in places.items() for _ in range(taken))
        rows = [new_row(arrival, batch, now) for batch, arrival in zip(each, new, strict=True)]
        insert_rows(connection, images, [transitions.jsonable(row) for row in rows])
        record(connection, [transitions.registered(row, "arrived") for row in rows])
        insert_rows(
            connection,
            locations,
            [
                {"location": arrival.image_id, "image_id": image}
                for image, arrival in seen.items()
                if arrival.image_id != image
            ],
            if_new=True,
        )
        changes = settle([*versions, *rows], seen, now)
        changes += inheriting(*_leaving_and_staying([*versions, *heirs], changes), now)
        apply(connection, changes, places)
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

    def _versions(
        self, connection: Connection, seen: Mapping[str, Arrival]
    ) -> tuple[list[ImageRow], list[ImageRow]]:
        """The rows of these keys that are present or seen again, and the heirs of such.

        `seen` is by image id. All are locked in the order of ids.
        """
        if not seen:
            return [], []
        of_keys = and_(
            images.c.key.in_({arrival.key for arrival in seen.values()}),
            images.c.bucket.in_({arrival.bucket for arrival in seen.values()}),
        )
        wanted = and_(of_keys, or_(images.c.object_state == PRESENT, images.c.image_id.in_(seen)))
        heirs = Heirs(connection, of_keys)
        if heirs.ids:
            wanted = or_(wanted, images.c.image_id.in_(heirs.ids))
        rows = connection.execute(
            select(images).where(wanted).order_by(images.c.image_id).with_for_update()
        )
        locked = [row_of(row) for row in rows]
        versions = [row for row in locked if row.image_id not in heirs.ids]
        heirs.require_all_of(versions)
        return versions, [row for row in locked if row.image_id in heirs.ids]

    def depart(self, image_ids: Sequence[str], now: float, reason: str) -> int:
        departed = 0
        for chunk in chunks(image_ids):
            departed += with_heirs(self.engine, partial(self._depart, chunk, now, reason))
        return departed

    def _depart(self, image_ids: list[str], now: float, reason: str, connection: Connection) -> int:
        theirs = select(images.c.tenant).where(images.c.image_id.in_(image_ids))
        # The lock that registration takes: rows leave and return one after the other.
        lock = select(tenants.c.slug).where(tenants.c.slug.in_(theirs))
        connection.execute(lock.order_by(tenants.c.slug).with_for_update()).all()
        heirs = Heirs(connection, images.c.image_id.in_(image_ids))
        present = select(images).where(
            images.c.image_id.in_([*image_ids, *heirs.ids]), images.c.object_state == PRESENT
        )
        rows = connection.execute(present.order_by(images.c.image_id).with_for_update())
        locked = [row_of(row) for row in rows]
        left = [row for row in locked if row.image_id not in heirs.ids]
        heirs.require_all_of(left)
        staying = [row for row in locked if row.image_id in heirs.ids]
        changes = [transitions.leave_bucket(row, DELETED, now, reason) for row in left]
        apply(connection, changes + inheriting(left, staying, now))
        return len(left)

    def known(self, image_ids: Iterable[str]) -> set[str]:
        known: set[str] = set()
        with reading(self.engine) as connection:
            for chunk in chunks(image_ids):
                where_first = select(*_VERSION).where(images.c.image_id.in_(chunk), settled)
                known |= _lying(connection, where_first).intersection(chunk)
                if others := [location for location in chunk if location not in known]:
                    moved = (
                        select(*_VERSION)
                        .join(locations, locations.c.image_id == images.c.image_id)
                        .where(locations.c.location.in_(others), settled)
                    )
                    known |= _lying(connection, moved).intersection(others)
        return known

    def versions(self, bucket: str, sizes: Mapping[str, int]) -> list[ImageRow]:
        found: list[ImageRow] = []
        with reading(self.engine) as connection:
            for chunk in chunks(sizes):
                rows = connection.execute(
                    select(images).where(
                        images.c.key.in_(chunk),
                        images.c.bucket == bucket,
                        images.c.size.in_({sizes[key] for key in chunk}),
                    )
                )
                found += [row for row in map(row_of, rows) if row.size == sizes[row.key]]
        return found


def _lying(connection: Connection, query: Select[Any]) -> set[str]:
    return {image_id(row.bucket, row.key, row.version) for row in connection.execute(query)}


def _located(connection: Connection, arrivals: Sequence[Arrival]) -> dict[str, str]:
    """The image of each arrival, by the arrival's own id: another one where that is known."""
    located = {arrival.image_id: arrival.image_id for arrival in arrivals}
    known = select(locations).where(locations.c.location.in_(located))
    located |= {row.location: row.image_id for row in connection.execute(known)}
    located |= {arrival.image_id: arrival.same_as for arrival in arrivals if arrival.same_as}
    return located


def _leaving_and_staying(
    rows: Sequence[ImageRow], changes: Sequence[transitions.Change]
) -> tuple[list[ImageRow], list[ImageRow]]:
    """Of these rows, those that leave by these changes, and those that are present and stay so."""
    states = {
        change.event.image_id: change.columns.get("object_state", PRESENT) for change in changes
    }
    leaving = [row for row in rows if states.get(row.image_id, PRESENT) != PRESENT]
    staying = [row for row in rows if row.image_id not in states and row.object_state == PRESENT]
    return leaving, staying
