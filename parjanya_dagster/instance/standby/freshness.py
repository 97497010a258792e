"""Whether what a process has loaded is still what lies on the disk."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import gpu_ops
import parjanya_dagster
from parjanya_dagster.settings import ENV_FILE, Settings

Signature = tuple[tuple[str, int, int], ...]
"""Path, time of the last change in nanoseconds, and bytes of each file that matters."""

_noted: list[Signature] = []


def note(settings: Settings) -> None:
    """Remember the signature of now: what this process and its forks load begins here."""
    _noted[:] = [signature(settings)]


def noted(settings: Settings) -> Signature:
    """What was noted in this process or the one it was forked from; else the signature of now."""
    return _noted[0] if _noted else signature(settings)


def signature(settings: Settings) -> Signature:
    """Of our sources, of the installed packages by name and version, and of the settings' file.

    Take it before anything is loaded: what changes meanwhile is then noticed. Bytecode and folders
    do not count, since Python itself writes them.
    """
    return tuple(sorted((*_files(settings), *_packages())))


def _files(settings: Settings) -> Iterator[tuple[str, int, int]]:
    yield from _described(settings.home / ENV_FILE)
    for package in (parjanya_dagster, gpu_ops):
        for path in Path(str(package.__file__)).parent.rglob("*"):
            if "__pycache__" not in path.parts:
                yield from _described(path)


def _described(path: Path) -> Iterator[tuple[str, int, int]]:
    try:
        status = os.stat(path)
    except OSError:
        return
    if stat.S_ISREG(status.st_mode):
        yield str(path), status.st_mtime_ns, status.st_size


def _packages() -> Iterator[tuple[str, int, int]]:
    for folder in sys.path:
        if folder.endswith("-packages"):
            yield from ((str(path), 0, 0) for path in Path(folder).glob("*.dist-info"))
