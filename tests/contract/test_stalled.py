"""A Truth that stands still: what is told of it, and that nobody waits for ever. Real servers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError
from typer.testing import CliRunner, Result

from parjanya_dagster.cli.main import app
from parjanya_dagster.errors import TruthUnavailable
from parjanya_dagster.metrics.exporter import Exporter
from parjanya_dagster.metrics.measure import measure_home
from parjanya_dagster.platform import Platform, open_platform
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth import open_probe, open_store
from parjanya_dagster.truth.bounded import OneAtATime
from parjanya_dagster.truth.probe import Probe
from parjanya_dagster.truth.sql import SqlStore, postgres
from parjanya_dagster.truth.sql.engine import reading, writing
from parjanya_dagster.truth.sql.silence import hung_up_after
from parjanya_dagster.web.uploads import create_app
from tests.support.backends import Backend
from tests.support.fixtures import running_postgres
from tests.support.servers import PostgresServer
from tests.support.world import arrive

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def paused_server() -> Iterator[PostgresServer]:
    """A server of its own, since it stands still at times."""
    yield from running_postgres()


@pytest.fixture
def platform(
    paused_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Platform]:
    """A home whose Truth is on that server, for this process and for the command line."""
    url = paused_server.url(paused_server.create_database())
    monkeypatch.setenv("PARJANYA_TRUTH__URL", url)
    monkeypatch.setenv("PARJANYA_HOME", str(tmp_path / "home"))
    platform = open_platform(Settings(home=tmp_path / "home", truth={"url": url}), migrating=True)
    arrive(platform.store, 1)
    yield platform
    paused_server.resume()
    platform.store.close()


def parjanya(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_a_server_whose_processes_stand_still_is_told_by_everything_that_is_asked(
    paused_server: PostgresServer, platform: Platform
) -> None:
    site = TestClient(create_app(platform))
    exporter = Exporter(lambda: measure_home(platform), platform.clock, 0.0)
    assert site.get("/healthz").status_code == 200
    assert 'parjanya_readable{layer="truth"} 1.0' in exporter.text()
    assert parjanya("doctor", "--quick").exit_code == 0
    paused_server.pause()
    quick = parjanya("doctor", "--quick")
    assert (quick.exit_code, "does not answer" in quick.stderr) == (2, True), quick.output
    full = parjanya("doctor", "--json")
    assert full.exit_code == 2
    assert "does not answer" in json.loads(full.stdout)["could_not_read"]["Truth"]
    assert site.get("/healthz").status_code == 503
    assert 'parjanya_readable{layer="truth"} 0.0' in exporter.text()
    paused_server.resume()
    assert site.get("/healthz").status_code == 200
    assert 'parjanya_readable{layer="truth"} 1.0' in exporter.text()


@pytest.mark.parametrize("table", ["images", "evidence"])
def test_a_lock_on_a_table_is_told_with_who_holds_it(
    paused_server: PostgresServer, platform: Platform, table: str
) -> None:
    url = platform.settings.truth_url
    with closing(psycopg2.connect(url, application_name="somebody")) as other:
        other.cursor().execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
        with pytest.raises(
            TruthUnavailable, match=rf"\(somebody\), for \d+ s, on the table {table}"
        ):
            platform.probe()
        quick = parjanya("doctor", "--quick", "--json")
        assert quick.exit_code == 2
        assert "takes no writes" in json.loads(quick.stdout)["truth"]
    platform.probe()


def test_a_pooled_connection_that_is_silent_is_hung_up_on(
    paused_server: PostgresServer, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PING", 0.2)
    paused_server.pause()
    with pytest.raises(TruthUnavailable):
        platform.store.tenants()


def test_a_transaction_that_is_silent_is_hung_up_on(
    paused_server: PostgresServer, platform: Platform
) -> None:
    assert isinstance(platform.store, SqlStore)
    with platform.store.engine.connect() as connection:
        ours = connection.connection.dbapi_connection
        paused_server.pause()
        with hung_up_after(ours, 0.2), pytest.raises(OperationalError, match="closed"):
            connection.execute(text("SELECT 1"))
        assert connection.invalidated


def test_of_two_transactions_the_silent_one_is_hung_up_on_and_the_other_goes_on(
    platform: Platform,
) -> None:
    assert isinstance(platform.store, SqlStore)
    with platform.store.engine.connect() as one, platform.store.engine.connect() as other:
        ours, others = (each.connection.dbapi_connection for each in (one, other))
        with hung_up_after(others, 60.0), hung_up_after(ours, 0.2):
            with pytest.raises(OperationalError, match="closed"):
                one.execute(text("SELECT pg_sleep(60)"))
            assert other.scalar(text("SELECT 1")) == 1


def test_what_ended_in_time_is_not_hung_up_on(platform: Platform) -> None:
    assert isinstance(platform.store, SqlStore)
    with platform.store.engine.connect() as connection:
        ours = connection.connection.dbapi_connection
        with hung_up_after(ours, 0.1):
            connection.execute(text("SELECT 1"))
        assert connection.scalar(text("SELECT pg_sleep(0.3)::text")) == ""


def test_a_statement_of_work_has_minutes_and_a_migration_has_for_ever(platform: Platform) -> None:
    def limits(patient: bool) -> list[str]:
        assert isinstance(platform.store, SqlStore)
        with writing(platform.store.engine, patient=patient) as connection:
            return [
                str(connection.scalar(text(f"SHOW {name}")))
                for name in ("statement_timeout", "lock_timeout")
            ]

    assert limits(patient=False) == ["5min", "1min"]
    assert limits(patient=True) == ["0", "0"]
    assert limits(patient=False) == ["5min", "1min"]


def test_a_server_that_takes_no_writes_within_a_transaction_is_unavailable_and_left(
    platform: Platform,
) -> None:
    def demote(connection) -> None:  # type: ignore[no-untyped-def]
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")

    assert isinstance(platform.store, SqlStore)
    engine = platform.store.engine

    def session() -> int:
        with reading(engine) as connection:
            return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)

    before = session()
    event.listen(engine, "begin", demote)
    with pytest.raises(TruthUnavailable, match="read-only"):
        arrive(platform.store, 2)
    event.remove(engine, "begin", demote)
    assert session() != before
    assert len(arrive(platform.store, 2)) == 2


def test_a_store_in_order_is_told_to_be_so(backend: Backend) -> None:
    backend.open()
    open_probe(backend.url)()


def test_an_embedded_store_that_somebody_keeps_locked_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parjanya_dagster.truth.sql.probe.BUSY", 0.1)
    url = f"sqlite:///{tmp_path / 'truth.db'}"
    store = open_store(url, migrating=True)
    assert isinstance(store, SqlStore)
    with writing(store.engine), pytest.raises(TruthUnavailable, match="locked"):
        open_probe(url)()
    open_probe(url)()
    store.close()


def test_a_probe_makes_no_embedded_store(tmp_path: Path) -> None:
    with pytest.raises(TruthUnavailable):
        open_probe(f"sqlite:///{tmp_path / 'truth.db'}")()
    assert not (tmp_path / "truth.db").exists()


def test_nobody_waits_for_a_look_that_stands_still_and_one_is_under_way_at_most() -> None:
    goes_on, looks = threading.Event(), []

    def look() -> None:
        looks.append(1)
        goes_on.wait()

    probe = Probe("Truth", look, seconds=0.05)
    for _ in range(3):
        with pytest.raises(TruthUnavailable, match="stands still"):
            probe()
    assert looks == [1]
    goes_on.set()
    patient = Probe("Truth", look, seconds=60.0)
    patient()


def test_work_that_fails_is_told_and_done_anew_for_the_next_who_asks() -> None:
    tries: list[int] = []

    def work() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("once")
        return len(tries)

    one = OneAtATime(work)
    with pytest.raises(ValueError, match="once"):
        one.result(60.0)
    assert one.result(60.0) == 2
