"""Buckets as folders of a local directory.

obstore is not used. One file whose name is not UTF-8 makes its whole listing fail, and it cannot
open names that end in `#1` or hold a line break (docs/decisions/0002).
"""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from parjanya_dagster.errors import ObjectGone, StorageUnavailable
from parjanya_dagster.objects.store import Object, ObjectInfo, PresignedPut

UNFINISHED = (".part", ".partial", ".tmp", ".crdownload", ".download", ".swp", "~")
"""Endings of files that a program is still writing."""


class FolderObjects:
    """See `objects.store.Objects`. Keys are paths below the bucket's folder."""

    def __init__(self, root: str | Path, settle: float = 1.0) -> None:
        self.root = Path(root)
        self.settle = settle

    def get(self, bucket: str, key: str) -> Object:
        with self._open(bucket, key) as file:
            before = _version(os.fstat(file.fileno()))
            data = file.read()
            after = _version(os.fstat(file.fileno()))
        # Bytes that changed under the read have no version: nobody's row speaks of them.
        return Object(data, after if before == after else "")

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        path = self._path(bucket, key)
        temporary = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(temporary, path)
        except OSError as error:
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)
            raise StorageUnavailable(f"Cannot write {path}: {error.strerror}") from error

    def head(self, bucket: str, key: str) -> ObjectInfo:
        with self._open(bucket, key) as file:
            return _info(key, os.fstat(file.fileno()))

    def listing(self, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        base = self._path(bucket, prefix) if prefix else self.root / bucket
        top = base if prefix.endswith("/") or not prefix else base.parent
        for path in self._walk(top):
            key = os.path.relpath(path, self.root / bucket)
            if not key.startswith(prefix) or key <= after:
                continue
            try:
                yield _info(key, path.stat(follow_symlinks=True))
            except OSError:  # deleted while we looked
                continue

    def _walk(self, top: Path) -> Iterator[os.DirEntry[str]]:
        """Files in the order of their keys. A folder sorts as its name and a slash."""
        waiting: list[os.DirEntry[str]] = self._entries(str(top))
        while waiting:
            entry = waiting.pop()
            if entry.is_dir(follow_symlinks=False):
                waiting += self._entries(entry.path)
            elif _is_file(entry):
                yield entry

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        """The entries of a folder, the last first."""
        try:
            with os.scandir(folder) as entries:
                visible = [entry for entry in entries if not entry.name.startswith(".")]
        except (FileNotFoundError, NotADirectoryError):
            self._require_root()
            return []
        except OSError as error:
            raise StorageUnavailable(f"Cannot list {folder}: {error.strerror}") from error
        return sorted(visible, key=_in_order, reverse=True)

    def buckets(self) -> list[str]:
        try:
            return sorted(
                entry.name
                for entry in os.scandir(self.root)
                if entry.is_dir() and not entry.name.startswith(".")
            )
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageUnavailable(f"Cannot list {self.root}: {error.strerror}") from error

    def complete(self, bucket: str, info: ObjectInfo, now: float) -> bool:
        """A file is complete when no process has it open for writing and it has settled.

        A read lease of Linux tells the first. Where the file system has no leases, only the
        second is known.
        """
        if info.key.lower().endswith(UNFINISHED) or 0 <= now - info.modified_at < self.settle:
            return False
        try:
            handle = os.open(self._path(bucket, info.key), os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            return False
        except OSError:
            return True  # unreadable is not unfinished: validation will say what is wrong
        try:
            fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError as error:
            # EAGAIN: someone writes. Otherwise (another user's file, no leases) nothing is known.
            return error.errno != errno.EAGAIN
        finally:
            os.close(handle)
        return True

    def presigned_put(
        self, bucket: str, key: str, content_type: str, size: int, seconds: int
    ) -> PresignedPut | None:
        return None

    def _open(self, bucket: str, key: str):  # type: ignore[no-untyped-def]
        path = self._path(bucket, key)
        try:
            return path.open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            self._require_root()
            raise ObjectGone(f"{key!r} is not in the bucket {bucket!r}.") from error
        except OSError as error:
            raise StorageUnavailable(f"Cannot read {path}: {error.strerror}") from error

    def _require_root(self) -> None:
        """Raise if the root is missing. Else an unmounted volume looks as if all was deleted."""
        if not self.root.is_dir():
            raise StorageUnavailable(f"The folder of all buckets, {self.root}, is not there.")

    def _path(self, bucket: str, key: str) -> Path:
        parts = [bucket, *key.split("/")]
        if not bucket or "/" in bucket or any(part in ("..", ".") for part in parts):
            raise ObjectGone(f"{key!r} does not name an object of the bucket {bucket!r}.")
        return self.root.joinpath(bucket, key.lstrip("/"))


def _in_order(entry: os.DirEntry[str]) -> str:
    return entry.name + "/" if entry.is_dir(follow_symlinks=False) else entry.name


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Circular links, links to where we may not look, and pipes are not files."""
    try:
        return entry.is_file()
    except OSError:
        return False


def _info(key: str, stat: os.stat_result) -> ObjectInfo:
    return ObjectInfo(key, _version(stat), stat.st_size, max(stat.st_mtime, stat.st_ctime))


def _version(stat: os.stat_result) -> str:
    return f"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}"
