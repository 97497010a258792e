"""Where rows pointed when this process last read them: who reads evidence has just read its rows.

Pages never change, so an old pointer leads to nothing wrong. At worst it lacks what came later, and
the row is read again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from parjanya_dagster.truth.dynamo.pages import Pointers

KEPT = 10_000  # rows, of some 500 bytes each


class Noted:
    """The pointers of the rows that were read last. Threads may share it."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._pointers: dict[str, Pointers] = {}  # by image id, the oldest note first
        self._lock = threading.Lock()

    def note(self, image_id: str, pointers: Pointers) -> None:
        with self._lock:
            self._pointers.pop(image_id, None)
            self._pointers[image_id] = pointers
            if len(self._pointers) > self._kept:
                del self._pointers[next(iter(self._pointers))]

    def of(self, image_ids: Iterable[str]) -> dict[str, Pointers]:
        """The pointers of these, where they are known."""
        with self._lock:
            return {i: self._pointers[i] for i in image_ids if i in self._pointers}
