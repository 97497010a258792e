"""Processes that hold rows under long leases: a row for each."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from parjanya_dagster.truth.records import Holder
from parjanya_dagster.truth.sql.engine import insert, reading, writing
from parjanya_dagster.truth.sql.mapping import Base
from parjanya_dagster.truth.sql.schema import holders


class Holding(Base):
    """The part of the store that knows who holds rows."""

    def note_holder(self, holder: Holder) -> None:
        said = {"until": holder.until, "hand": list(holder.hand)}
        with writing(self.engine) as connection:
            statement = insert(connection, holders).values(owner=holder.owner, **said)
            connection.execute(statement.on_conflict_do_update(index_elements=["owner"], set_=said))

    def holders(self) -> dict[str, Holder]:
        with reading(self.engine) as connection:
            return holders_in(connection)

    def drop_holder(self, holder: Holder) -> None:
        with writing(self.engine) as connection:
            drop(connection, holder)


def holders_in(connection: Connection) -> dict[str, Holder]:
    """All of them, by owner."""
    rows = connection.execute(select(holders.c.owner, holders.c.until, holders.c.hand)).all()
    return {
        row.owner: Holder(owner=row.owner, until=row.until, hand=tuple(row.hand)) for row in rows
    }


def drop(connection: Connection, holder: Holder) -> None:
    connection.execute(
        delete(holders).where(holders.c.owner == holder.owner, holders.c.until == holder.until)
    )
