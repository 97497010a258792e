"""How many requests a server wants at once, found by feedback: slow start, then AIMD, as in TCP.

Each answered request lets one more be sent, until the server says that it is busy. That halves the
number, once for all requests that were under way. From then on it grows by one per round.
"""

from __future__ import annotations

import threading

FIRST = 8.0


class Window:
    """Counts the requests under way, and lets no more through than the server keeps up with.

    Safe to use from many threads. `most` is never exceeded, and one request is always let through.
    """

    def __init__(self, most: int) -> None:
        self._most = float(most)
        self._size = min(FIRST, self._most)
        self._busy_at = self._most  # below it the number grows fast
        self._under_way = 0
        self._round = 0
        self._free = threading.Condition()

    @property
    def size(self) -> int:
        """How many requests may be under way now."""
        return int(self._size)

    def enter(self) -> int:
        """Wait until one more may be sent. What it returns is handed to `leave`."""
        with self._free:
            self._free.wait_for(lambda: self._under_way < int(self._size))
            self._under_way += 1
            return self._round

    def leave(self, entered: int, *, busy: bool) -> None:
        """One request is over; `busy`: the server could not keep up with it."""
        with self._free:
            was_full = self._under_way >= int(self._size)
            self._under_way -= 1
            if not busy and was_full:  # with fewer under way, an answer says nothing of more
                fast = self._size < self._busy_at
                self._size = min(self._most, self._size + (1.0 if fast else 1.0 / self._size))
            elif busy and entered == self._round:  # those sent before the last cut say nothing new
                self._round += 1
                self._size = self._busy_at = max(1.0, self._size / 2)
            self._free.notify_all()
