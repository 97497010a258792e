"""A glance at an embedded Truth: is all well? Health checks ask often, each in a new process.

Importing the store takes longer than the question. So this needs SQLite alone, and knows one
answer. Whoever does not get it asks the store, which finds out what is wrong and says so.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from parjanya_dagster.truth.bounded import OneAtATime
from parjanya_dagster.truth.revisions import VERSION_TABLE, newest_revision

PATIENCE = 1.0  # seconds


def heartbeats_if_well(file: Path) -> dict[str, float] | None:
    """When each loop last completed, in Unix seconds. Nothing is changed.

    None unless the file can be read and written at once, with exactly the schema of this code.
    """
    try:
        return OneAtATime(lambda: _look(file)).result(PATIENCE)
    except (sqlite3.Error, OSError, TimeoutError):
        return None


def _look(file: Path) -> dict[str, float] | None:
    address = f"file:{quote(str(file))}?mode=rw"
    with closing(
        sqlite3.connect(address, uri=True, timeout=PATIENCE / 2, isolation_level=None)
    ) as connection:
        connection.execute("BEGIN IMMEDIATE")  # as every write begins
        versions = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall()
        loops = connection.execute("SELECT name, at FROM heartbeats WHERE name NOT LIKE '%:%'")
        ages = {str(name): float(at) for name, at in loops}
        connection.execute("ROLLBACK")
    return ages if versions == [(newest_revision(),)] else None
