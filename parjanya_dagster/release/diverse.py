"""Chooses images that differ most from one another: farthest first (Gonzalez, 1985). Pure.

The first is the one nearest to the mean. Each next one is the one whose nearest among the chosen is
the farthest away. No choice of as many images covers all others at less than half the distance.
Vectors are compared as whole numbers (`embeddings/whole.py`), so the same vectors give the same
choice on every machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from parjanya_dagster.embeddings.whole import WHOLE, whole

if TYPE_CHECKING:
    from numpy.typing import NDArray


def farthest_first(vectors: NDArray[np.float32], k: int) -> list[int]:
    """Places of up to k rows of (n, d), rows of unit length, in the order of their choice.

    Of equal ones the earlier is chosen. The cost is that of k passes over the rows.
    """
    if not len(vectors) or k < 1:
        return []
    points = whole(vectors)
    centre = points.sum(axis=0, dtype=np.float64)
    centre = np.rint(centre / max(float(np.linalg.norm(centre)), 1.0) * WHOLE)
    chosen = [int(np.argmax(points @ centre.astype(np.float32)))]
    nearest = points @ points[chosen[0]]  # to the chosen one that is most like it
    for _ in range(min(k, len(points)) - 1):
        nearest[chosen[-1]] = np.inf
        chosen.append(int(np.argmin(nearest)))
        np.maximum(nearest, points @ points[chosen[-1]], out=nearest)
    return chosen
