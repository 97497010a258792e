"""Reading Truth, and the few things that are not images: tenants and heartbeats."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, func, select, update

from parjanya_dagster.errors import UnknownTenant
from parjanya_dagster.truth.holders import living
from parjanya_dagster.truth.models import (
    PRESENT,
    Event,
    Evidence,
    Heartbeat,
    ImageRow,
    PresentKey,
    Tenant,
    check_slug,
    image_id,
)
from parjanya_dagster.truth.sql.engine import insert, insert_if_new, reading, writing
from parjanya_dagster.truth.sql.evidence import evidence_of, recorded
from parjanya_dagster.truth.sql.holding import holders_in
from parjanya_dagster.truth.sql.mapping import Base, chunks, event_of, row_of
from parjanya_dagster.truth.sql.schema import (
    batches,
    events,
    evidence,
    heartbeats,
    images,
    tenants,
)
from parjanya_dagster.truth.transitions import WITHOUT_OBJECT

PAGE = 1000  # keys that are read at once


class Reads(Base):
    """The part of the store that answers questions."""

    def put_tenant(self, tenant: Tenant) -> Tenant:
        check_slug(tenant.slug)
        with writing(self.engine) as connection:
            connection.execute(insert_if_new(connection, tenants), [asdict(tenant)])
            row = connection.execute(select(tenants).where(tenants.c.slug == tenant.slug)).one()
        return Tenant(**row._mapping)

    def tenant(self, slug: str) -> Tenant | None:
        with reading(self.engine) as connection:
            row = connection.execute(select(tenants).where(tenants.c.slug == slug)).first()
        return Tenant(**row._mapping) if row else None

    def tenants(self) -> list[Tenant]:
        with reading(self.engine) as connection:
            rows = connection.execute(select(tenants).order_by(tenants.c.slug)).all()
        return [Tenant(**row._mapping) for row in rows]

    def pin(self, slug: str, policy: str) -> None:
        with writing(self.engine) as connection:
            pinned = connection.execute(
                update(tenants).where(tenants.c.slug == slug).values(policy=policy)
            )
            if pinned.rowcount == 0:
                raise UnknownTenant.named(slug)

    def get(self, image_id: str) -> ImageRow | None:
        with reading(self.engine) as connection:
            row = connection.execute(select(images).where(images.c.image_id == image_id)).first()
        return row_of(row) if row else None

    def get_many(self, image_ids: Sequence[str]) -> dict[str, ImageRow]:
        found: dict[str, ImageRow] = {}
        with reading(self.engine) as connection:
            for chunk in chunks(image_ids):
                query = select(images).where(images.c.image_id.in_(chunk))
                found.update({row.image_id: row for row in map(row_of, connection.execute(query))})
        return found

    def find(self, key: str, tenant: str | None = None) -> list[ImageRow]:
        query = select(images).where(images.c.key == key)
        if tenant is not None:
            query = query.where(images.c.tenant == tenant)
        query = query.order_by(images.c.landed_at.desc(), images.c.arrived_at.desc()).limit(100)
        with reading(self.engine) as connection:
            return [row_of(row) for row in connection.execute(query)]

    def starting_with(
        self, prefix: str, tenant: str | None = None, limit: int = 20
    ) -> list[ImageRow]:
        after_all = prefix + "\U0010ffff"
        query = select(images).where(
            images.c.image_id >= prefix,
            images.c.image_id < after_all,
            images.c.object_state == PRESENT,
        )
        if tenant is not None:
            query = query.where(images.c.tenant == tenant)
        query = query.order_by(images.c.image_id).limit(limit)
        with reading(self.engine) as connection:
            return [row_of(row) for row in connection.execute(query)]

    def rows(self, batches: Sequence[str], after: str = "", limit: int = 1000) -> list[ImageRow]:
        query = (
            select(images)
            .where(images.c.batch.in_(list(batches)), images.c.image_id > after)
            .order_by(images.c.image_id)
            .limit(limit)
        )
        with reading(self.engine) as connection:
            return [row_of(row) for row in connection.execute(query)]

    def present(self, tenant: str, after: str = "", limit: int = 1000) -> list[ImageRow]:
        query = (
            select(images)
            .where(
                images.c.tenant == tenant,
                images.c.object_state == PRESENT,
                images.c.image_id > after,
            )
            .order_by(images.c.image_id)
            .limit(limit)
        )
        with reading(self.engine) as connection:
            return [row_of(row) for row in connection.execute(query)]

    def present_keys(self, tenant: str, prefix: str, after: str = "") -> Iterator[PresentKey]:
        names = ("bucket", "key", "version", "image_id", "failure_class")
        query = (
            select(*(images.c[name] for name in names))
            .where(
                images.c.tenant == tenant,
                images.c.object_state == PRESENT,
            )
            .order_by(images.c.key)
            .limit(PAGE)
        )
        beyond = images.c.key > after if after >= prefix else images.c.key >= prefix
        while True:
            with reading(self.engine) as connection:
                page = connection.execute(query.where(beyond)).all()
            for row in page:
                if not row.key.startswith(prefix):
                    return
                settled = row.failure_class not in WITHOUT_OBJECT
                location = image_id(row.bucket, row.key, row.version)
                yield PresentKey(row.key, location, row.image_id, settled)
            if len(page) < PAGE:
                return
            beyond = images.c.key > page[-1].key

    def batches(self, tenant: str | None = None) -> list[str]:
        query = select(batches.c.batch).order_by(batches.c.serial, batches.c.batch)
        if tenant is not None:
            query = query.where(batches.c.tenant == tenant)
        with reading(self.engine) as connection:
            return list(connection.scalars(query))

    def leases(self, now: float, *, anew: bool = False) -> dict[str, float]:
        query = (
            select(images.c.lease_owner, func.max(images.c.lease_until))
            .where(images.c.lease_owner.is_not(None), images.c.lease_until > now)
            .group_by(images.c.lease_owner)
        )
        with reading(self.engine) as connection:
            leases = [(row[0], row[1]) for row in connection.execute(query)]
            return living(leases, holders_in(connection) if leases else {}, now)

    def stale_manifests(self) -> dict[str, int]:
        query = select(batches.c.batch, batches.c.decided).where(
            batches.c.decided != batches.c.manifest
        )
        with reading(self.engine) as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def decided(self, batch: str) -> int:
        query = select(batches.c.decided).where(batches.c.batch == batch)
        with reading(self.engine) as connection:
            return connection.scalar(query) or 0

    def manifest_written(self, batch: str, decided: int) -> None:
        with writing(self.engine) as connection:
            connection.execute(
                update(batches)
                .where(batches.c.batch == batch, batches.c.manifest < decided)
                .values(manifest=decided)
            )

    def batch_marks(self) -> dict[str, str]:
        query = select(batches.c.batch, batches.c.registered, batches.c.decided)
        with reading(self.engine) as connection:
            return {row[0]: f"{row[1]}.{row[2]}" for row in connection.execute(query)}

    def evidence(
        self, rows: Sequence[ImageRow], stages: Collection[str] | None = None
    ) -> dict[str, dict[str, Evidence]]:
        by_image: dict[str, dict[str, Evidence]] = {}
        with reading(self.engine) as connection:
            for chunk in chunks(rows):
                wanted: dict[str, dict[str, str]] = defaultdict(dict)
                for row in chunk:
                    for stage, fingerprint in row.evidence.items():
                        if stages is None or stage in stages:
                            wanted[stage][row.image_id] = fingerprint
                for stage, fingerprints in wanted.items():
                    for record in recorded(connection, stage, fingerprints):
                        by_image.setdefault(record.image_id, {})[stage] = record
        return by_image

    def all_evidence(self, image_id: str) -> list[Evidence]:
        query = (
            select(evidence)
            .where(evidence.c.image_id == image_id)
            .order_by(evidence.c.created_at, evidence.c.stage)
        )
        with reading(self.engine) as connection:
            return [evidence_of(row) for row in connection.execute(query)]

    def history(self, image_id: str) -> list[Event]:
        query = select(events).where(events.c.image_id == image_id).order_by(events.c.event_id)
        with reading(self.engine) as connection:
            return [event_of(row) for row in connection.execute(query)]

    def beat(self, name: str, now: float, payload: Mapping[str, Any]) -> None:
        values = {"name": name, "at": now, "payload": dict(payload)}
        with writing(self.engine) as connection:
            statement = insert(connection, heartbeats).values(values)
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["name"], set_={"at": now, "payload": dict(payload)}
                )
            )

    def heartbeats(self, family: str = "") -> dict[str, Heartbeat]:
        named = heartbeats.c.name
        wanted = named.startswith(f"{family}:") if family else named.not_like("%:%")
        with reading(self.engine) as connection:
            rows = connection.execute(select(heartbeats).where(wanted)).all()
        return {row.name: Heartbeat(row.name, row.at, row.payload) for row in rows}

    def forget(self, names: Sequence[str]) -> None:
        for chunk in chunks(names):
            with writing(self.engine) as connection:
                connection.execute(delete(heartbeats).where(heartbeats.c.name.in_(chunk)))
