"""Vectors as whole numbers, whose products float32 holds exactly.

So the same vectors give the same comparison on every machine, whatever order it adds in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHOLE = 2000.0
"""Of a vector of unit length. Sums of products are below 2**24, which is where float32 rounds."""


def whole(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows of unit length, (n, d), as whole numbers of about `WHOLE` in length."""
    rounded: NDArray[np.float32] = np.rint(vectors.astype(np.float32) * WHOLE).astype(np.float32)
    return rounded


def direction(total: NDArray[np.float64]) -> NDArray[np.float32]:
    """The whole vector in the direction of a sum of whole ones, as long as one of them."""
    length = max(float(np.sqrt((total * total).sum())), 1.0)
    rounded: NDArray[np.float32] = np.rint(total / length * WHOLE).astype(np.float32)
    return rounded
