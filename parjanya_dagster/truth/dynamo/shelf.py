"""Pages that this process wrote a moment ago: its next stage reads the evidence of the last.

Pages are named by the hash of their content and never change, so what lies here is what the table
has. What must know whether the table has it reads the table.
"""

from __future__ import annotations

import threading

MOST = 8_000_000  # bytes of pages: those of some 1,000 images


class Shelf:
    """The pages that were written last, compressed. Threads may share it."""

    def __init__(self, most: int = MOST) -> None:
        self._most, self._size = most, 0
        self._pages: dict[str, bytes] = {}  # by name, the oldest first
        self._lock = threading.Lock()

    def put(self, name: str, page: bytes) -> None:
        with self._lock:
            self._size += len(page) - len(self._pages.pop(name, b""))
            self._pages[name] = page
            while self._size > self._most:
                self._size -= len(self._pages.pop(next(iter(self._pages))))

    def get(self, name: str) -> bytes | None:
        """A page. None: it must be read."""
        with self._lock:
            return self._pages.get(name)
