"""Files that are written below folders, as the operating system tells (inotify, FSEvents).

What it tells is a hint: it may be late, incomplete or silent. On Linux each folder takes one of the
user's inotify watches, and a network file system tells nothing of what other machines write.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator
from stat import S_ISDIR
from typing import TYPE_CHECKING

from parjanya_dagster.lines import get_logger

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import BaseObserver, ObservedWatch

log = get_logger(__name__)
MOST_FILES = 10_000
"""So many files are remembered until `take`. Of more nothing is told: a listing finds them."""
MOST_FOLDERS = 32
"""So many folders are followed at once. Each takes one of a user's inotify instances, often 128."""

_Place = tuple[int, int]
"""Device and inode of a folder."""


class FolderChanges:
    """Follows folders, and remembers which files were written or moved in there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[str, set[str]] = {}  # followed folder -> paths
        self._observer: BaseObserver | None = None
        self._watches: dict[str, tuple[ObservedWatch, _Place]] = {}
        self._refused: set[str] = set()  # folders that cannot be followed, until the process ends

    def follow(self, folders: Iterable[str]) -> None:
        """Follow these folders with all that is below them, and no others.

        The first `MOST_FOLDERS` of them that exist. One that cannot be followed is logged once.
        Where another folder lies now, as after a mount, that one is followed.
        """
        tried = [folder for folder in folders if folder not in self._refused][:MOST_FOLDERS]
        wanted = {folder: place for folder in tried if (place := _place(folder)) is not None}
        for folder, (_, place) in list(self._watches.items()):
            if wanted.get(folder) != place:
                self._forget(folder)
        for folder, place in wanted.items():
            if folder not in self._watches:
                self._begin(folder, place)

    def take(self) -> dict[str, frozenset[str]]:
        """Followed folder -> files that were written there since the last call. Absolute paths.

        Nothing hidden, and nothing that is no file by now.
        """
        with self._lock:
            files, self._files = self._files, {}
        existing = {
            folder: frozenset(filter(os.path.isfile, paths)) for folder, paths in files.items()
        }
        return {folder: paths for folder, paths in existing.items() if paths}

    def again(self, folder: str, paths: Iterable[str]) -> None:
        """Tell of these files once more: they were not complete yet."""
        for path in paths:
            self._note(folder, path)

    def close(self) -> None:
        """Follow nothing any more."""
        self._watches.clear()
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None

    def _begin(self, folder: str, place: _Place) -> None:
        from watchdog.events import (
            FileClosedEvent,
            FileCreatedEvent,
            FileMovedEvent,
            FileSystemEventHandler,
        )
        from watchdog.observers import Observer

        class Told(FileSystemEventHandler):
            """What watchdog calls, from a thread of its own."""

            def dispatch(_, event: FileSystemEvent) -> None:
                if not event.is_directory:
                    self._note(folder, os.fsdecode(event.dest_path or event.src_path))

        if self._observer is None:
            self._observer = Observer()
            self._observer.start()
        try:
            watch = self._observer.schedule(
                Told(),
                folder,
                recursive=True,
                event_filter=[FileClosedEvent, FileCreatedEvent, FileMovedEvent],
            )
            self._watches[folder] = watch, place
        except OSError as error:  # no watches or instances are left, or the folder is shut
            self._refused.add(folder)
            log.warning("folder_not_followed", folder=folder, error=str(error))

    def _forget(self, folder: str) -> None:
        watch, _ = self._watches.pop(folder)
        if self._observer is not None:
            with contextlib.suppress(KeyError):  # deleted, and the observer has let go of it
                self._observer.unschedule(watch)

    def _note(self, folder: str, path: str) -> None:
        if any(part.startswith(".") for part in _parts(folder, path)):
            return
        with self._lock:
            if sum(map(len, self._files.values())) < MOST_FILES:
                self._files.setdefault(folder, set()).add(path)


def _place(folder: str) -> _Place | None:
    """Which folder lies there. None: none, or it cannot be looked at."""
    try:
        stat = os.stat(folder)
    except OSError:
        return None
    return (stat.st_dev, stat.st_ino) if S_ISDIR(stat.st_mode) else None


def _parts(folder: str, path: str) -> Iterator[str]:
    return iter(os.path.relpath(path, folder).split(os.sep))
