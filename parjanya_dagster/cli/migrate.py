"""`parjanya migrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from parjanya_dagster.cli.options import Home, platform_of
from parjanya_dagster.cli.output import Line
from parjanya_dagster.errors import SettingsInvalid

if TYPE_CHECKING:
    from parjanya_dagster.truth.store import Store


def migrate(
    home: Home = None,
    users: Annotated[
        bool,
        typer.Option("--users", help="Then make the users that log in to PostgreSQL by IAM."),
    ] = False,
) -> None:
    """Bring the truth store to the schema of this version."""
    line = Line()
    line("bringing the truth store to the schema of this version …")
    store = platform_of(home, migrating=True).store
    line.clear()
    typer.echo("The truth store has the schema of this version.")
    if users:
        _make_users(store)
    store.close()


def _make_users(store: Store) -> None:
    from parjanya_dagster.truth.sql import SqlStore
    from parjanya_dagster.truth.sql.users import USERS, make_users

    if not isinstance(store, SqlStore) or store.engine.dialect.name != "postgresql":
        raise SettingsInvalid("--users is for PostgreSQL: PARJANYA_TRUTH__URL names another store.")
    make_users(store.engine)
    typer.echo(f"These users log in by IAM: {', '.join(USERS)}.")
