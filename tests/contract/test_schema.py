"""The schema of the SQL backends: what migrations make is what the code expects, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from parjanya_dagster.errors import SchemaOutdated
from parjanya_dagster.truth.revisions import VERSION_TABLE, known_revisions, newest_revision
from parjanya_dagster.truth.sql import open_store
from parjanya_dagster.truth.sql.engine import open_engine, reading, writing
from parjanya_dagster.truth.sql.migrate import _config, migrate
from parjanya_dagster.truth.sql.revisions import current_revision
from parjanya_dagster.truth.sql.schema import metadata
from tests.support.backends import POSTGRESQL, Backend
from tests.support.processes import at_once
from tests.support.world import arrive, due_rows


def go_to(url: str, revision: str) -> None:
    """Move a database to some revision, as an older Parjanya would have left it."""
    engine = open_engine(url)
    with writing(engine) as connection:
        current = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        down = (current.get_current_revision() or "") > revision
        (command.downgrade if down else command.upgrade)(_config(connection), revision)
    engine.dispose()


def test_the_names_of_the_migrations_are_their_revisions_in_order() -> None:
    scripts = ScriptDirectory.from_config(_config())
    assert [script.revision for script in scripts.walk_revisions()][::-1] == [*known_revisions()]
    assert scripts.get_current_head() == newest_revision()


def stamp(url: str, revision: str) -> None:
    engine = open_engine(url)
    with writing(engine) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'"))
    engine.dispose()


def opened(url: str) -> bool:
    """In a process that opens an empty database together with others."""
    open_store(url, migrating=True).close()
    return True


@pytest.fixture(params=["sqlite", POSTGRESQL])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without any schema."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'truth.db'}"
    return str(request.getfixturevalue("postgres_url"))


def test_the_migrations_make_the_schema_of_the_code(sql_backend: Backend) -> None:
    engine = open_engine(sql_backend.url)
    with reading(engine) as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_every_migration_can_be_undone_and_done_again(sql_backend: Backend) -> None:
    go_to(sql_backend.url, "base")
    go_to(sql_backend.url, "head")
    arrive(sql_backend.open(), 1)


def test_an_older_embedded_database_is_migrated_only_where_that_is_asked_for(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'truth.db'}"
    go_to(url, "0001")
    with pytest.raises(SchemaOutdated, match="parjanya migrate"):
        open_store(url)
    store = open_store(url, migrating=True)
    arrive(store, 2)
    store.close()
    engine = open_engine(url)
    assert current_revision(engine) == newest_revision()
    engine.dispose()


def test_an_older_database_keeps_its_rows_when_it_is_migrated(sql_backend: Backend) -> None:
    store = sql_backend.open()
    arrive(store, 3)
    sql_backend.close()
    go_to(sql_backend.url, "0001")
    store = sql_backend.open(migrating=True)
    assert due_rows(store, 4e9) == 3
    assert store.counts()[0].registered == 3


@pytest.mark.parametrize("revision", [None, "0001"])
def test_an_older_schema_on_a_server_is_refused_with_the_command(
    postgres_url: str, revision: str | None
) -> None:
    """A worker that starts must not change the schema under its neighbours."""
    if revision is not None:
        go_to(postgres_url, revision)
    with pytest.raises(SchemaOutdated, match="parjanya migrate") as caught:
        open_store(postgres_url)
    assert f"has schema {revision or 'none'}" in str(caught.value)
    open_store(postgres_url, migrating=True).close()
    open_store(postgres_url).close()


@pytest.mark.parametrize("migrating", [False, True])
def test_a_schema_of_a_newer_parjanya_is_refused(sql_backend: Backend, migrating: bool) -> None:
    stamp(sql_backend.url, "9999")
    with pytest.raises(SchemaOutdated, match="newer Parjanya"):
        sql_backend.open(migrating=migrating)


@pytest.mark.parametrize("migrating", [False, True])
def test_a_schema_that_a_newer_parjanya_only_added_to_is_used_and_left_as_it_is(
    sql_backend: Backend, migrating: bool
) -> None:
    newest = newest_revision().partition(".")[0]
    later = f"{int(newest) + 1:04d}.{newest}"
    stamp(sql_backend.url, later)
    arrive(sql_backend.open(migrating=migrating), 2)
    engine = open_engine(sql_backend.url)
    assert current_revision(engine) == later
    engine.dispose()


def test_a_schema_that_only_code_after_this_one_can_use_is_refused(sql_backend: Backend) -> None:
    number = int(newest_revision().partition(".")[0])
    stamp(sql_backend.url, f"{number + 2:04d}.{number + 1:04d}")
    for migrating in (False, True):
        with pytest.raises(SchemaOutdated, match="newer Parjanya"):
            sql_backend.open(migrating=migrating)


def test_many_processes_may_open_an_empty_database_at_once(empty: str) -> None:
    assert all(at_once(opened, [(empty,)] * 4))


def test_migrating_twice_changes_nothing(sql_backend: Backend) -> None:
    engine = open_engine(sql_backend.url)
    migrate(engine)
    migrate(engine)
    engine.dispose()
    arrive(sql_backend.open(), 1)
