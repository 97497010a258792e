"""Schema migrations with Alembic, run in process, one process at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from parjanya_dagster.errors import SchemaOutdated
from parjanya_dagster.truth.sql.engine import reading, writing

VERSION_TABLE = "parjanya_schema"
"""Dagster's storage uses Alembic's default name, and may be in the same database."""
_LOCK = 7_061_726_6  # any number, the same in every process


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    return config


def _context(connection: Connection) -> MigrationContext:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})


def newest_revision() -> str:
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def current_revision(engine: Engine) -> str | None:
    with reading(engine) as connection:
        return _context(connection).get_current_revision()


def check_schema(engine: Engine) -> None:
    """Raise SchemaOutdated unless the database has the schema of this code."""
    current, newest = current_revision(engine), newest_revision()
    _check_known(current)
    if current != newest:
        raise SchemaOutdated(
            f"Truth has schema {current or 'none'}, this code needs {newest}. "
            "Run `parjanya migrate` with the same settings."
        )


def migrate(engine: Engine) -> None:
    """Bring the database to the newest schema. Safe to call from many processes at once."""
    if current_revision(engine) == newest_revision():
        return
    with _alone(engine), writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL lock_timeout = 0"))  # another may take its time
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        _check_known(_context(connection).get_current_revision())
        command.upgrade(_config(connection), "head")


def _check_known(current: str | None) -> None:
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    if current is not None and current not in {script.revision for script in scripts}:
        raise SchemaOutdated(
            f"Truth has schema {current}, which this code does not know: it was migrated by a "
            "newer Parjanya. Install that version."
        )


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Lock out other migrations. SQLite has no advisory locks, so a lock file stands in."""
    if engine.dialect.name != "sqlite" or engine.url.database not in (None, "", ":memory:"):
        yield
        return
    with open(f"{engine.url.database}.migrating", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
