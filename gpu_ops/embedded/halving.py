"""Half the size, as MATLAB's `imresize` makes it: bicubic, and smoothed against aliasing.

NIQE's model was fitted on images that were halved in this way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Keys' cubic (a = -1/2) at half the distance, in half-pixel steps to both sides of a new pixel's
# centre: at 0.25, 0.75, 1.25 and 1.75. The eight weights add up to 1.
_NEAR = tuple((1.5 * d - 2.5) * d * d + 1 for d in (0.25, 0.75))
_FAR = tuple(((-0.5 * d + 2.5) * d - 4) * d + 2 for d in (1.25, 1.75))
_SIDE = tuple(weight / 2 for weight in (*_NEAR, *_FAR))
WEIGHTS = (*reversed(_SIDE), *_SIDE)


def halved(stack: NDArray[np.float64]) -> NDArray[np.float64]:
    """Halve images (n, h, w) of even sides: (n, h / 2, w / 2). The border is mirrored."""
    import numpy as np

    beyond = len(WEIGHTS) // 2 - 1
    for axis in (1, 2):
        width = [(0, 0), (0, 0), (0, 0)]
        width[axis] = (beyond, beyond)
        padded = np.moveaxis(np.pad(stack, width, mode="symmetric"), axis, -1)
        count = stack.shape[axis] // 2
        rows = sum(
            weight * padded[..., first : first + 2 * count : 2]
            for first, weight in enumerate(WEIGHTS)
        )
        stack = np.moveaxis(np.asarray(rows), -1, axis)
    return stack
