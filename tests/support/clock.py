"""Time in the hand of a test."""

from __future__ import annotations

from dataclasses import dataclass

NOON = 1_760_011_200.0  # 2025-10-09 12:00 UTC


@dataclass
class Clock:
    """Time that moves when a test says so."""

    now: float = NOON

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
