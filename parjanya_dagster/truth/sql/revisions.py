"""Revisions of the schema: that of a database, and those that this code knows.

Alembic is not imported to compare them: every command does that when it opens Truth.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sqlalchemy import Engine, String, column, inspect, select, table

from parjanya_dagster.errors import SchemaOutdated
from parjanya_dagster.truth.sql.engine import reading

MIGRATIONS = Path(__file__).with_name("migrations")

VERSION_TABLE = "parjanya_schema"
"""Not Alembic's default: Dagster's storage uses that one, and may live in the same database."""


@cache
def known_revisions() -> tuple[str, ...]:
    """Every revision, the oldest first: the number with which the name of its file begins."""
    scripts = (MIGRATIONS / "versions").glob("[0-9]*.py")
    return tuple(sorted(script.name.partition("_")[0] for script in scripts))


def newest_revision() -> str:
    return known_revisions()[-1]


def current_revision(engine: Engine) -> str | None:
    """The revision of a database; None: it has no schema yet."""
    with reading(engine) as connection:
        if not inspect(connection).has_table(VERSION_TABLE):
            return None
        versions = select(column("version_num", String)).select_from(table(VERSION_TABLE))
        revision: str | None = connection.scalar(versions)
        return revision


def check_schema(engine: Engine) -> None:
    """Raise SchemaOutdated unless the database has the schema of this code."""
    current, newest = current_revision(engine), newest_revision()
    check_known(current)
    if current != newest:
        raise SchemaOutdated(
            f"Truth has schema {current or 'none'}, this code needs {newest}. "
            "Run `parjanya migrate` with the same settings."
        )


def check_known(current: str | None) -> None:
    """Raise SchemaOutdated where this code is older than the database."""
    if current is not None and current not in known_revisions():
        raise SchemaOutdated(
            f"Truth has schema {current}, which this code does not know: it was migrated by a "
            "newer Parjanya. Install that version."
        )
