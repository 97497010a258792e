"""The real `Kept` without its threads: what they do is a step of the simulation."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from parjanya_dagster.errors import StorageUnavailable
from parjanya_dagster.execution.kept import Kept
from parjanya_dagster.truth.outcomes import Claim


class Line:
    """The way of a process to Truth: to the store that its next step is given, or to none."""

    def __init__(self) -> None:
        self.store: Any = None
        self.cut: frozenset[str] = frozenset()  # calls that are not answered
        self.late = False  # whether such a call is done all the same: its answer is lost

    def __getattr__(self, name: str) -> Any:
        if name not in self.cut:
            return getattr(self.store, name)
        if not self.late:
            raise StorageUnavailable(f"Truth does not answer {name}")

        def unanswered(*given: Any, **named: Any) -> None:
            getattr(self.store, name)(*given, **named)
            raise StorageUnavailable(f"Truth did {name}, and its answer is lost")

        return unanswered


class SteppedKept(Kept):
    """Rows that a process keeps. Its beats come when the simulation says so."""

    _worked: tuple[Sequence[Claim], float] = (), 0.0

    @contextmanager
    def _extended(self, claims: Sequence[Claim]) -> Iterator[None]:
        self._worked = claims, self.lease
        yield
        self._worked = (), 0.0

    def _watch(self, pause: float) -> None:
        self._ended = self._ended or threading.Event()

    def beats(self) -> None:
        """What the threads of a process do, that of its leases and that of its record."""
        claims, lease = self._worked
        if claims:
            with suppress(StorageUnavailable):  # as the thread of its leases does
                self._store.extend(claims, lease, self._clock())
        if self._ended is not None:
            self.beat()
