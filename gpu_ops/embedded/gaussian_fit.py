"""The asymmetric generalized Gaussian that fits a sample, by moments.

After Lasmar, Stitou and Berthoumieu, "Multiscale skewed heavy tailed model for texture analysis"
(ICIP 2009), with the table of shapes that BRISQUE and NIQE look up.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SMALLEST_SHAPE, LARGEST_SHAPE, STEP = 0.2, 10.0, 0.001


@dataclass(frozen=True, kw_only=True)
class Fit:
    """One distribution for each sample (b,). A shape of 2 is a Gaussian, of 1 a Laplacian.

    The deviations are nan where a sample has no value on that side of zero.
    """

    shape: NDArray[np.float64]
    left: NDArray[np.float64]  # root of the mean square of the negative values
    right: NDArray[np.float64]  # of the positive ones


def fit(samples: NDArray[np.float64]) -> Fit:
    """Fit each sample of (b, n). A value of exactly zero belongs to neither side."""
    import numpy as np

    squares = samples * samples
    with np.errstate(invalid="ignore", divide="ignore"):
        left, right = (
            np.sqrt((squares * side).sum(axis=1) / side.sum(axis=1))
            for side in (samples < 0, samples > 0)
        )
        skew = left / right
        ratio = np.abs(samples).mean(axis=1) ** 2 / squares.mean(axis=1)
        wanted = ratio * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    shapes, ratios = _table()
    # The nearest entry: the ratio grows with the shape.
    above = np.clip(np.searchsorted(ratios, wanted), 1, len(ratios) - 1)
    nearest = above - (wanted - ratios[above - 1] <= ratios[above] - wanted)
    return Fit(shape=shapes[nearest], left=left, right=right)


@cache
def _table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shapes, and the ratio of the squared mean size to the mean square that belongs to each."""
    import numpy as np
    from scipy.special import gammaln

    shapes = np.arange(SMALLEST_SHAPE, LARGEST_SHAPE + STEP, STEP)
    ratios = np.exp(2 * gammaln(2 / shapes) - gammaln(1 / shapes) - gammaln(3 / shapes))
    return shapes, ratios
