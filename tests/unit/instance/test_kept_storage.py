"""Dagster's storage with kept connections, and beside it Dagster's own over the same files."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import DagsterInstance, EventLogEntry
from dagster._core.instance import DagsterInstance as Instance

from parjanya_dagster.belief.run_files import RunFiles
from parjanya_dagster.instance import kept_storage
from parjanya_dagster.instance.home import dagster_config
from parjanya_dagster.instance.kept_storage import (
    Connections,
    KeptEventLogStorage,
    KeptRunStorage,
    KeptScheduleStorage,
)
from parjanya_dagster.settings import Settings
from tests.support.clock import NOON
from tests.support.dagster_runs import make_run
from tests.support.waiting import wait_until


@pytest.fixture
def opened(empty_dagster: Path, tmp_path: Path) -> Callable[[str], Instance]:
    """Opens the instance of a home: with the storage that a home has, or with Dagster's own."""
    ours = dagster_config(Settings(home=tmp_path))["storage"]
    base = ours["custom"]["config"]
    storages = {"ours": ours, "theirs": {"sqlite": base}}

    def open_(which: str) -> Instance:
        folder = tmp_path / which
        folder.mkdir(exist_ok=True)
        config = {"storage": storages[which], "telemetry": {"enabled": False}}
        (folder / "dagster.yaml").write_text(yaml.safe_dump(config))
        return DagsterInstance.from_config(str(folder))

    return open_


@pytest.fixture
def ours(opened: Callable[[str], Instance]) -> Iterator[Instance]:
    with opened("ours") as instance:
        yield instance


@pytest.fixture
def theirs(opened: Callable[[str], Instance], ours: Instance) -> Iterator[Instance]:
    with opened("theirs") as instance:
        yield instance


def told(instance: Instance, run_id: str) -> list[str]:
    return [_message(one.event_log_entry) for one in instance.get_records_for_run(run_id).records]


def _message(entry: EventLogEntry) -> str:
    return (entry.dagster_event and entry.dagster_event.message) or ""


def tell(instance: Instance, run_id: str, message: str) -> None:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    instance.report_engine_event(message, run)


def events_of(instance: Instance, run_id: str) -> Path:
    return Path(instance.event_log_storage.path_for_shard(run_id))  # type: ignore[attr-defined]


def test_a_home_has_it(ours: Instance) -> None:
    kinds = [type(one) for one in (ours.run_storage, ours.event_log_storage, ours.schedule_storage)]
    assert kinds == [KeptRunStorage, KeptEventLogStorage, KeptScheduleStorage]


def test_what_is_written_is_there_for_dagsters_own_storage_before_anything_is_closed(
    ours: Instance, theirs: Instance
) -> None:
    """So it is there if the process dies: nothing of it waits in the process."""
    run_id = make_run(ours, NOON)
    tell(ours, run_id, "from ours")
    ours.add_dynamic_partitions("image_batches", ["a"])
    assert [run.run_id for run in theirs.get_runs()] == [run_id]
    assert told(theirs, run_id)[-1] == "from ours"
    assert theirs.get_dynamic_partitions("image_batches") == ["a"]
    assert len(theirs.all_instigator_state()) == len(ours.all_instigator_state())


def test_it_goes_on_with_what_dagsters_own_storage_wrote(ours: Instance, theirs: Instance) -> None:
    run_id = make_run(theirs, NOON)
    tell(theirs, run_id, "from theirs")
    tell(ours, run_id, "from ours")
    assert told(ours, run_id)[-2:] == ["from theirs", "from ours"]
    assert told(theirs, run_id) == told(ours, run_id)


