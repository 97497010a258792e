"""A seeded source of faults. Every fault that happens is counted, so a test can ask for some."""

from __future__ import annotations

import random
import threading
from collections import Counter


class Chance:
    """`happens` is true at `rate`, but never more than `in_a_row` times for one subject.

    A service that refuses for ever is an outage, which other tests are about. Here it refuses, and
    then answers: what is asked for often enough is done.
    """

    def __init__(self, seed: object, rate: float = 0.1, in_a_row: int = 2) -> None:
        self.rng = random.Random(f"aws/{seed}")
        self.rate, self.in_a_row = rate, in_a_row
        self.counted: Counter[str] = Counter()
        self._row: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def happens(self, fault: str, subject: str = "") -> bool:
        """Whether a fault happens now to a subject: a request, a partition key, a message."""
        with self._lock:
            if self.rng.random() >= self.rate or self._row[fault, subject] >= self.in_a_row:
                self._row.pop((fault, subject), None)
                return False
            self._row[fault, subject] += 1
            self.counted[fault] += 1
            return True

    def between(self, low: float, high: float) -> float:
        with self._lock:
            return self.rng.uniform(low, high)
