"""Work in a thread of its own, for which nobody waits longer than he wants to.

Whatever stands still (a server, a disk, a name that is looked up), the caller goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class OneAtATime(Generic[T]):
    """Work that is under way once at most. Those who ask meanwhile wait for the same result."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._under_way: Future[T] | None = None

    @property
    def under_way(self) -> bool:
        return self._under_way is not None

    def result(self, seconds: float) -> T:
        """What the work returns or raises. Raises TimeoutError where it takes longer than that.

        The work goes on then, and its end is waited for by whoever asks next.
        """
        with self._lock:
            if self._under_way is None:
                self._under_way = Future()
                threading.Thread(target=self._run, args=(self._under_way,), daemon=True).start()
            asked = self._under_way
        return asked.result(seconds)

    def _run(self, asked: Future[T]) -> None:
        try:
            result = self._work()
        except BaseException as error:
            self._over()
            asked.set_exception(error)
        else:
            self._over()
            asked.set_result(result)

    def _over(self) -> None:
        with self._lock:
            self._under_way = None
