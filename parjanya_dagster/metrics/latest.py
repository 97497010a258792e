"""The latest measurement, for everybody who asks. Nobody waits for one that stands still.

Dagster's storage and Truth may be away in a way that no error tells: then a measurement does not
end. Whoever asks is told within seconds that nothing can be read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from parjanya_dagster.doctor.facts import Facts
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.metrics.measure import ALL_OF_BELIEF, ALL_OF_TRUTH, Measured
from parjanya_dagster.truth.bounded import OneAtATime

PATIENCE = 8.0  # seconds: Prometheus gives up a scrape after ten


class Latest:
    """Measures when asked, but not within `every` seconds of the last time."""

    def __init__(
        self,
        measure: Callable[[], Measured],
        clock: Callable[[], float],
        every: float,
        patience: float = PATIENCE,
    ) -> None:
        self._clock, self._every, self._patience = clock, every, patience
        self._measuring = OneAtATime(measure)
        self._lock = threading.Lock()
        self._last: Measured | None = None
        self._at = 0.0
        self._began: float | None = None  # of a measurement that was too late

    def look(self) -> Measured:
        """The last measurement if it is recent, else a new one, else one that read nothing."""
        with self._lock:
            now = self._clock()
            if self._last is not None and 0 <= now - self._at < self._every:
                return self._last
            began = now
            if self._began is not None and self._began <= now and self._measuring.under_way:
                began = self._began  # who asked before has waited for this one
            try:
                seen = self._measuring.result(max(0.0, began + self._patience - now))
            except TimeoutError:
                self._began = began
                return self._nothing_read(now, now - began + self._patience)
            self._last, self._at, self._began = seen, self._clock(), None
            return seen

    def _nothing_read(self, now: float, seconds: float) -> Measured:
        first = "The first" if self._last is None else "A"
        why = (
            f"{first} measurement has not ended: the machine is busy, or the database stands still."
        )
        unread = dict.fromkeys((ALL_OF_TRUTH[-1], ALL_OF_BELIEF[0]), why)
        return Measured(
            facts=Facts(now=now, unread=unread),
            findings=(),
            lanes=(),
            limits=Limits(),
            seconds=seconds,
            unread=unread,
        )
