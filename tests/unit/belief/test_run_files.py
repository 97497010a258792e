"""Retention frees the disk: the files of deleted runs go, those of others stay. Real files."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus, job, op

from parjanya_dagster.belief import run_files
from parjanya_dagster.belief.retention import DAY, Retained, Retention
from parjanya_dagster.belief.run_files import RunFiles
from parjanya_dagster.platform import Platform
from tests.support.clock import NOON
from tests.support.dagster_runs import make_run


@pytest.fixture
def instance(empty_dagster: Path, tmp_path: Path) -> Iterator[DagsterInstance]:
    folder = shutil.copytree(empty_dagster, tmp_path / "dagster")
    with DagsterInstance.local_temp(str(folder)) as instance:
        yield instance


def let_go(platform: Platform, instance: DagsterInstance, seconds: float = 300.0) -> Retained:
    return Retention(
        platform.store, instance, platform.lanes, platform.clock, 35.0, 30.0, seconds
    ).run()


def leave_files(instance: DagsterInstance, run_id: str) -> list[Path]:
    """What a run leaves: events in a database of its own, output, and what its steps stored."""
    run = instance.get_run_by_id(run_id)
    assert run is not None
    instance.report_engine_event("it was here", run)
    folder = Path(instance.storage_directory()) / run_id
    (folder / "compute_logs").mkdir(parents=True)
    (folder / "compute_logs" / "step.err").write_bytes(b"x" * 50_000)
    (folder / "result").write_bytes(b"x")
    database = Path(instance.event_log_storage.path_for_shard(run_id))  # type: ignore[attr-defined]
    assert database.stat().st_size > 0
    return [database, folder]


def test_the_files_of_deleted_runs_are_gone_and_those_of_others_stay(
    platform: Platform, instance: DagsterInstance
) -> None:
    gone = leave_files(instance, make_run(instance, NOON - 36 * DAY))
    stays = [
        *leave_files(instance, make_run(instance, NOON - 34 * DAY)),
        *leave_files(instance, make_run(instance, NOON - 90 * DAY, DagsterRunStatus.STARTED)),
    ]
    before = sum(file.stat().st_size for file in Path(instance.root_directory).rglob("*.db"))
    done = let_go(platform, instance)
    assert done.runs == 1
    assert [path for path in gone if path.exists()] == []
    assert all(path.exists() for path in stays)
    after = sum(file.stat().st_size for file in Path(instance.root_directory).rglob("*.db"))
    assert done.freed > 50_000
    assert after < before


def test_files_of_runs_that_were_deleted_before_go_once_they_are_a_day_old(
    platform: Platform, instance: DagsterInstance
) -> None:
    deleted = make_run(instance, NOON)
    files = leave_files(instance, deleted)
    foreign = Path(instance.storage_directory()) / "not-a-run"
    foreign.mkdir()
    instance.delete_run(deleted)
    for path, age in ((files[0], DAY - 60), (files[1], DAY - 60), (foreign, 90 * DAY)):
        os.utime(path, (NOON - age, NOON - age))
    assert let_go(platform, instance).freed == 0
    for path in files:
        os.utime(path, (NOON - DAY - 60, NOON - DAY - 60))
    assert let_go(platform, instance).freed > 50_000
    assert [path for path in files if path.exists()] == []
    assert foreign.exists()


def test_a_real_run_leaves_nothing_once_it_is_deleted(instance: DagsterInstance) -> None:
    @op
    def say() -> str:
        print("hello")
        return "hello"

    @job
    def saying() -> None:
        say()

    run_id = saying.execute_in_process(instance=instance).run_id
    root = Path(instance.root_directory)
    assert [path for path in root.rglob("*") if run_id in str(path)]
    instance.delete_run(run_id)
    RunFiles(instance).delete(run_id)
    assert [path for path in root.rglob("*") if run_id in str(path)] == []


def test_databases_give_free_pages_back_and_one_that_is_in_use_is_left(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_files, "PATIENCE", 0.1)
    database = Path(instance.event_log_storage.path_for_shard("index"))  # type: ignore[attr-defined]
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE filling (bytes BLOB)")
        connection.execute("INSERT INTO filling VALUES (zeroblob(4000000))")
        connection.commit()
        connection.execute("DROP TABLE filling")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = database.stat().st_size
        assert before > 4_000_000
        connection.execute("BEGIN IMMEDIATE")
        assert RunFiles(instance).shrink(lambda: False) == 0
        connection.execute("ROLLBACK")
    assert RunFiles(instance).shrink(lambda: True) == 0
    assert RunFiles(instance).shrink(lambda: False) > 3_900_000
    assert database.stat().st_size < before - 3_900_000
    instance.get_runs()


def test_old_events_of_no_run_go_and_new_ones_stay(instance: DagsterInstance) -> None:
    from dagster import AssetMaterialization, AssetRecordsFilter

    def recorded() -> int:
        return len(instance.fetch_materializations(_only, limit=10).records)

    _only = AssetRecordsFilter(asset_key=AssetMaterialization("a").asset_key)
    instance.report_runless_asset_event(AssetMaterialization("a"))
    assert RunFiles(instance).delete_runless(NOON) == 0  # it is newer
    assert recorded() == 1
    assert RunFiles(instance).delete_runless(4e9) > 0
    assert recorded() == 0
