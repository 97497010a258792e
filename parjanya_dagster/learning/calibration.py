"""How far stated probabilities can be believed: what was held out, bin by bin. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from parjanya_dagster.learning.intervals import wilson

BINS: Final = 10
FEWEST: Final = 10  # decisions in a bin, under which nothing is known of it
NEAR: Final = 0.1  # that a stated probability and what people did may differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Held-out decisions of about one stated probability."""

    low: float
    high: float
    n: int
    stated: float  # their mean stated probability of accept
    accepted: float  # the share that people accepted

    @property
    def reached(self) -> bool:
        """Whether enough was decided there, and about as stated."""
        if self.n < FEWEST:
            return False
        low, high = wilson(round(self.accepted * self.n), self.n)
        return abs(self.stated - self.accepted) <= NEAR or low <= self.stated <= high

    def body(self) -> dict[str, Any]:
        low, high = wilson(round(self.accepted * self.n), self.n)
        return {
            "low": self.low, "high": self.high, "n": self.n, "stated": self.stated,
            "accepted": self.accepted, "interval": [round(low, 4), round(high, 4)],
            "reached": self.reached,
        }  # fmt: skip


def bins(stated: NDArray[np.float64], accepted: NDArray[Any]) -> list[Bin]:
    """The calibration curve of stated probabilities. `accepted`: what people did, 0 or 1."""
    place = np.array([place_of(p) for p in stated], dtype=np.int64)
    found = []
    for at in range(BINS):
        here = place == at
        n = int(here.sum())
        found.append(
            Bin(
                low=at / BINS,
                high=(at + 1) / BINS,
                n=n,
                stated=round(float(stated[here].mean()), 6) if n else 0.0,
                accepted=round(float(accepted[here].mean()), 6) if n else 0.0,
            )
        )
    return found


def place_of(p: float) -> int:
    """The bin of a probability."""
    return min(int(p * BINS), BINS - 1)


def error(curve: Sequence[Bin]) -> float:
    """The expected calibration error: the mean distance of stated and done, weighed by n."""
    n = sum(one.n for one in curve)
    return sum(one.n * abs(one.stated - one.accepted) for one in curve) / n if n else 0.0
