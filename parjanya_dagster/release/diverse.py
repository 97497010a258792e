"""Chooses images that differ most from one another: farthest first (Gonzalez, 1985). Pure.

The first is the one nearest to the mean. Each next one is the one whose nearest among the chosen is
the farthest away. No choice of as many images covers all others at less than half the distance.
Vectors are rounded to whole numbers whose products float32 holds exactly, so the same vectors give
the same choice on every machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHOLE = 2000.0
"""Of a vector of unit length. Sums of products are below 2**24, which is where float32 rounds."""


def farthest_first(vectors: NDArray[np.float32], k: int) -> list[int]:
    """Places of up to k rows of (n, d), rows of unit length, in the order of their choice.

    Of equal ones the earlier is chosen. The cost is that of k passes over the rows.
    """
    if not len(vectors) or k < 1:
        return []
    whole = np.rint(vectors * WHOLE).astype(np.float32)
    centre = whole.sum(axis=0, dtype=np.float64)
    centre = np.rint(centre / max(float(np.linalg.norm(centre)), 1.0) * WHOLE)
    chosen = [int(np.argmax(whole @ centre.astype(np.float32)))]
    nearest = whole @ whole[chosen[0]]  # to the chosen one that is most like it
    for _ in range(min(k, len(whole)) - 1):
        nearest[chosen[-1]] = np.inf
        chosen.append(int(np.argmin(nearest)))
        np.maximum(nearest, whole @ whole[chosen[-1]], out=nearest)
    return chosen
