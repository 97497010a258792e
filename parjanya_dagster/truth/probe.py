"""Whether Truth answers, told within seconds: what health checks, the doctor and metrics ask first.

A store that stands still says nothing, and ordinary work waits minutes for it. A probe looks over a
connection of its own, with little patience, from a thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from parjanya_dagster.errors import TruthUnavailable
from parjanya_dagster.truth.bounded import OneAtATime

PATIENCE = 6.0  # seconds that a probe may take, whatever stands still


class Probe:
    """Asks a store whether it reads and writes. Raises TruthUnavailable."""

    def __init__(self, where: str, look: Callable[[], None], seconds: float = PATIENCE) -> None:
        self._where, self._seconds = where, seconds
        self._looking = OneAtATime(look)

    def __call__(self) -> None:
        try:
            self._looking.result(self._seconds)
        except TimeoutError:
            raise TruthUnavailable(
                f"{self._where} has not answered for {self._seconds:.0f} s: it stands still."
            ) from None
