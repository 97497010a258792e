"""Connections to PostgreSQL: how long they wait, and when they are dropped.

A machine that is gone is noticed by TCP, and a statement that takes too long by the server. A
server whose processes stand still is noticed only by us: its kernel goes on acknowledging. So we
hang up on a transaction that has been silent for too long.

After a failover, connections may stay on the server that was demoted. It takes no writes, so such a
connection is dropped with all that are pooled, and a new one is made to whoever is primary now.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg2
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import NullPool

from parjanya_dagster.truth.sql import iam
from parjanya_dagster.truth.sql.silence import hung_up_after

READ_ONLY = "25006"  # the code of an error: this server takes no writes at present
PING = 10.0  # seconds that a pooled connection has to say that it is alive


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long one use of the server waits, in seconds. 0: for ever."""

    connect: int  # for each host
    statement: float  # then the server ends it
    lock: float  # of a table or a row
    silence: float  # of a whole transaction; then we hang up


WORK = Patience(connect=5, statement=300, lock=60, silence=330)
"""A statement of a sweep over a large tenant takes many seconds, and none takes minutes."""

PROBE = Patience(connect=3, statement=4, lock=3, silence=5)

PATIENT = "; ".join(
    f"SET LOCAL {name} = 0"
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
)
"""For a transaction that takes as long as it takes: a migration of a large table."""

_SESSION = {
    # A worker that hangs in a transaction, or whose machine is lost, must not hold locks for ever.
    "idle_in_transaction_session_timeout": "60s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    # Rows are looked up by id, a few dozen at a time. The default is made for spinning disks: with
    # it the planner reads the whole table while that is small.
    "random_page_cost": "1.1",
}
_CONNECTION: dict[str, Any] = {
    # Of several hosts in the URL, the one that takes writes. A single one has to take them too.
    "target_session_attrs": "read-write",
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds that what we sent may stay unacknowledged
    "application_name": "parjanya",
}


def open_postgres(url: URL, patience: Patience = WORK, **options: Any) -> Engine:
    """An engine. What the URL says about a connection counts before what is said here.

    `postgresql+iam`: each connection has a token of its own. Raises SettingsInvalid for an address
    to which none may be sent (`truth.sql.iam`).
    """
    token = None
    if iam.wanted(url):
        url = iam.checked(url)
        token = iam.token_of(url)
    url = url.set(drivername="postgresql+psycopg2")
    wanted = _CONNECTION | {"connect_timeout": patience.connect}
    connection = {name: value for name, value in wanted.items() if name not in url.query}
    pooled: dict[str, Any] = {"pool_size": 4} if patience is WORK else {"poolclass": NullPool}
    engine = create_engine(url, connect_args=connection, **pooled, **options)

    def configure(connection: Any, record: Any) -> None:
        session = _SESSION | {
            "statement_timeout": f"{patience.statement:.0f}s",
            "lock_timeout": f"{patience.lock:.0f}s",
        }
        with hung_up_after(connection, PING), connection.cursor() as cursor:
            cursor.execute("; ".join(f"SET {name} = '{value}'" for name, value in session.items()))
            connection.commit()
        record.info["fresh"] = True

    if token is not None:
        event.listen(engine, "do_connect", partial(_log_in, token))
    event.listen(engine, "connect", configure)
    event.listen(engine, "checkout", _ping)
    event.listen(engine, "handle_error", _judge)
    return engine


def _log_in(
    token: iam.Token, _dialect: Any, _record: Any, _arguments: Any, options: dict[str, Any]
) -> None:
    """A token is asked for only where a connection is opened. One that is open outlives it."""
    options["password"] = token()


def _ping(connection: Any, record: Any, _fairy: Any) -> None:
    """Whether a pooled connection is alive, and its server takes writes. Else all are dropped."""
    if record.info.pop("fresh", False):
        return
    try:
        connection.autocommit = True  # one way to the server and back, and no transaction
        with hung_up_after(connection, PING), connection.cursor() as cursor:
            cursor.execute("SHOW transaction_read_only")
            (read_only,) = cursor.fetchone()
        connection.autocommit = False
    except psycopg2.Error as error:
        raise _Stale(f"The connection is lost: {error}") from error
    if read_only == "on":
        raise _Stale("The server takes no writes any more.")


class _Stale(DisconnectionError):
    """The connections that are pooled are of no use any more."""

    invalidate_pool = True


def _judge(context: ExceptionContext) -> None:
    """A server that refuses writes is a lost one: all connections to it are dropped."""
    if getattr(context.original_exception, "pgcode", None) == READ_ONLY:
        context.is_disconnect = True
