"""The revisions of the schema in SQL that this code knows, told by the names of files."""

from __future__ import annotations

from functools import cache
from pathlib import Path

MIGRATIONS = Path(__file__).parent / "sql" / "migrations"

VERSION_TABLE = "parjanya_schema"
"""Not Alembic's default: Dagster's storage uses that one, and may live in the same database."""


@cache
def known_revisions() -> tuple[str, ...]:
    """Every revision, the oldest first: the id with which the name of its file begins."""
    scripts = (MIGRATIONS / "versions").glob("[0-9]*.py")
    return tuple(sorted(script.name.partition("_")[0] for script in scripts))


def newest_revision() -> str:
    return known_revisions()[-1]
