"""Engines for SQLite and PostgreSQL, and what differs between the two.

SQLite runs in WAL mode. Every writing transaction begins IMMEDIATE, so two writers queue instead
of deadlocking. `synchronous=FULL`, since what is acknowledged must survive a power cut.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.sql.dml import Insert

from parjanya_dagster.errors import SettingsInvalid, TruthUnavailable
from parjanya_dagster.truth.sql.documents import dumps, loads

TOO_LARGE = "54000"
"""PostgreSQL: a limit of the server is exceeded, such as the size of a row of an index."""
CHUNK = 500
"""Rows per statement. SQLite allows 32,766 parameters, and small statements keep locks short."""

_JSON: dict[str, Any] = {"json_serializer": dumps, "json_deserializer": loads}
_STORES = "The truth URL begins with sqlite:///, postgresql:// or dynamodb://."
_SESSION = {
    # A worker that hangs in a transaction, or whose machine is lost, must not hold locks for ever.
    "idle_in_transaction_session_timeout": "60s",
    "lock_timeout": "60s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    # Rows are looked up by id, a few dozen at a time. The default is made for spinning disks: with
    # it the planner reads the whole table while that is small.
    "random_page_cost": "1.1",
}


def open_engine(url: str) -> Engine:
    """An engine for `sqlite:///file` or `postgresql://…`. Raises SettingsInvalid otherwise."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SettingsInvalid(f"{url!r} is no store. {_STORES}") from None
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(
            parsed, connect_args={"timeout": 60.0, "check_same_thread": False}, **_JSON
        )
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg2")
        engine = create_engine(
            parsed, pool_pre_ping=True, pool_size=4, connect_args={"connect_timeout": 10}, **_JSON
        )
        event.listen(engine, "connect", _configure_postgresql)
        return engine
    raise SettingsInvalid(f"No store for {parsed.get_backend_name()!r}. {_STORES}")


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are ours, not the driver's
    cursor = connection.cursor()
    _switch_to_wal(cursor)
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "cache_size=-65536"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _switch_to_wal(cursor: Any, patience: float = 60.0) -> None:
    """The first switch to WAL needs the file alone, and SQLite does not wait for that itself."""
    deadline = time.monotonic() + patience
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _configure_postgresql(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("; ".join(f"SET {name} = '{value}'" for name, value in _SESSION.items()))
    connection.commit()


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("parjanya_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A read transaction."""
    with _named(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A read transaction whose statements all see one snapshot. SQLite's always do."""
    with _named(engine), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A write transaction. It is committed at the end, or rolled back if anything is raised."""
    with _named(engine), engine.connect() as connection:
        connection = connection.execution_options(parjanya_writing=True)
        with connection.begin():
            yield connection


@contextmanager
def _named(engine: Engine) -> Iterator[None]:
    """Raise TruthUnavailable where the server does not answer. Our own mistakes pass through."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        if getattr(error.orig, "pgcode", None) == TOO_LARGE:
            raise  # the server answers: it cannot hold what it was given
        raise TruthUnavailable(f"{_where(engine)} does not answer: {error.orig}") from error
    except PoolTimeout as error:
        raise TruthUnavailable(f"{_where(engine)} has no free connection: {error}") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise TruthUnavailable(f"{_where(engine)} hung up: {error.orig}") from error
        raise


def _where(engine: Engine) -> str:
    return f"Truth at {engine.url.render_as_string(hide_password=True)}"


def insert(connection: Connection, table: Any) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ON CONFLICT in the dialect of the connection."""
    postgres = connection.dialect.name == "postgresql"
    return postgresql.insert(table) if postgres else sqlite.insert(table)


def insert_if_new(connection: Connection, table: Any) -> Insert:
    """An INSERT that leaves existing rows as they are."""
    return insert(connection, table).on_conflict_do_nothing()
