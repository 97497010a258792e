"""How many images of each tenant are where, all counted in one snapshot."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import Row, func, select

from parjanya_dagster.truth.models import PRESENT
from parjanya_dagster.truth.reviews import counts_as
from parjanya_dagster.truth.sql.engine import snapshot
from parjanya_dagster.truth.sql.mapping import Base
from parjanya_dagster.truth.sql.schema import batches, images, tenants
from parjanya_dagster.truth.stages import Status
from parjanya_dagster.truth.store import Counts


class Counting(Base):
    """The part of the store that counts images."""

    def counts(self, tenant: str | None = None) -> list[Counts]:
        """All columns are in one index, so that no row is read."""
        kinds = (
            images.c.tenant,
            images.c.object_state,
            images.c.pipeline_status,
            images.c.verdict,
            images.c.failure_class,
            images.c.person_verdict,
            images.c.lapsed,
        )
        tally = select(*kinds, func.count().label("n")).group_by(*kinds)
        leased = (
            select(images.c.tenant, func.count())
            .where(images.c.lease_owner.is_not(None))
            .group_by(images.c.tenant)
        )
        registered = select(batches.c.tenant, func.sum(batches.c.registered)).group_by(
            batches.c.tenant
        )
        slugs = select(tenants.c.slug).order_by(tenants.c.slug)
        if tenant is not None:
            slugs = slugs.where(tenants.c.slug == tenant)
            tally = tally.where(images.c.tenant == tenant)
            leased = leased.where(images.c.tenant == tenant)
            registered = registered.where(batches.c.tenant == tenant)
        with snapshot(self.engine) as connection:
            counting = {slug: _Tally() for slug in connection.scalars(slugs)}
            in_flight: dict[str, int] = {row[0]: row[1] for row in connection.execute(leased)}
            ever: dict[str, int] = {row[0]: row[1] for row in connection.execute(registered)}
            grouped = connection.execute(tally).all()
        for row in grouped:
            counting[row.tenant].add(row)
        return [
            Counts(
                tenant=slug,
                by_status=dict(sums.statuses),
                by_verdict=dict(sums.verdicts),
                by_failure=dict(sums.failures),
                in_flight=in_flight.get(slug, 0),
                registered=int(ever.get(slug, 0)),
                departed=sums.departed,
                by_effective=dict(sums.effective),
                by_person=dict(sums.people),
            )
            for slug, sums in counting.items()
        ]


class _Tally:
    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.effective: Counter[str] = Counter()
        self.people: Counter[str] = Counter()
        self.departed = 0

    def add(self, row: Row[Any]) -> None:
        n: int = row.n
        if row.object_state != PRESENT:
            self.departed += n
            return
        status: str = row.pipeline_status
        self.statuses[status] += n
        if status == Status.CURATED and row.verdict:
            self.verdicts[row.verdict] += n
            self.effective[counts_as(row.verdict, row.person_verdict, row.lapsed)] += n
            if row.person_verdict:
                self.people[row.person_verdict] += n
        if status == Status.FAILED:
            self.failures[row.failure_class or "unknown"] += n
