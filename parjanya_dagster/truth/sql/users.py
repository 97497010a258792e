"""The users of a PostgreSQL server that processes log in as by IAM, and what each may do.

The owner of the tables makes them, after each migration. Who has no right here has none: nobody but
the owner alters a table, and nobody deletes one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Engine, text

from parjanya_dagster.errors import SettingsInvalid
from parjanya_dagster.truth.revisions import VERSION_TABLE
from parjanya_dagster.truth.sql.engine import writing
from parjanya_dagster.truth.sql.schema import metadata

EVERY = (*sorted(metadata.tables), VERSION_TABLE)
IAM = "rds_iam"
"""The role of RDS whose members log in with a token, and with no password."""


@dataclass(frozen=True, kw_only=True)
class Grants:
    """Tables by what may be done to them."""

    select: tuple[str, ...] = EVERY
    insert: tuple[str, ...] = ()
    update: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()

    def statements(self, user: str) -> Iterator[str]:
        for right in ("select", "insert", "update", "delete"):
            if tables := getattr(self, right):
                names = ", ".join(f'"{name}"' for name in tables)
                yield f'GRANT {right.upper()} ON {names} TO "{user}"'


OURS = tuple(name for name in EVERY if name != VERSION_TABLE)
USERS: Mapping[str, Grants] = {
    # Sensors, runs and the desk.
    "parjanya_work": Grants(insert=OURS, update=OURS, delete=OURS),
    # What only shows or measures.
    "parjanya_look": Grants(),
    # The upload application, which strangers reach: promises, and what became of them.
    "parjanya_uploads": Grants(
        select=(VERSION_TABLE, "tenants", "tokens", "uploads", "images"),
        insert=("uploads",),
        update=("uploads",),  # what became of one
    ),
}


def make_users(engine: Engine) -> None:
    """Make the users that are missing, and give each what it may do and nothing else.

    It may be done again at any time. Raises SettingsInvalid where the server is not of RDS.
    """
    with writing(engine) as connection:
        known = set(connection.execute(text("SELECT rolname FROM pg_roles")).scalars())
        if IAM not in known:
            raise SettingsInvalid(
                f"The server has no role {IAM}, so nobody logs in there by IAM: turn on the IAM "
                "authentication of the database, or leave --users out."
            )
        for user, grants in USERS.items():
            if user not in known:
                connection.execute(text(f'CREATE ROLE "{user}" LOGIN'))
            connection.execute(text(f'GRANT {IAM} TO "{user}"'))
            connection.execute(text(f'GRANT USAGE ON SCHEMA public TO "{user}"'))
            connection.execute(text(f'REVOKE ALL ON ALL TABLES IN SCHEMA public FROM "{user}"'))
            for statement in grants.statements(user):
                connection.execute(text(statement))
            if grants.insert:
                connection.execute(
                    text(f'GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO "{user}"')
                )
