"""Schema migrations with Alembic, run in process, one process at a time."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, text

from parjanya_dagster.truth.revisions import MIGRATIONS, VERSION_TABLE
from parjanya_dagster.truth.sql.engine import writing
from parjanya_dagster.truth.sql.revisions import is_newer

_LOCK = 7_061_726_6  # any number, the same in every process


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _context(connection: Connection) -> MigrationContext:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})


def migrate(engine: Engine) -> None:
    """Bring the database to the newest schema. Safe to call from many processes at once.

    Raises SchemaOutdated where a newer Parjanya made a schema that this code cannot use.
    """
    with writing(engine, patient=True) as connection:  # on SQLite nobody else writes meanwhile
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        if is_newer(_context(connection).get_current_revision()):
            return  # a release that was taken back leaves the schema as it is
        command.upgrade(_config(connection), "head")
