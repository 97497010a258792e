"""Buckets as folders of a local directory.

obstore is not used. One file whose name is not UTF-8 makes its whole listing fail, and it cannot
open names that end in `#1` or hold a line break (docs/decisions/0002).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BufferedReader
from operator import itemgetter
from pathlib import Path

from parjanya_dagster.errors import (
    BucketMissing,
    ListingIncomplete,
    ObjectGone,
    StorageUnavailable,
)
from parjanya_dagster.objects import durable
from parjanya_dagster.objects.keys import Aside, is_unfinished
from parjanya_dagster.objects.store import (
    Digest,
    LeftOut,
    NewObject,
    Object,
    ObjectInfo,
    PresignedPut,
)

MARKER = ".parjanya-bucket"
"""The file in a bucket's folder that says which bucket it is. Hidden, so no listing has it."""
LOCK = ".parjanya-lock"
"""The file in a bucket's folder that is locked by who writes over a version. Hidden, and empty."""
CLOSED = 0.25
"""Seconds for which a file that no process writes to must have been still: many programs write a
file in one go, some open it a second time."""
LOOKS, LOOK = 200, 0.05  # how often, and after how many seconds, a lock that is held is tried


class FolderObjects:
    """See `objects.store.Objects`. Keys are paths below the bucket's folder."""

    def __init__(
        self,
        root: str | Path,
        settle: float = 1.0,
        pause: Callable[[float], None] = time.sleep,
        mode: int = durable.OWN,
    ) -> None:
        """`mode`: that of files which are written, as chmod has it."""
        self.root = Path(root)
        self.mode = mode
        self.settle = settle
        self.pause = pause

    def get(self, bucket: str, key: str, version: str = "") -> Object:
        with self._open(bucket, key) as file:
            stat = os.fstat(file.fileno())
            before = _version(stat)
            if version not in ("", before):
                return Object(b"", before)
            data = file.read(stat.st_size + 1)  # no more, however fast it grows
            after = _version(os.fstat(file.fileno()))
        # Bytes that changed under the read have no version: nobody's row speaks of them.
        return Object(data, after if before == after else "")

    def beginning(self, bucket: str, key: str, size: int) -> bytes:
        with self._open(bucket, key) as file:
            return file.read(size)

    def digest(self, bucket: str, key: str) -> Digest:
        with self._open(bucket, key) as file:
            before = _version(os.fstat(file.fileno()))
            try:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                path = self._path(bucket, key)
                raise StorageUnavailable(f"Cannot read {path}: {error.strerror}") from error
            after = _version(os.fstat(file.fileno()))
        return Digest(sha256, after if before == after else "")

    def identity(self, bucket: str) -> str | None:
        path = self._path(bucket, MARKER)
        try:
            return _identity(path.read_text("utf-8", "replace"))
        except FileNotFoundError:
            if path.parent.is_dir():
                return None
            raise BucketMissing(f"The bucket's folder {path.parent} is not there.") from None
        except OSError as error:
            raise StorageUnavailable(f"Cannot read {path}: {error.strerror}") from error

    def mark(self, bucket: str) -> str:
        if (known := self.identity(bucket)) is not None:
            return known
        return self._mark(self._path(bucket, MARKER))

    def _mark(self, path: Path) -> str:
        """Write a marker, unless somebody else just did. Whoever was first is obeyed."""
        try:
            # Whoever adopts it, all of our processes read it.
            durable.write_new(path, f"{_FORMAT}{uuid.uuid4()}\n".encode(), 0o644)
        except FileExistsError:
            pass
        except OSError as error:
            raise StorageUnavailable(f"Cannot write {path}: {error.strerror}") from error
        try:
            return _identity(path.read_text("utf-8", "replace"))
        except OSError as error:
            raise StorageUnavailable(f"Cannot read {path}: {error.strerror}") from error

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        self.put_many(bucket, [NewObject(key=key, data=data, content_type=content_type)])

    def put_many(self, bucket: str, objects: Sequence[NewObject]) -> None:
        files = {self._path(bucket, new.key): new.data for new in objects}
        with self._prepared(bucket, files) as put_in_place:
            put_in_place()

    def put_over(self, bucket: str, key: str, data: bytes, content_type: str, version: str) -> bool:
        with (
            self._prepared(bucket, {self._path(bucket, key): data}) as put_in_place,
            self._alone_over(bucket, key, version) as allowed,
        ):
            if allowed:
                put_in_place()
            return allowed

    @contextmanager
    def _prepared(self, bucket: str, files: Mapping[Path, bytes]) -> Iterator[Callable[[], None]]:
        try:
            for folder in {path.parent for path in files}:
                self._make_folder(bucket, folder)
            with durable.prepared(files, self.mode) as put_in_place:
                yield put_in_place
        except OSError as error:
            path = error.filename or ", ".join(map(str, files))
            raise StorageUnavailable(f"Cannot write {path}: {error.strerror}") from error

    @contextmanager
    def _alone_over(self, bucket: str, key: str, version: str) -> Iterator[bool]:
        """Whether that version lies there. While this lasts, nobody else writes over anything.

        The lock is the kernel's: it ends with its process, however that dies.
        """
        lock = os.open(self.root / bucket / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            self._lock(lock, bucket)
            try:
                there = _version(self._path(bucket, key).stat())
            except (FileNotFoundError, NotADirectoryError):
                there = ""
            yield there == version
        finally:
            os.close(lock)

    def _lock(self, lock: int, bucket: str) -> None:
        """Raises StorageUnavailable where another process holds the lock for too long."""
        for _ in range(LOOKS):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.pause(LOOK)
            else:
                return
        raise StorageUnavailable(
            f"A process holds {self.root / bucket / LOCK} for more than {LOOKS * LOOK:.0f} s. "
            "Is one stopped in the middle of a write?"
        )

    def _make_folder(self, bucket: str, folder: Path) -> None:
        """Make the folder of an object, and what it lies in. A new bucket is marked before it is
        seen, so nobody meets one without a marker."""
        if folder.is_dir():
            return
        base = self.root / bucket
        if not base.is_dir():
            self._make_bucket(base)
        missing = [folder, *folder.parents][: len(folder.relative_to(base).parts)]
        folder.mkdir(parents=True, exist_ok=True)
        for made in missing:  # a folder survives once the one that holds it was written
            durable.sync(made.parent)

    def _make_bucket(self, base: Path) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        temporary = self.root / f".{uuid.uuid4()}.part"
        temporary.mkdir()
        try:
            self._mark(temporary / MARKER)
            os.rename(temporary, base)
            durable.sync(self.root)
        except OSError:
            if not base.is_dir():  # otherwise somebody else was first, and is obeyed
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def place(self, bucket: str, key: str) -> str:
        return str(self._path(bucket, key))

    def head(self, bucket: str, key: str) -> ObjectInfo:
        with self._open(bucket, key) as file:
            return _info(key, os.fstat(file.fileno()))

    def listing(
        self, bucket: str, prefix: str, after: str = "", left_out: LeftOut | None = None
    ) -> Iterator[ObjectInfo]:
        base = self._path(bucket, prefix) if prefix else self.root / bucket
        top = base if prefix.endswith("/") or not prefix else base.parent
        unread: dict[str, str] = {}  # folder -> why

        def cannot_read(folder: str, why: str) -> None:
            if left_out is not None and folder not in unread:
                left_out(f"{os.path.relpath(folder, self.root / bucket)}/", Aside.UNREADABLE)
            unread.setdefault(folder, why)

        above = "" if top == self.root / bucket else f"{os.path.relpath(top, self.root / bucket)}/"
        for path, key in self._walk(top, above, after, cannot_read):
            if not key.startswith(prefix):
                continue
            if (aside := _aside(path)) is not None:
                if left_out is not None and not _is_ours(path.name):
                    left_out(key.rstrip("/"), aside)
                continue
            try:
                info = _info(key, path.stat(follow_symlinks=True))
            except FileNotFoundError:  # deleted while we looked
                continue
            except OSError as error:  # a folder that shows names, and lets nobody in
                folder = os.path.dirname(path.path)
                cannot_read(folder, f"Cannot look into {folder}: {error.strerror}")
                continue
            yield info
        keys = {
            f"{os.path.relpath(path, self.root / bucket)}/": why for path, why in unread.items()
        }
        hidden = {
            key: why
            for key, why in keys.items()
            if key.startswith(prefix) or prefix.startswith(key)
        }
        if hidden:
            raise ListingIncomplete(bucket, hidden)

    def _walk(
        self, top: Path, above: str, after: str, cannot_read: Callable[[str, str], None]
    ) -> Iterator[tuple[os.DirEntry[str], str]]:
        """Files and their keys beyond `after`, in the order of keys, and what is none of these.

        A folder sorts as its name and a slash. Nothing below a hidden one is looked at.
        `above`: what the keys of all of them begin with.
        Folders below the first that cannot be listed are told of as they are met, with the reason.
        """
        waiting = self._entries(str(top), above, after)
        while waiting:
            key, entry = waiting.pop()
            if key.endswith("/") and not entry.name.startswith("."):
                try:
                    waiting += self._entries(entry.path, key, after)
                except StorageUnavailable as error:
                    self._require_root()
                    cannot_read(entry.path, str(error))
            else:
                yield entry, key

    def _entries(self, folder: str, above: str, after: str) -> list[tuple[str, os.DirEntry[str]]]:
        """The entries of a folder with their keys, the last first; those beyond `after` alone."""
        try:
            with os.scandir(folder) as entries:
                keyed = [(above + _in_order(entry), entry) for entry in entries]
        except (FileNotFoundError, NotADirectoryError):
            self._require_root()
            return []
        except OSError as error:
            raise StorageUnavailable(f"Cannot list {folder}: {error.strerror}") from error
        beyond = [
            (key, entry)
            for key, entry in keyed
            if key > after or (key.endswith("/") and after.startswith(key))
        ]
        return sorted(beyond, key=itemgetter(0), reverse=True)

    def buckets(self) -> list[str]:
        try:
            return sorted(
                entry.name
                for entry in os.scandir(self.root)
                if not entry.name.startswith(".") and _may_be_folder(entry)
            )
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageUnavailable(f"Cannot list {self.root}: {error.strerror}") from error

    def complete(self, bucket: str, info: ObjectInfo, now: float) -> bool:
        """A file is complete when no process has it open for writing and it has settled.

        A read lease of Linux tells the first; then a moment of stillness is enough. Where it
        cannot be told (no leases on this file system, another user's file), it must have been
        still for `settle` seconds.
        """
        age = now - info.modified_at
        settled = not 0 <= age < self.settle  # the clock of a file server may be ahead
        if is_unfinished(info.key) or 0 <= age < min(CLOSED, self.settle):
            return False
        try:
            handle = os.open(self._path(bucket, info.key), os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            return False
        except OSError:
            return settled  # unreadable is not unfinished: validation will say what is wrong
        try:
            fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError as error:
            # EAGAIN: someone writes. Otherwise (another user's file, no leases) nothing is known.
            return settled and error.errno != errno.EAGAIN
        finally:
            os.close(handle)
        return True

    def presigned_put(
        self, bucket: str, key: str, content_type: str, size: int, seconds: int
    ) -> PresignedPut | None:
        return None

    def presigned_download(
        self, bucket: str, key: str, disposition: str, seconds: int
    ) -> str | None:
        return None

    def _open(self, bucket: str, key: str) -> BufferedReader:
        path = self._path(bucket, key)
        try:
            return open(path, "rb", opener=_without_waiting)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            self._require_bucket(bucket)
        except OSError as error:
            raise StorageUnavailable(f"Cannot read {path}: {error.strerror}") from error
        try:  # again, now that the bucket is known to be there: a volume may just have come back
            return open(path, "rb", opener=_without_waiting)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise ObjectGone(f"{key!r} is not in the bucket {bucket!r}.") from error
        except OSError as error:
            raise StorageUnavailable(f"Cannot read {path}: {error.strerror}") from error

    def _require_bucket(self, bucket: str) -> None:
        """A volume that is not mounted must not look as if everything in it had been deleted."""
        if self.identity(bucket) is None:
            raise BucketMissing(
                f"The folder {self.root / bucket} has no marker {MARKER}, so it may not be the "
                f"bucket {bucket!r}: is its volume mounted?"
            )

    def _require_root(self) -> None:
        """Raise if the root is missing. Else an unmounted volume looks as if all was deleted."""
        if not self.root.is_dir():
            raise StorageUnavailable(f"The folder of all buckets, {self.root}, is not there.")

    def _path(self, bucket: str, key: str) -> Path:
        parts = [bucket, *key.split("/")]
        if not bucket or "/" in bucket or any(part in ("..", ".") for part in parts):
            raise ObjectGone(f"{key!r} does not name an object of the bucket {bucket!r}.")
        return self.root.joinpath(bucket, key.lstrip("/"))


def _without_waiting(path: str, flags: int) -> int:
    """A pipe opens at once, and is empty. Without this it would wait for who writes into it."""
    return os.open(path, flags | os.O_NONBLOCK)


_FORMAT = "parjanya bucket "


def _identity(text: str) -> str:
    """Whatever stands in a marker is an identity: a damaged one is another one."""
    return text.removeprefix(_FORMAT).strip()


def _in_order(entry: os.DirEntry[str]) -> str:
    return entry.name + "/" if entry.is_dir(follow_symlinks=False) else entry.name


def _may_be_folder(entry: os.DirEntry[str]) -> bool:
    """A link in a circle, or to a dead mount, counts: looking into it says what is wrong."""
    try:
        return entry.is_dir()
    except OSError:
        return True


def _aside(entry: os.DirEntry[str]) -> Aside | None:
    """What an entry is that is no object. Circular and dead links, and pipes, are not files."""
    if entry.name.startswith("."):
        return Aside.HIDDEN
    try:
        if entry.is_file():
            return None
        return Aside.LINK if entry.is_dir() else Aside.NO_FILE
    except OSError:
        return Aside.NO_FILE


def _is_ours(name: str) -> bool:
    """Whether a hidden file is this module's: a bucket's marker or lock, or half an object."""
    return name in (MARKER, LOCK) or name.endswith(".part")


def _info(key: str, stat: os.stat_result) -> ObjectInfo:
    return ObjectInfo(key, _version(stat), stat.st_size, max(stat.st_mtime, stat.st_ctime))


def _version(stat: os.stat_result) -> str:
    """Nobody can set the time of the last change, so no other bytes have the same version.

    That time also changes with the file's owner, mode and number of links. Then the file is read
    once more and recognized (docs/decisions/0017).
    """
    times = f"{stat.st_mtime_ns:x}-{stat.st_ctime_ns:x}"
    return f"{stat.st_ino:x}-{times}-{stat.st_size:x}"
