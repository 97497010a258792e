"""Published policy versions. They are added, and never changed."""

from __future__ import annotations

from sqlalchemy import select

from parjanya_dagster.truth.models import Published
from parjanya_dagster.truth.publishing import check_same
from parjanya_dagster.truth.sql.engine import insert_if_new, reading, writing
from parjanya_dagster.truth.sql.mapping import Base, columns_of
from parjanya_dagster.truth.sql.schema import policies


class Publishing(Base):
    """The part of the store that keeps policy versions."""

    def publish(self, policy: Published) -> Published:
        with writing(self.engine) as connection:
            values = {**columns_of(policy), "document": dict(policy.document)}
            connection.execute(insert_if_new(connection, policies), [values])
            row = connection.execute(select(policies).where(policies.c.ref == policy.ref)).one()
        recorded = Published(**row._mapping)
        check_same(recorded, policy)
        return recorded

    def policy(self, ref: str) -> Published | None:
        with reading(self.engine) as connection:
            row = connection.execute(select(policies).where(policies.c.ref == ref)).first()
        return Published(**row._mapping) if row else None

    def policies(self) -> list[Published]:
        with reading(self.engine) as connection:
            rows = connection.execute(select(policies).order_by(policies.c.ref)).all()
        return [Published(**row._mapping) for row in rows]
