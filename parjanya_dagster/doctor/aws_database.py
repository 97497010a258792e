"""Whether PostgreSQL on RDS or Aurora lets in whom it should, asked by logging in.

It writes nothing. Only an account can show it: the server asks IAM what a role may do.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import URL, make_url, text

from parjanya_dagster.aws.bucket_check import Finding, Mark
from parjanya_dagster.errors import TruthUnavailable
from parjanya_dagster.truth.sql.engine import open_engine, reading
from parjanya_dagster.truth.sql.users import USERS

OWNER = "parjanya_owner"
_SAID = text(
    "SELECT current_user, ssl, current_setting('transaction_read_only') = 'off' "
    "FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
)


def login(url: str) -> Iterator[Finding]:
    """This process logs in as its user, by TLS, to a server that takes writes."""
    engine = open_engine(url)
    try:
        with reading(engine) as connection:
            user, by_tls, writes = connection.execute(_SAID).one()
    finally:
        engine.dispose()
    fine = by_tls and writes
    yield Finding(
        "login",
        Mark.OK if fine else Mark.ERROR,
        f"It is {user}, {'by' if by_tls else 'without'} TLS, at a server that "
        f"{'takes writes' if writes else 'takes no writes'}.",
        "" if fine else "Name the writer's endpoint of the cluster, and set rds.force_ssl to 1.",
    )


def others(url: str) -> Iterator[Finding]:
    """This process's role may log in as its own user, and as no other one."""
    own = make_url(url)
    let_in = [user for user in (*USERS, OWNER) if user != own.username and _lets_in(own, user)]
    yield Finding(
        "other users",
        Mark.ERROR if let_in else Mark.OK,
        f"The role may log in as {', '.join(let_in) or 'no other user'}.",
        "Let rds-db:connect of this role name its one user." if let_in else "",
    )


def _lets_in(own: URL, user: str) -> bool:
    engine = open_engine(own.set(username=user).render_as_string(hide_password=False))
    try:
        with reading(engine):
            return True
    except TruthUnavailable:
        return False
    finally:
        engine.dispose()
