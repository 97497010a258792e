"""The files that Dagster keeps of a run, and that stay when the run is deleted.

With its storage in SQLite, Dagster has a database of events for each run: deleting the run empties
it. The output of the run and what its steps left stay as well. And a database that is not of one
run gives nothing back to the disk: what was deleted leaves free pages in it.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from uuid import UUID

from dagster import DagsterInstance, RunsFilter
from dagster._core.instance import RUNLESS_RUN_ID

DAY = 86_400.0
ASKED = 200  # runs in one question
WORTH_IT = 0.5  # of a database: free pages from which it is written anew
LEAST = 1 << 20  # bytes: smaller databases are left as they are
PATIENCE = 5.0  # seconds that a database may be in use by others; then it is left for another night


@dataclass(frozen=True)
class RunFiles:
    """The files of one instance of Dagster. Where its storage is on a server, there are few."""

    instance: DagsterInstance

    def delete(self, run_id: str) -> int:
        """Delete the files of a run that was deleted. Returns their bytes."""
        freed = 0
        for path in self._of(run_id):
            freed += _size(path)
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        return freed

    def delete_orphans(self, now: float, over: Callable[[], bool]) -> int:
        """Delete the files of runs that Dagster knows no more, a day old or more.

        Those are what a version before left, or a pass that was killed. Returns their bytes.
        """
        freed = 0
        found = iter(sorted(self._old(now)))
        while not over() and (ids := list(islice(found, ASKED))):
            known = {run.run_id for run in self.instance.get_runs(RunsFilter(run_ids=ids))}
            freed += sum(self.delete(run_id) for run_id in ids if run_id not in known)
        return freed

    def delete_runless(self, before: float) -> int:
        """Delete old events that belong to no run. Returns how many they were."""
        deleted = 0
        for database in self._databases():
            if database.name in (f"{RUNLESS_RUN_ID}.db", "index.db"):
                deleted += _delete_runless(database, before)
        return deleted

    def shrink(self, over: Callable[[], bool]) -> int:
        """Give free pages back to the disk. Returns how many bytes.

        A database that is in use just now is left as it is, and nobody waits for it.
        """
        return sum(_shrink(database) for database in self._databases() if not over())

    def _old(self, now: float) -> set[str]:
        return {
            run_id
            for folder in (self._events, self._artifacts, self._output)
            if folder is not None and folder.is_dir()
            for path in folder.iterdir()
            if (run_id := path.name.partition(".")[0]) and _is_run(run_id)
            if _changed(path) < now - DAY
        }

    def _of(self, run_id: str) -> Iterator[Path]:
        if self._events is not None:
            for suffix in (".db-wal", ".db-shm", ".db-journal", ".db"):
                yield self._events / f"{run_id}{suffix}"
        yield self._artifacts / run_id
        if self._output is not None:
            yield self._output / run_id

    def _databases(self) -> Iterator[Path]:
        """The databases that are not of one run."""
        if self._events is not None:
            history = self._events.parent
            schedules = history.parent / "schedules" / "schedules.db"
            for path in (history / "runs.db", self._events / "index.db", schedules,
                         self._events / f"{RUNLESS_RUN_ID}.db"):  # fmt: skip
                if path.exists():
                    yield path

    @property
    def _events(self) -> Path | None:
        """The folder with a database for each run. None: events are kept otherwise."""
        # It brings alembic, which every process of Dagster would load with the schedule.
        from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

        storage = self.instance.event_log_storage
        if not isinstance(storage, SqliteEventLogStorage):
            return None
        return Path(storage.path_for_shard("index")).parent

    @property
    def _artifacts(self) -> Path:
        return Path(self.instance.storage_directory())

    @property
    def _output(self) -> Path | None:
        from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager

        manager = self.instance.compute_log_manager
        if not isinstance(manager, LocalComputeLogManager):
            return None
        return Path(manager._base_dir)


def _is_run(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")  # somebody else deletes it


def _size(path: Path) -> int:
    size = 0
    for file in path.rglob("*") if path.is_dir() else [path]:
        with suppress(FileNotFoundError):
            size += file.stat().st_size if file.is_file() else 0
    return size


def _delete_runless(database: Path, before: float) -> int:
    with closing(sqlite3.connect(database, timeout=PATIENCE)) as connection:
        try:
            with connection:
                return connection.execute(
                    "DELETE FROM event_logs "
                    "WHERE run_id = ? AND timestamp < datetime(?, 'unixepoch')",
                    (RUNLESS_RUN_ID, before),
                ).rowcount
        except sqlite3.OperationalError:  # in use, or it has no such table
            return 0


def _shrink(database: Path) -> int:
    before = _size(database)
    if before < LEAST:
        return 0
    with closing(sqlite3.connect(database, timeout=PATIENCE)) as connection:
        try:
            (free,) = connection.execute("PRAGMA freelist_count").fetchone()
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            if free < WORTH_IT * pages:
                return 0
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError:  # in use
            return 0
    return max(0, before - _size(database))
