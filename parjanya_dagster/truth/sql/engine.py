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

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.sql.dml import Insert

from parjanya_dagster.errors import SettingsInvalid, TruthCorrupt, TruthUnavailable
from parjanya_dagster.truth.documents import dumps, loads
from parjanya_dagster.truth.storable import storable_parameters

TOO_LARGE = "54000"
"""PostgreSQL: a limit of the server is exceeded, such as the size of a row of an index."""
CHUNK = 500
"""Rows per statement. SQLite allows 32,766 parameters, and small statements keep locks short."""

_JSON: dict[str, Any] = {"json_serializer": dumps, "json_deserializer": loads}
_BROKEN = ("file is not a database", "database disk image is malformed")
_STORES = "The truth URL begins with sqlite:///, postgresql:// or dynamodb://."


def open_engine(url: str) -> Engine:
    """An engine for `sqlite:///file`, `postgresql://…` or `postgresql+iam://…`.

    Raises SettingsInvalid otherwise.
    """
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
    elif parsed.get_backend_name() == "postgresql":
        from parjanya_dagster.truth.sql.postgres import open_postgres  # an embedded home needs none

        engine = open_postgres(parsed, **_JSON)
    else:
        raise SettingsInvalid(f"No store for {parsed.get_backend_name()!r}. {_STORES}")
    event.listen(engine, "before_cursor_execute", _make_storable, retval=True)
    return engine


def _make_storable(
    _connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any
) -> tuple[str, Any]:
    return statement, storable_parameters(parameters)


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


def _begin_sqlite(connection: Connection) -> None:
    """By the driver itself: SQLAlchemy's way there costs more than many a statement."""
    writing = connection.get_execution_options().get("parjanya_writing", False)
    raw: Any = connection.connection.dbapi_connection
    raw.execute("BEGIN IMMEDIATE" if writing else "BEGIN").close()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A read transaction."""
    with _transaction(engine, {}) as connection:
        yield connection


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A read transaction whose statements all see one snapshot. SQLite's always do."""
    postgres = engine.dialect.name == "postgresql"
    options = {"isolation_level": "REPEATABLE READ"} if postgres else {}
    with _transaction(engine, options) as connection:
        yield connection


@contextmanager
def writing(
    engine: Engine, patient: bool = False, repeatable: bool = False
) -> Iterator[Connection]:
    """A write transaction. It is committed at the end, or rolled back if anything is raised.

    A `patient` one waits for locks and for its own statements as long as they take. All statements
    of a `repeatable` one see one snapshot. SQLite's always do.
    """
    options: dict[str, Any] = {"parjanya_writing": True}
    if repeatable and engine.dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"
    with _transaction(engine, options, patient) as connection:
        yield connection


@contextmanager
def _transaction(
    engine: Engine, options: dict[str, Any], patient: bool = False
) -> Iterator[Connection]:
    with named(engine.url), engine.connect() as connection:
        if options:
            connection = connection.execution_options(**options)
        if engine.dialect.name != "postgresql":
            with connection.begin():
                yield connection
            return
        from parjanya_dagster.truth.sql.postgres import PATIENT, WORK
        from parjanya_dagster.truth.sql.silence import hung_up_after

        silence = 0.0 if patient else WORK.silence
        with hung_up_after(connection.connection.dbapi_connection, silence), connection.begin():
            if patient:
                connection.exec_driver_sql(PATIENT)
            yield connection


@contextmanager
def named(url: URL) -> Iterator[None]:
    """Raise TruthUnavailable where the store does not answer, and TruthCorrupt where it is broken.

    Our own mistakes pass through.
    """
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        if getattr(error.orig, "pgcode", None) == TOO_LARGE:
            raise  # the server answers: it cannot hold what it was given
        raise TruthUnavailable(f"{where(url)} does not answer: {_said(error.orig)}") from error
    except PoolTimeout as error:
        raise TruthUnavailable(f"{where(url)} has no free connection: {error}") from error
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if any(sign in str(cause) for sign in _BROKEN):
            raise TruthCorrupt(
                f"{where(url)} is damaged ({cause}). Stop what runs over it and bring back a "
                "backup: `parjanya restore`. docs/backup.md says how."
            ) from error
        if isinstance(error, sqlite3.OperationalError):
            raise TruthUnavailable(f"{where(url)} does not answer: {cause}") from error
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise TruthUnavailable(f"{where(url)} hung up: {_said(cause)}") from error
        raise


def _said(cause: BaseException | None) -> str:
    return " ".join(str(cause).split())


def where(url: URL) -> str:
    """A store in words, without its password."""
    return f"Truth at {url.render_as_string(hide_password=True)}"


def insert(connection: Connection, table: Any) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ON CONFLICT in the dialect of the connection."""
    postgres = connection.dialect.name == "postgresql"
    return postgresql.insert(table) if postgres else sqlite.insert(table)


def insert_if_new(connection: Connection, table: Any) -> Insert:
    """An INSERT that leaves existing rows as they are."""
    return insert(connection, table).on_conflict_do_nothing()
