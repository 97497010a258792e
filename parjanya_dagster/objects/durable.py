"""Files that survive a loss of power: written beside, put on the disk, then renamed.

A rename alone may reach the disk before the bytes do, and leave an empty file of that name.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

OWN = 0o600  # readable by the owner alone, as temporary files are


@contextmanager
def prepared(files: Mapping[Path, bytes], mode: int = OWN) -> Iterator[Callable[[], None]]:
    """The bytes of files on the disk, beside their places. What is given puts them in place.

    `mode`: who may read them, once they are in place.

    Their folders are there already. All bytes are written before the first is waited for, so a
    disk takes them in one go. Raises OSError, and so does what is given.
    """
    with ExitStack() as stack:
        temporary = {
            path: stack.enter_context(_written_beside(path, data)) for path, data in files.items()
        }
        for name in temporary.values():
            _allow(name, mode)
            sync(name)

        def put_in_place() -> None:
            for path, name in temporary.items():
                os.replace(name, path)
            for folder in sorted({path.parent for path in files}):
                sync(folder)

        yield put_in_place


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file, and never in another's place. Raises FileExistsError and OSError."""
    with _written_beside(path, data) as temporary:
        _allow(temporary, mode)
        sync(temporary)
        _link(temporary, path)
    sync(path.parent)


def sync(path: str | Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Not every file system can do it for a folder.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or not os.path.isdir(path):
            raise
    finally:
        os.close(handle)


@contextmanager
def _written_beside(path: Path, data: bytes) -> Iterator[str]:
    """A new file beside `path` that holds the data, in a cache if not on the disk."""
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        yield temporary
    finally:
        Path(temporary).unlink(missing_ok=True)


def _allow(path: str, mode: int) -> None:
    if mode != OWN:
        with suppress(OSError):  # some network file systems have modes of their own
            os.chmod(path, mode)


def _link(temporary: str, path: Path) -> None:
    """Put a file in its place, and never in another's place. Raises FileExistsError."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # exFAT and some network file systems have no hard links
        if path.exists():
            raise FileExistsError(path) from None
        os.replace(temporary, path)
