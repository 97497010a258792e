"""Revisions of the schema: that of a database, and those that this code knows.

A revision that only adds names in its id the oldest revision whose code can use the result:
`0012.0011` adds what code of 0011 need not know. So the release before goes on while a release is
rolled out, and after it was taken back. A plain number is for code of its own alone.

Alembic is not imported to compare them: every command does that when it opens Truth.
"""

from __future__ import annotations

from sqlalchemy import Engine, String, column, inspect, select, table

from parjanya_dagster.errors import SchemaOutdated
from parjanya_dagster.truth.revisions import VERSION_TABLE, known_revisions, newest_revision
from parjanya_dagster.truth.sql.engine import reading


def current_revision(engine: Engine) -> str | None:
    """The revision of a database; None: it has no schema yet."""
    with reading(engine) as connection:
        if not inspect(connection).has_table(VERSION_TABLE):
            return None
        versions = select(column("version_num", String)).select_from(table(VERSION_TABLE))
        revision: str | None = connection.scalar(versions)
        return revision


def check_schema(engine: Engine) -> None:
    """Raise SchemaOutdated unless the database has a schema that this code can use."""
    current, newest = current_revision(engine), newest_revision()
    if current != newest and not is_newer(current):
        raise SchemaOutdated(
            f"Truth has schema {current or 'none'}, this code needs {newest}. "
            "Run `parjanya migrate` with the same settings."
        )


def is_newer(current: str | None) -> bool:
    """Whether a newer Parjanya migrated the database, to a schema that this code can use too.

    Raises SchemaOutdated where it cannot.
    """
    if current is None or current in known_revisions():
        return False
    number, _, oldest = current.partition(".")
    newest = newest_revision().partition(".")[0]
    if not oldest or not oldest <= newest < number:
        check_known(current)
    return True


def check_known(current: str | None) -> None:
    """Raise SchemaOutdated where this code is older than the database."""
    if current is not None and current not in known_revisions():
        raise SchemaOutdated(
            f"Truth has schema {current}, which this code does not know: it was migrated by a "
            "newer Parjanya. Install that version."
        )
