"""The embedded store: copied while it is in use, and put in the place of another."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from parjanya_dagster.backup.contents import sync
from parjanya_dagster.errors import BackupInvalid, HomeBusy, TruthCorrupt

PAGES = 2000  # copied between two reports
FILE = "truth.db"
_BESIDE = ("-wal", "-shm")


def dump(source: Path, target: Path, progress: Callable[[int, int], None]) -> None:
    """Copy the store as it is at this moment. Others go on reading and writing meanwhile.

    Raises TruthCorrupt where the store, so its copy, is damaged.
    """
    try:
        with (
            closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as ours,
            closing(sqlite3.connect(target)) as copy,
        ):
            ours.isolation_level = None
            ours.execute("BEGIN")  # one snapshot, so that writers do not make it begin again
            ours.execute("SELECT 1 FROM sqlite_master").fetchone()
            ours.backup(
                copy, pages=PAGES, progress=lambda _, left, total: progress(total - left, total)
            )
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, that needs no other
        _check(target)
    except sqlite3.DatabaseError as error:
        raise TruthCorrupt(
            f"{source} cannot be copied ({error}). If it is damaged, bring back an earlier backup."
        ) from error
    sync(target)


def _check(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if said != "ok":
        raise sqlite3.DatabaseError(said)


def load(source: Path, place: Path, aside: Path) -> None:
    """Put a copy in its place. What is there keeps its bytes under the name `aside`.

    Killed at any point, the place holds the old store or the new one, whole. Raises HomeBusy where
    somebody has the old one open.
    """
    new = place.with_name(f"{place.name}.part")
    shutil.copyfile(source, new)
    try:
        _check(new)
    except sqlite3.DatabaseError as error:
        raise BackupInvalid(f"{source} is damaged: {error}.") from error
    sync(new)
    if place.exists():
        _fold(place)
        for suffix in _BESIDE:  # of a damaged store only; the new one must not find them
            with suppress(FileNotFoundError):
                os.replace(f"{place}{suffix}", f"{aside}{suffix}")
        os.link(place, aside)
    os.replace(new, place)
    sync(place.parent)


def _fold(place: Path) -> None:
    """Bring the write-ahead log into the file, where that is possible."""
    with closing(sqlite3.connect(place, timeout=5.0)) as connection:
        try:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
            (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError as error:
            raise HomeBusy(f"{place} is in use ({error}). Stop what has it open.") from None
        except sqlite3.DatabaseError:
            return  # damaged: its files are kept as they are
    if busy:
        raise HomeBusy(f"{place} is in use. Stop what has it open.")
