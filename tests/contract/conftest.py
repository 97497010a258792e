"""The backends of Truth. A new one joins the whole suite by one more entry here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from parjanya_dagster.truth import open_store
from parjanya_dagster.truth.revisions import VERSION_TABLE
from parjanya_dagster.truth.store import Store
from tests.support.aws_manners.answers import unhurried
from tests.support.aws_manners.chance import Chance
from tests.support.aws_manners.dynamo import DynamoManners
from tests.support.backends import DYNAMODB, MANNERS, POSTGRESQL, Backend, empty_table
from tests.support.clock import Clock
from tests.support.servers import PostgresServer

HANG_UP = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
"""What a test left open may hold locks."""
IN_ANY_ORDER = "SET session_replication_role = replica"  # foreign keys are not looked at


@pytest.fixture(scope="session")
def migrated_template(postgres: PostgresServer) -> str:
    """The same on the server: the name of a template database."""
    name = postgres.create_database()
    open_store(postgres.url(name), migrating=True).close()
    return name


@pytest.fixture
def postgres_truth(postgres: PostgresServer, migrated_template: str) -> Iterator[str]:
    """The URL of an empty Truth on the server."""
    name = postgres.create_database(migrated_template)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture(scope="module")
def shared_database(postgres: PostgresServer, migrated_template: str) -> Iterator[tuple[str, str]]:
    """A database for the tests of a module, and what empties it: making one takes a hundred times
    as long. Tests that change the schema have `sql_backend`."""
    name = postgres.create_database(migrated_template)
    counted = postgres.rows_by_table(name)
    assert {table for table, rows in counted.items() if rows} == {VERSION_TABLE}
    tables = counted.keys() - {VERSION_TABLE}
    yield name, "; ".join([HANG_UP, IN_ANY_ORDER, *(f"DELETE FROM {one}" for one in tables)])
    postgres.drop_database(name)


@pytest.fixture(params=["sqlite", POSTGRESQL])
def sql_backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """For what only SQL has: migrations and query plans."""
    with open_backend(request, tmp_path) as backend:
        yield backend


@pytest.fixture(scope="module", params=["sqlite", POSTGRESQL])
def shared_sql_backend(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Backend]:
    """The same, for the tests of a module that fill it once."""
    with open_backend(request, tmp_path_factory.mktemp("shared"), shared=True) as backend:
        yield backend


@pytest.fixture(params=["sqlite", POSTGRESQL, DYNAMODB, MANNERS])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    with open_backend(request, tmp_path, shared=True) as backend:
        yield backend


@contextmanager
def open_backend(
    request: pytest.FixtureRequest, tmp_path: Path, shared: bool = False
) -> Iterator[Backend]:
    """`shared`: a server's database is that of the module, emptied after each test."""
    if request.param == "sqlite":
        path = tmp_path / "truth.db"
        shutil.copy(request.getfixturevalue("empty_truth"), path)
        backend = Backend(f"sqlite:///{path}")
        yield backend
        backend.close()
        return
    if request.param in ("dynamodb", "manners"):
        url = request.getfixturevalue("shared_table")  # before `aws`, whose variables go first
        request.getfixturevalue("aws")
        backend = Backend(url)
        if request.param == "manners":
            seed = request.node.name
            manners = DynamoManners(Clock(), Chance(seed), page_items=3)
            backend.follow = lambda store: _follow(manners, store)
            with unhurried():
                yield backend
            assert manners.broken == []
        else:
            yield backend
        backend.close()
        empty_table(backend.url)
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    if shared:
        name, empty = request.getfixturevalue("shared_database")
        backend = Backend(server.url(name))
        yield backend
        backend.close()
        server.execute(empty, name)
        return
    backend = Backend(request.getfixturevalue("postgres_truth"))
    yield backend
    backend.close()


def _follow(manners: DynamoManners, store: Any) -> None:
    store.wire._pause = lambda _: None
    manners.follow(store.wire.client, store.wire.table)


@pytest.fixture
def store(backend: Backend) -> Store:
    return backend.open()
