"""The backends of Truth. A new one joins the whole suite by one more entry here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from parjanya_dagster.truth import open_store
from parjanya_dagster.truth.dynamo import open_wire
from parjanya_dagster.truth.store import Store
from tests.servers import MotoServer, PostgresServer


@dataclass
class Backend:
    """An empty database of one kind, and how to open stores over it."""

    url: str
    opened: list[Store] = field(default_factory=list)

    def open(self, **options: Any) -> Store:
        self.opened.append(open_store(self.url, **options))
        return self.opened[-1]

    def close(self) -> None:
        while self.opened:
            self.opened.pop().close()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database with the newest schema, to copy from."""
    path = tmp_path_factory.mktemp("template") / "truth.db"
    open_store(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def migrated_template(postgres: PostgresServer) -> str:
    """The same on the server: the name of a template database."""
    name = postgres.create_database()
    open_store(postgres.url(name), migrating=True).close()
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def sql_backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """For what only SQL has: migrations and query plans."""
    with open_backend(request, tmp_path) as backend:
        yield backend


@pytest.fixture(params=["sqlite", "postgresql", "dynamodb"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    with open_backend(request, tmp_path) as backend:
        yield backend


@contextmanager
def open_backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    if request.param == "sqlite":
        path = tmp_path / "truth.db"
        shutil.copy(request.getfixturevalue("migrated_file"), path)
        backend = Backend(f"sqlite:///{path}")
        yield backend
        backend.close()
        return
    if request.param == "dynamodb":
        with dynamo_table(request.getfixturevalue("aws")) as url:
            backend = Backend(url)
            yield backend
            backend.close()
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create_database(request.getfixturevalue("migrated_template"))
    backend = Backend(server.url(name))
    yield backend
    backend.close()
    server.drop_database(name)


@contextmanager
def dynamo_table(moto: MotoServer) -> Iterator[str]:
    """The URL of an empty table on moto's emulator of DynamoDB. It is not DynamoDB."""
    url = f"dynamodb://{moto.name('truth')}"
    open_store(url, migrating=True).close()
    try:
        yield url
    finally:
        wire = open_wire(url)
        wire.call("delete_table")
        wire.close()


@pytest.fixture
def store(backend: Backend) -> Store:
    return backend.open()
