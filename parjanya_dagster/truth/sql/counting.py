"""How many images of each tenant are where, all read in one snapshot.

The counters are `tallies`: see `tally_triggers`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, case, delete, func, literal, select, text

from parjanya_dagster.truth.counts import LAPSED, Counts, Tally
from parjanya_dagster.truth.sql.engine import insert, reading, snapshot, writing
from parjanya_dagster.truth.sql.mapping import Base
from parjanya_dagster.truth.sql.schema import batches, images, tallies, tenants

_ONE_FOLDS = 7_061_726_7  # any number: the lock of who adds up or rebuilds the counters
_KINDS = (
    tallies.c.tenant,
    tallies.c.object_state,
    tallies.c.pipeline_status,
    tallies.c.verdict,
    tallies.c.failure_class,
    tallies.c.people,
)
_OF_ROWS = (
    images.c.tenant,
    images.c.object_state,
    images.c.pipeline_status,
    func.coalesce(images.c.verdict, "").label("verdict"),
    func.coalesce(images.c.failure_class, "").label("failure_class"),
    func.coalesce(images.c.person_verdict, case((images.c.lapsed, LAPSED), else_="")).label(
        "people"
    ),
)
"""What the counters tell apart, as it stands in rows."""


class Counting(Base):
    """The part of the store that counts images."""

    def counts(self, tenant: str | None = None) -> list[Counts]:
        tally = select(*_KINDS, func.sum(tallies.c.n).label("n")).group_by(*_KINDS)
        if tenant is not None:
            tally = tally.where(tallies.c.tenant == tenant)
        return self._counts(tally, tenant)

    def counted(self, tenant: str | None = None) -> list[Counts]:
        """All columns are in one index, so that no row is read."""
        tally = select(*_OF_ROWS, func.count().label("n")).group_by(*_OF_ROWS)
        if tenant is not None:
            tally = tally.where(images.c.tenant == tenant)
        return self._counts(tally, tenant)

    def _counts(self, tally: Select[Any], tenant: str | None) -> list[Counts]:
        whose = images.c.tenant.concat("")  # else SQLite walks through an index that has tenants
        leased = (
            select(whose, func.count())
            .where(images.c.lease_owner.is_not(None), images.c.lease_until > 0.0)
            .group_by(whose)
        )
        registered = select(batches.c.tenant, func.sum(batches.c.registered)).group_by(
            batches.c.tenant
        )
        slugs = select(tenants.c.slug).order_by(tenants.c.slug)
        if tenant is not None:
            slugs = slugs.where(tenants.c.slug == tenant)
            leased = leased.where(images.c.tenant == tenant)
            registered = registered.where(batches.c.tenant == tenant)
        with snapshot(self.engine) as connection:
            counting = {slug: Tally() for slug in connection.scalars(slugs)}
            in_flight: dict[str, int] = {row[0]: row[1] for row in connection.execute(leased)}
            ever: dict[str, int] = {row[0]: row[1] for row in connection.execute(registered)}
            grouped = connection.execute(tally).all()
        for row in grouped:
            counting[row.tenant].add(*row[1:])
        return [
            sums.counts(slug, in_flight.get(slug, 0), int(ever.get(slug, 0)))
            for slug, sums in counting.items()
        ]

    def fold_counts(self) -> None:
        """A part of a transaction that has ended is never written again, so nobody waits.

        SQLite has no such parts.
        """
        apart = select(tallies.c.part).where(tallies.c.part != 0).limit(1)
        with reading(self.engine) as connection:
            if connection.execute(apart).first() is None:
                return
        with writing(self.engine) as connection:
            if not _alone(connection):
                return
            folding = delete(tallies).where(tallies.c.part != 0).returning(*_KINDS, tallies.c.n)
            gone = folding.cte("gone")
            kinds = [gone.c[kind.name] for kind in _KINDS]
            sums = select(*kinds, literal(0), func.sum(gone.c.n)).group_by(*kinds)
            adding = insert(connection, tallies).from_select(
                [*(kind.name for kind in _KINDS), "part", "n"], sums
            )
            connection.execute(
                adding.on_conflict_do_update(
                    index_elements=[*_KINDS, tallies.c.part],
                    set_={"n": tallies.c.n + adding.excluded.n},
                )
            )
            connection.execute(delete(tallies).where(tallies.c.part == 0, tallies.c.n == 0))

    def rebuild_counts(self) -> bool:
        """In one snapshot: what is committed meanwhile writes parts of its own, and stays."""
        if self.engine.dialect.name != "postgresql":
            self._rebuild()
            return True
        with writing(self.engine, patient=True) as holding:  # before the snapshot begins
            if alone := _alone(holding):
                self._rebuild()
            return alone

    def _rebuild(self) -> None:
        with writing(self.engine, patient=True, repeatable=True) as connection:
            connection.execute(delete(tallies))
            sums = select(*_OF_ROWS, literal(0), func.count()).group_by(*_OF_ROWS)
            names = [*(kind.name for kind in _KINDS), "part", "n"]
            connection.execute(tallies.insert().from_select(names, sums))


def _alone(connection: Connection) -> bool:
    """Whether nobody else adds up or rebuilds the counters until this transaction ends."""
    asked = text(f"SELECT pg_try_advisory_xact_lock({_ONE_FOLDS})")
    return bool(connection.scalar(asked))
