"""Brightness in whole numbers: the same pixels give the same levels on every machine.

Sums of floating point end in a bit that depends on the processor. Where a sum lies halfway between
two levels, that bit decides between them, for every pixel of that colour. Whole numbers have no
such bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def of_television(stack: NDArray[np.uint8]) -> NDArray[np.int32]:
    """ITU-R 601 luma, 16..235, of images (n, h, w, 3). A half is rounded up. NIQE looks at this."""
    weighted = _weighted(stack, (65_481, 128_553, 24_966))
    levels: NDArray[np.int32] = (weighted + 127_500) // 255_000 + 16
    return levels


def of_scikit_image(stack: NDArray[np.uint8]) -> NDArray[np.float64]:
    """`rgb2gray` of scikit-image, 0..255, of images (n, h, w, 3). BRISQUE looks at this."""
    grey: NDArray[np.float64] = _weighted(stack, (2125, 7154, 721)) / 10_000
    return grey


def stretched(stack: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Luma of images (n, h, w, 3), scaled so that each image's brightest pixel is 255.

    A half is rounded up. An image without light stays 0. PIQE looks at this.
    """
    import numpy as np

    luma = _weighted(stack, (299, 587, 114))
    brightest = np.maximum(luma.max(axis=(1, 2), keepdims=True), 1)
    levels: NDArray[np.int32] = (510 * luma + brightest) // (2 * brightest)
    return levels


def _weighted(stack: NDArray[np.uint8], weights: tuple[int, int, int]) -> NDArray[np.int32]:
    import numpy as np

    red, green, blue = (
        stack[..., channel].astype(np.int32) * np.int32(weight)
        for channel, weight in enumerate(weights)
    )
    total: NDArray[np.int32] = red + green + blue
    return total
