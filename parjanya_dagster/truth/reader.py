"""What the commands that are asked often read of an embedded Truth, over SQLite alone.

Importing the store takes longer than their questions. Each answer is the store's own: a test
compares them. A Truth with another schema than this code's has no reader, and the store is asked.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from parjanya_dagster.errors import TruthCorrupt, TruthUnavailable
from parjanya_dagster.truth.counts import Counts, Tally
from parjanya_dagster.truth.documents import loads
from parjanya_dagster.truth.models import Heartbeat, Published, Tenant
from parjanya_dagster.truth.revisions import VERSION_TABLE, newest_revision

PATIENCE = 60.0  # seconds, as the store has

_TALLIES = """
    SELECT tenant, object_state, pipeline_status, verdict, failure_class, people, sum(n)
    FROM tallies WHERE tenant = coalesce(:tenant, tenant) GROUP BY 1, 2, 3, 4, 5, 6
"""
_LEASED = """
    SELECT tenant || '', count(*) FROM images
    WHERE lease_owner IS NOT NULL AND lease_until > 0 AND tenant = coalesce(:tenant, tenant)
    GROUP BY tenant || ''
"""
_REGISTERED = """
    SELECT tenant, sum(registered) FROM batches
    WHERE tenant = coalesce(:tenant, tenant) GROUP BY tenant
"""
_SLUGS = "SELECT slug FROM tenants WHERE slug = coalesce(:tenant, slug) ORDER BY slug"


R = TypeVar("R", bound="Reader")


class Readable(Protocol):
    """The reads of these commands. The store has them too."""

    def tenant(self, slug: str) -> Tenant | None: ...

    def tenants(self) -> list[Tenant]: ...

    def policies(self) -> list[Published]: ...

    def counts(self, tenant: str | None = None) -> list[Counts]: ...

    def heartbeats(self, family: str = "") -> dict[str, Heartbeat]: ...


def open_reader(file: Path, kind: type[R]) -> R | None:
    """A reader of the Truth in this file. Nothing is made or changed.

    None unless it has exactly the schema of this code: the store says what is wrong.
    """
    address = f"file:{quote(str(file))}?mode=rw"
    try:
        connection = sqlite3.connect(address, uri=True, timeout=PATIENCE, isolation_level=None)
    except sqlite3.Error:
        return None
    try:
        versions = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall()
    except sqlite3.Error:
        versions = []
    if versions != [(newest_revision(),)]:
        connection.close()
        return None
    connection.row_factory = sqlite3.Row
    return kind(file, connection)


class Reader:
    """Reads an embedded Truth.

    Its methods raise TruthUnavailable where it does not answer, TruthCorrupt where it is broken.
    """

    def __init__(self, file: Path, connection: sqlite3.Connection) -> None:
        self._file, self._connection = file, connection

    def tenant(self, slug: str) -> Tenant | None:
        with self._snapshot() as connection:
            row = connection.execute("SELECT * FROM tenants WHERE slug = ?", [slug]).fetchone()
        return Tenant(**row) if row else None

    def tenants(self) -> list[Tenant]:
        with self._snapshot() as connection:
            rows = connection.execute("SELECT * FROM tenants ORDER BY slug").fetchall()
        return [Tenant(**row) for row in rows]

    def policies(self) -> list[Published]:
        with self._snapshot() as connection:
            rows = connection.execute("SELECT * FROM policies ORDER BY ref").fetchall()
        return [Published(**{**row, "document": loads(row["document"])}) for row in rows]

    def counts(self, tenant: str | None = None) -> list[Counts]:
        whose: dict[str, Any] = {"tenant": tenant}
        with self._snapshot() as connection:
            tallies = {row[0]: Tally() for row in connection.execute(_SLUGS, whose)}
            leased = dict(map(tuple, connection.execute(_LEASED, whose)))
            ever = dict(map(tuple, connection.execute(_REGISTERED, whose)))
            for slug, *kind in connection.execute(_TALLIES, whose):
                tallies[slug].add(*kind)
        return [
            tally.counts(slug, leased.get(slug, 0), ever.get(slug, 0))
            for slug, tally in tallies.items()
        ]

    def heartbeats(self, family: str = "") -> dict[str, Heartbeat]:
        how = "substr(name, 1, length(:start)) = :start" if family else "name NOT LIKE '%:%'"
        with self._snapshot() as connection:
            rows = connection.execute(
                f"SELECT name, at, payload FROM heartbeats WHERE {how}", {"start": f"{family}:"}
            ).fetchall()
        return {name: Heartbeat(name, at, loads(payload)) for name, at, payload in rows}

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            raise TruthUnavailable(f"Truth at {self._file} does not answer: {error}") from error
        except sqlite3.DatabaseError as error:
            raise TruthCorrupt(
                f"Truth at {self._file} is damaged ({error}). Stop what runs over it and bring "
                "back a backup: `parjanya restore`. docs/backup.md says how."
            ) from error
