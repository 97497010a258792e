"""The registry of policies: versions are added, and never changed."""

from __future__ import annotations

from sqlalchemy import select

from parjanya_dagster.errors import PolicyConflict
from parjanya_dagster.truth.rows import Published
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
        if recorded.hash != policy.hash:
            name, _, version = policy.ref.partition("@")
            raise PolicyConflict(
                f"{policy.ref} is published with other content ({recorded.hash[:19]}…, this is "
                f"{policy.hash[:19]}…), and a published version never changes. Restore it, or "
                f"publish this as {name}@{int(version) + 1 if version.isdigit() else '…'}."
            )
        return recorded

    def policy(self, ref: str) -> Published | None:
        with reading(self.engine) as connection:
            row = connection.execute(select(policies).where(policies.c.ref == ref)).first()
        return Published(**row._mapping) if row else None

    def policies(self) -> list[Published]:
        with reading(self.engine) as connection:
            found = connection.execute(select(policies).order_by(policies.c.ref)).all()
        return [Published(**row._mapping) for row in found]
