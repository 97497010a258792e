"""Measurements for the page: one serves all who look within a few seconds."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from parjanya_dagster.metrics.latest import Latest
from parjanya_dagster.metrics.measure import TRUTH, Measured
from parjanya_dagster.web.overview.view import ended, view
from parjanya_dagster.web.text import line_points

KEPT = 360  # measurements in the curve: half an hour at five seconds
WINDOW = 60.0  # seconds that the rate is taken over


class Watch:
    """Measurements for the page. One serves all requests within `every` seconds."""

    def __init__(
        self, measure: Callable[[], Measured], clock: Callable[[], float], every: float
    ) -> None:
        self._latest, self.every = Latest(measure, clock, every), every
        self._lock = threading.Lock()
        self._seen: Measured | None = None
        self._ended: deque[tuple[float, int]] = deque(maxlen=KEPT)
        self._due: deque[float] = deque(maxlen=KEPT)

    def look(self) -> dict[str, Any]:
        """What the page shows now."""
        with self._lock:
            seen = self._latest.look()
            if seen is not self._seen:
                self._seen = seen
                self._remember(seen)
            shown = view(seen, self._per_minute())
            return {**shown, "backlog": line_points(list(self._due), 600.0, 46.0)}

    def _remember(self, seen: Measured) -> None:
        if seen.facts.snapshot is not None:
            self._due.append(float(sum(due.rows for due in seen.facts.snapshot.due)))
        if seen.readable(TRUTH):
            self._ended.append((seen.facts.now, ended(seen)))

    def _per_minute(self) -> float | None:
        """Images that ended per minute, over about the last minute."""
        if len(self._ended) < 2:
            return None
        now, last = self._ended[-1]
        at, first = next(sample for sample in self._ended if now - sample[0] <= WINDOW)
        return 60.0 * max(0, last - first) / (now - at) if now > at else None
