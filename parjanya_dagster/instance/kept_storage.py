"""Dagster's storage of a home in SQLite, with connections that are kept (decision 0090).

Dagster's own opens a connection for each event and each question, and waits for the disk at its
end. Here a storage keeps its connections, and a commit waits for no disk: what a process has
written outlives the process, and a loss of power may take the last events. The files are Dagster's
own, so either storage goes on with what the other wrote.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster
from dagster._core.event_api import EventHandlerFn
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    SqliteEventLogStorage,
    SqliteEventLogStorageWatchdog,
)
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sqlite import create_db_conn_string
from dagster._core.storage.sqlite_storage import (
    DagsterSqliteStorage,
    _event_logs_directory,
    _runs_directory,
    _schedule_directory,
)
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool, QueuePool

from parjanya_dagster.objects import durable

MOST_OPEN = 4
"""Databases that a storage keeps open. That of events has one for each run, and one for all."""
PATIENCE = 30.0  # seconds that a writer waits for others
TEMPLATE = f".template-{dagster.__version__}"
"""Beside the databases of runs: an empty one, made by this version of Dagster."""
_of_parents: list[Engine] = []
"""Engines of the process that this one was forked from. Closing them here would harm it there."""

_Place = tuple[int, int]
"""Device and inode of a file."""


@dataclass(frozen=True, slots=True)
class _Open:
    engine: Engine
    place: _Place | None


@dataclass
class Connections:
    """The connections of one storage to its databases, by file. For any thread.

    What lies at a path is looked at each time: a database that was deleted or replaced meanwhile
    is opened anew, and so is every one in a fork.
    """

    most: int = MOST_OPEN
    _open: OrderedDict[str, _Open] = field(default_factory=OrderedDict)
    _pid: int = field(default_factory=os.getpid)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def engine(self, path: str) -> Engine:
        """That of the database at this path. It may be closed once another one was asked for."""
        with self._lock:
            self._leave_to_parent()
            place = _place(path)
            known = self._open.pop(path, None)
            if known is not None and known.place != place:
                known.engine.dispose()
                known = None
            self._open[path] = known or _Open(_engine(path), place)
            while len(self._open) > self.most:
                self._open.popitem(last=False)[1].engine.dispose()
            return self._open[path].engine

    def close(self) -> None:
        """Close all of them. What is asked for later is opened anew."""
        with self._lock:
            self._leave_to_parent()
            while self._open:
                self._open.popitem()[1].engine.dispose()

    def _leave_to_parent(self) -> None:
        if self._pid != os.getpid():
            _of_parents.extend(one.engine for one in self._open.values())
            self._open.clear()
            self._pid = os.getpid()


def _engine(path: str) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": PATIENCE, "check_same_thread": False},
        poolclass=QueuePool,
        pool_size=2,
        max_overflow=-1,
    )
    event.listen(engine, "connect", _wait_for_no_disk)
    return engine


def _wait_for_no_disk(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA synchronous=NORMAL").close()


def _place(path: str) -> _Place | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _is_made(engine: Engine) -> bool:
    """Whether Dagster has made its tables there. It says so last."""
    try:
        with engine.connect() as connection:
            return connection.execute(text("SELECT 1 FROM alembic_version")).first() is not None
    except DatabaseError:
        return False


class KeptEventLogStorage(SqliteEventLogStorage):
    """Events: a database for each run, copied from an empty one, and one for all runs."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._connections = Connections()
        super().__init__(base_dir, inst_data)

    def prepare(self) -> None:
        """Make the empty database, so that the first run does not wait for it."""
        self._template()

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        path = self.path_for_shard(shard)
        with self._db_lock:
            if not os.path.exists(path):
                with suppress(FileExistsError):  # another process was first
                    durable.write_new(Path(path), self._template(), 0o644)
            engine = self._connections.engine(path)
            if shard not in self._initialized_dbs:
                if not _is_made(engine):
                    self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                yield connection

    def _template(self) -> bytes:
        path = Path(self._base_dir) / TEMPLATE
        with suppress(FileNotFoundError):
            return path.read_bytes()
        with TemporaryDirectory(prefix=".", dir=self._base_dir) as folder:
            made = Path(folder) / "made"
            self._initdb(create_engine(f"sqlite:///{made}", poolclass=NullPool))
            data = made.read_bytes()
        with suppress(FileExistsError):
            durable.write_new(path, data, 0o644)
        return data

    def watch(self, run_id: str, cursor: str | None, callback: EventHandlerFn) -> None:
        """As Dagster's own. But what is written stands in the log beside the database first."""
        super().watch(run_id, cursor, callback)
        theirs, watch = self._watchers[run_id][callback]
        ours = _Watchdog(self, run_id, callback, cursor)
        assert self._obs is not None
        self._obs.add_handler_for_watch(ours, watch)
        self._obs.remove_handler_for_watch(theirs, watch)
        self._watchers[run_id][callback] = ours, watch

    def dispose(self) -> None:
        super().dispose()
        self._connections.close()


class _Watchdog(SqliteEventLogStorageWatchdog):
    """Told of a database's write-ahead log as well."""

    @property
    def patterns(self) -> list[str]:
        return [self._log_path, f"{self._log_path}-wal"]

    def on_modified(self, event: Any) -> None:
        self._process_log()


class _InOneFile:
    """A storage that is one database."""

    NAME: str  # of the file

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._connections, self._path = Connections(), conn_string.removeprefix("sqlite:///")
        super().__init__(conn_string, inst_data)  # type: ignore[call-arg]

    @classmethod
    def from_local(cls, base_dir: str, inst_data: ConfigurableClassData | None = None) -> Any:
        """Dagster's own compares the schema with alembic's files, also where it has been made."""
        opened = cls(create_db_conn_string(base_dir, cls.NAME), inst_data)
        if os.path.exists(opened._path) and _is_made(opened._connections.engine(opened._path)):
            return opened
        opened._connections.close()
        return super().from_local(base_dir, inst_data)  # type: ignore[misc]

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with self._connections.engine(self._path).begin() as connection:
            yield connection

    def dispose(self) -> None:
        super().dispose()  # type: ignore[misc]
        self._connections.close()


class KeptRunStorage(_InOneFile, SqliteRunStorage):
    """Runs and their tags."""

    NAME = "runs"


class KeptScheduleStorage(_InOneFile, SqliteScheduleStorage):
    """Ticks of sensors and schedules, and their cursors."""

    NAME = "schedules"


class KeptStorage(DagsterSqliteStorage):
    """All three."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self.base_dir, self._inst_data = base_dir, inst_data
        self._run_storage = KeptRunStorage.from_local(_runs_directory(base_dir))
        self._event_log_storage = KeptEventLogStorage(_event_logs_directory(base_dir))
        self._schedule_storage = KeptScheduleStorage.from_local(_schedule_directory(base_dir))
        super(DagsterSqliteStorage, self).__init__()  # type: ignore[no-untyped-call]

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Any) -> KeptStorage:
        return cls.from_local(inst_data=inst_data, **config_value)