def test_a_commit_waits_for_no_disk_and_damages_nothing_without_power(ours: Instance) -> None:
    """In SQLite's words: NORMAL, in a write-ahead log."""
    run_id = make_run(ours, NOON)
    tell(ours, run_id, "it has a database")
    storage: Any = ours.event_log_storage
    for shard in (run_id, "index"):
        with storage._connect(shard) as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_a_connection_is_kept(ours: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = make_run(ours, NOON)
    tell(ours, run_id, "the first")
    opened: list[Any] = []
    connect = sqlite3.dbapi2.connect
    monkeypatch.setattr(
        sqlite3.dbapi2, "connect", lambda *a, **k: opened.append(a) or connect(*a, **k)
    )
    for number in range(5):
        tell(ours, run_id, str(number))
        ours.get_runs()
    assert not opened
    assert told(ours, run_id)[-5:] == ["0", "1", "2", "3", "4"]


def test_a_database_that_was_deleted_is_opened_anew(ours: Instance, theirs: Instance) -> None:
    """Else what is written would go to where nobody finds it."""
    run_id = make_run(ours, NOON)
    tell(ours, run_id, "gone")
    RunFiles(ours).delete(run_id)
    tell(ours, run_id, "after that")
    assert told(theirs, run_id) == told(ours, run_id) == ["after that"]


@pytest.mark.parametrize("left", ["an empty file", "tables without their version"])
def test_a_database_that_was_left_half_made_is_finished(ours: Instance, left: str) -> None:
    run_id = make_run(ours, NOON)
    path = events_of(ours, run_id)
    RunFiles(ours).delete(run_id)
    path.touch()
    if left != "an empty file":
        path.write_bytes(ours.event_log_storage._template())  # type: ignore[attr-defined]
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DELETE FROM alembic_version")
    tell(ours, run_id, "whole")
    assert told(ours, run_id) == ["whole"]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


def test_the_empty_database_is_made_once_and_is_no_run(
    ours: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage: Any = ours.event_log_storage
    storage.prepare()
    template = Path(storage._base_dir) / kept_storage.TEMPLATE
    assert template.exists()
    monkeypatch.setattr(storage, "_initdb", None)  # nothing is made any more
    run_id = make_run(ours, NOON)
    tell(ours, run_id, "x")
    assert storage.get_all_run_ids() == [run_id]
    assert not list(Path(storage._base_dir).glob(".*.part"))


def test_few_databases_stay_open_and_an_old_one_is_opened_again(ours: Instance) -> None:
    ids = [make_run(ours, NOON + number) for number in range(8)]
    for run_id in ids:
        tell(ours, run_id, "first")
    logs = [one for one in ids if Path(f"{events_of(ours, one)}-wal").exists()]
    assert 1 <= len(logs) <= kept_storage.MOST_OPEN
    tell(ours, ids[0], "second")
    assert told(ours, ids[0])[-2:] == ["first", "second"]


def test_where_it_is_closed_no_log_stays_beside_a_database(
    opened: Callable[[str], Instance],
) -> None:
    with opened("ours") as ours:
        run_id = make_run(ours, NOON)
        tell(ours, run_id, "x")
        path = events_of(ours, run_id)
        assert Path(f"{path}-wal").exists()
    assert not list(path.parent.parent.rglob("*-wal"))


def test_a_fork_opens_its_own_and_leaves_its_parents_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "a.db")
    (tmp_path / "a.db").touch()
    connections = Connections()
    before = connections.engine(path)
    with before.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x)")
    assert connections.engine(path) is before
    monkeypatch.setattr(os, "getpid", lambda: 1)
    after = connections.engine(path)
    assert after is not before
    assert before.pool.checkedin() == 1  # type: ignore[attr-defined]  # it was not closed
    connections.close()
    assert before.pool.checkedin() == 1  # type: ignore[attr-defined]


def test_whoever_watches_a_run_is_told_while_its_database_stays_open(
    ours: Instance, opened: Callable[[str], Instance]
) -> None:
    """As the page of a run does: what is written comes into the log beside the database."""
    run_id = make_run(ours, NOON)
    tell(ours, run_id, "before")
    seen: list[str] = []
    with opened("ours") as page:
        cursor = page.get_records_for_run(run_id).cursor
        page.watch_event_logs(run_id, cursor, lambda entry, _: seen.append(_message(entry)))
        tell(ours, run_id, "now")
        wait_until(lambda: "now" in seen, "the event is told", moves=lambda: len(seen))
        assert "before" not in seen
