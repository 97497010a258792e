"""PIQE: how many of an image's busy blocks look noisy or blocky. It needs no model.

After Venkatanath et al., "Blind image quality evaluation using perception based features"
(NCC 2015), with the constants and the choice of columns of its authors' program, which MATLAB's
`piqe` and the packages pypiqe and pyiqa follow. The tests compare with both packages.

Levels are whole numbers and all else is float64, so that the same pixels get the same score on
every processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpu_ops.embedded import contrast, luma

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VERSION = "piqe@3"

SMALLEST_SIDE = 32  # pixels: it needs a few whole blocks
BLOCK, SEGMENT = 16, 6  # pixels: of a block's side, and of the pieces of its border
ACTIVE = 0.1  # variance of contrast over which a block counts
IMPAIRED = 0.1  # deviation of contrast under which a piece of a border looks blocky
CENTRE = (7, 8)  # the columns in the middle of a block
AROUND = tuple(column for column in range(BLOCK) if column not in (7, 9))  # its authors' surround


def piqe(stack: NDArray[np.uint8]) -> list[float | None]:
    """PIQE of images (n, h, w, 3): 0 is best, 100 worst. None where it is undefined.

    It is undefined on an image without any light (it divides by the brightest pixel) and on one
    smaller than `SMALLEST_SIDE`.
    """
    import numpy as np

    height, width = stack.shape[1:3]
    if min(height, width) < SMALLEST_SIDE:
        return [None] * len(stack)
    # As pyiqa continues an image whose sides are no multiple of the block's: quality is
    # calibrated on that.
    beyond = ((0, 0), (0, height % BLOCK), (0, width % BLOCK))
    levels = np.pad(luma.stretched(stack), beyond, mode="symmetric").astype(np.float64)
    scores = [_score(_blocks(image)) for image in contrast.normalised(levels, "replicate")]
    lit = stack.reshape(len(stack), -1).max(axis=1) > 0
    return [score if ok else None for score, ok in zip(scores, lit, strict=True)]


def _blocks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The whole blocks of an image (h, w): (BLOCK, BLOCK, b), so that sums run over all blocks."""
    rows, columns = (side // BLOCK for side in values.shape)
    whole = values[: rows * BLOCK, : columns * BLOCK]
    blocks: NDArray[np.float64] = (
        whole.reshape(rows, BLOCK, columns, BLOCK).transpose(1, 3, 0, 2).reshape(BLOCK, BLOCK, -1)
    )
    return blocks


def _score(blocks: NDArray[np.float64]) -> float:
    import numpy as np

    variance = blocks.var(axis=(0, 1), ddof=1)
    active = variance > ACTIVE
    blocks, variance = np.compress(active, blocks, axis=2), variance[active]
    blame = _impaired(blocks) * (1 - variance) + _noisy(blocks, variance) * variance
    return float(100 * (blame.sum() + 1) / (len(variance) + 1))


def _impaired(blocks: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which blocks have a piece of border of almost one level."""
    import numpy as np

    borders = np.stack([blocks[0], blocks[-1], blocks[:, 0], blocks[:, -1]])  # (4, BLOCK, b)
    count = BLOCK - SEGMENT + 1
    pieces = [borders[:, first : first + count] for first in range(SEGMENT)]
    mean = sum(pieces) / SEGMENT
    squares: Any = sum((piece - mean) ** 2 for piece in pieces)  # (4, count, b)
    impaired: NDArray[np.bool_] = np.sqrt(squares.min(axis=(0, 1)) / (SEGMENT - 1)) < IMPAIRED
    return impaired


def _noisy(blocks: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which blocks vary in the middle as they do all around."""
    import numpy as np

    deviation = np.sqrt(variance)
    middle, around = (
        np.take(blocks, columns, axis=1).std(axis=(0, 1), ddof=1) for columns in (CENTRE, AROUND)
    )
    ratio = np.divide(middle, around, out=np.zeros_like(middle), where=around > 0)
    noisy: NDArray[np.bool_] = deviation > 2 * np.abs(deviation - ratio) / np.maximum(
        deviation, ratio
    )
    return noisy
