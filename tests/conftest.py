"""Fixtures that every suite may use: a real PostgreSQL server, and an emulator of AWS."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests import radosgw as rgw
from tests.servers import INSTALL, MotoServer, PostgresServer, ServerMissing

settings.register_profile(
    "parjanya",
    deadline=None,  # the speed of the machine is not what these tests are about
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    print_blob=True,
)
settings.load_profile("parjanya")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running server. Skips where none is installed, fails there under CI."""
    try:
        server = PostgresServer()
    except ServerMissing:
        if os.environ.get("CI"):
            pytest.fail(f"CI must test on PostgreSQL: {INSTALL}")
        pytest.skip(f"no PostgreSQL server is installed: {INSTALL}")
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty database, dropped after the test."""
    name = postgres.create_database()
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    """A running emulator of AWS, one for the session: name what you create with `moto.name`."""
    server = MotoServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def aws(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> MotoServer:
    """The same, and the environment of this test points to it."""
    for name, value in moto.environment.items():
        monkeypatch.setenv(name, value)
    return moto


@pytest.fixture(scope="session")
def radosgw() -> Iterator[rgw.Radosgw]:
    """A running S3 server. Skips where none is installed, fails there under CI."""
    try:
        server = rgw.Radosgw()
    except rgw.RadosgwMissing:
        if os.environ.get("CI"):
            pytest.fail(f"CI must test on radosgw: {rgw.INSTALL}")
        pytest.skip(f"no radosgw is installed: {rgw.INSTALL}")
    try:
        server.start()
        yield server
    finally:
        server.stop()
