"""Confidence intervals. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

Z95: Final = 1.959964


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share, after Wilson (1927). All of 0 to 1 where n is 0."""
    if n == 0:
        return 0.0, 1.0
    share, z2 = hits / n, Z95 * Z95
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def share(hits: int, n: int) -> dict[str, float | int | list[float] | None]:
    """A share as plain data: n, hits, share and its interval. The share of nothing is None."""
    return {
        "n": n,
        "hits": hits,
        "share": round(hits / n, 4) if n else None,
        "interval": [round(end, 4) for end in wilson(hits, n)],
    }


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """A mean and its 95 % interval by the normal approximation. Without bound under two values."""
    n = len(values)
    mean = math.fsum(values) / n if n else 0.0
    if n < 2:
        return mean, -math.inf, math.inf
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    half = Z95 * math.sqrt(variance / n)
    return mean, mean - half, mean + half
