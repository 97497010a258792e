"""What it costs to write objects that survive a loss of power.

Previews of the usual size, in a folder: in groups as `validated` writes them, one by one, and, side
by side, without waiting for the disk. The time is that of the disk under the temporary folder.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.objects.store import NewObject

OBJECTS = 384
BYTES = 60_000  # of a preview
GROUP = 16
ROUNDS = 5


def costs() -> Iterator[tuple[str, float]]:
    """Milliseconds per object, the median of rounds in turn, and the share of waiting."""
    ways: dict[str, Callable[[], float]] = {
        "grouped": lambda: _milliseconds(GROUP),
        "single": lambda: _milliseconds(1),
        "unsynced": _unsynced,
    }
    rounds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            rounds[name].append(way())
    middle = {name: sorted(times)[ROUNDS // 2] for name, times in rounds.items()}
    for name, value in middle.items():
        yield f"durable.{name}.ms", value
    yield "durable.grouped.of_single", middle["grouped"] / middle["single"]


def _milliseconds(group: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        objects = FolderObjects(Path(folder))
        objects.put("bench", "previews/first.jpg", b"x", "image/jpeg")
        data = os.urandom(BYTES)
        started = time.perf_counter()
        for first in range(0, OBJECTS, group):
            objects.put_many("bench", _group(range(first, first + group), data))
        return (time.perf_counter() - started) / OBJECTS * 1000


def _group(numbers: Sequence[int], data: bytes) -> list[NewObject]:
    return [
        NewObject(key=f"previews/{number}.jpg", data=data, content_type="image/jpeg")
        for number in numbers
    ]


def _unsynced() -> float:
    with _nothing_waits():
        return _milliseconds(GROUP)


@contextmanager
def _nothing_waits() -> Iterator[None]:
    fsync = os.fsync
    os.fsync = lambda _: None
    try:
        yield
    finally:
        os.fsync = fsync
