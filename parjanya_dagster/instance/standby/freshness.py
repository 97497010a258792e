"""Whether what a process has loaded is still what lies on the disk."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import gpu_ops
import parjanya_dagster
from parjanya_dagster.settings import ENV_FILE, Settings

Signature = tuple[tuple[str, int, int], ...]
"""Path, time of the last change in nanoseconds, and bytes of each file that matters."""


def signature(settings: Settings) -> Signature:
    """Of our sources, of the folders that packages are installed in, and of the settings' file.

    Take it before anything is loaded: what changes meanwhile is then noticed.
    """
    return tuple(sorted(_described(_files(settings))))


def _files(settings: Settings) -> Iterator[Path]:
    yield settings.home / ENV_FILE
    yield from (Path(folder) for folder in sys.path if folder.endswith("-packages"))
    for package in (parjanya_dagster, gpu_ops):
        root = Path(str(package.__file__)).parent
        yield from (path for path in root.rglob("*") if "__pycache__" not in path.parts)


def _described(paths: Iterator[Path]) -> Iterator[tuple[str, int, int]]:
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            continue
        yield str(path), status.st_mtime_ns, status.st_size
