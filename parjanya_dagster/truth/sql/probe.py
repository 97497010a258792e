"""What a probe looks at: whether Truth lets itself be read and written, at present.

It changes nothing. It takes the locks that every write takes, so a lock that stops all workers is
found also where the tables that a health check would read are free.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, make_url, text

from parjanya_dagster.errors import TruthUnavailable
from parjanya_dagster.truth.probe import Probe
from parjanya_dagster.truth.sql.engine import named, where
from parjanya_dagster.truth.sql.schema import metadata

BUSY = 5.0  # seconds that a writer of the embedded store may keep a probe waiting

_TABLES = text(
    "SELECT relname, has_table_privilege(oid, 'INSERT, UPDATE, DELETE') FROM pg_class "
    "WHERE relname = ANY(:names) AND relkind IN ('r', 'p') AND pg_table_is_visible(oid)"
)
_HOLDERS = text(
    "SELECT l.relation::regclass::text, a.pid, "
    "coalesce(nullif(a.application_name, ''), 'unnamed'), "
    "extract(epoch FROM clock_timestamp() - a.xact_start)::int "
    "FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
    "WHERE l.relation::regclass::text = ANY(:names) AND l.granted AND l.mode IN "
    "('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') LIMIT 1"
)
_LOCKED = "55P03"  # the code of an error: the lock was not to be had in time


def open_probe(url: str) -> Probe:
    """A probe of the store at `url`. Opening it connects to nothing."""
    parsed = make_url(url)
    return Probe(where(parsed), _postgres(parsed) if _is_server(parsed) else _sqlite(parsed))


def _is_server(url: URL) -> bool:
    return url.get_backend_name() == "postgresql"


def _sqlite(url: URL) -> Callable[[], None]:
    def look() -> None:
        file = url.database
        if not file or file == ":memory:":
            return
        with (
            named(url),
            closing(
                sqlite3.connect(
                    f"file:{quote(file)}?mode=rw", uri=True, timeout=BUSY, isolation_level=None
                )
            ) as connection,
        ):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
            connection.execute("ROLLBACK")

    return look


def _postgres(url: URL) -> Callable[[], None]:
    from parjanya_dagster.truth.sql.postgres import PROBE, open_postgres
    from parjanya_dagster.truth.sql.silence import hung_up_after

    engine = open_postgres(url, PROBE)

    def look() -> None:
        with named(url), engine.connect() as connection:
            ours = connection.connection.dbapi_connection
            with hung_up_after(ours, PROBE.silence):
                _lock_as_writers_do(engine, connection)

    return look


def _lock_as_writers_do(engine: Engine, connection: Connection) -> None:
    names = {"names": sorted(metadata.tables)}
    found = connection.execute(_TABLES, names).all()
    if not found:
        return
    quote_name = engine.dialect.identifier_preparer.quote
    tables = ", ".join(quote_name(name) for name, _ in found)
    mode = "ROW EXCLUSIVE" if all(writes for _, writes in found) else "ACCESS SHARE"
    try:
        connection.execute(text(f"LOCK TABLE {tables} IN {mode} MODE"))
    except Exception as error:
        if getattr(getattr(error, "orig", None), "pgcode", None) != _LOCKED:
            raise
        connection.rollback()
        holder = connection.execute(_HOLDERS, names).first()
        by = "another session"
        if holder is not None:
            table, pid, program, seconds = holder
            by = f"session {pid} ({program}), for {seconds} s, on the table {table}"
        raise TruthUnavailable(
            f"{where(engine.url)} takes no writes at present: a lock is held by {by}."
        ) from None
    connection.rollback()
