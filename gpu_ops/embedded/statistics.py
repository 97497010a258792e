"""What an image's pixels say about how it was made.

A camera leaves noise and soft edges everywhere. A program leaves flat areas, few colours, and
edges that run straight along rows and columns. The measures here survive JPEG previews: flatness
is asked of whole blocks with a tolerance, not of single exactly equal neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpu_ops.interface import Image

VERSION = "statistics@1"

#: In the order of the vector the category model reads. Shares lie in 0..1.
NAMES = (
    "flat_0",  # share of pixels equal to their right and lower neighbours
    "flat_1",  # the same, within 1 of 255
    "flat_3",  # the same, within 3
    "calm_blocks",  # share of 8x8 blocks whose standard deviation is under 1 of 255
    "quiet_blocks",  # the same, under 3
    "floor",  # 10th percentile of the blocks' standard deviation: the noise of calm areas
    "hard_edges",  # of the pixels on an edge, the share where it is very steep
    "axis_edges",  # of the steep pixels, the share whose edge runs along a row or a column
    "ruled_rows",  # how much of the image's width the straightest horizontal edges span
    "ruled_columns",  # the same of its height and vertical edges
    "top_colour",  # share of the commonest of 4096 colours
    "top_colours_8",  # share of the 8 commonest
    "colour_entropy",  # of the 4096 colours, in bits, over 12
    "grey_gaps",  # share of unused levels inside the range of greys that is used
    "white",  # share of nearly white pixels
    "black",  # share of nearly black pixels
    "saturation",  # mean of (max - min) over max of the channels
    "saturation_spread",  # its standard deviation
    "vivid",  # share of pixels with saturation over 0.8
)


def measure(image: Image) -> dict[str, float]:
    """Return the measures of one image (h, w, 3), uint8 RGB. A few milliseconds at 1024 pixels."""
    import cv2
    import numpy as np

    height, width = image.shape[:2]
    grey: Any = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if min(height, width) < 16:
        grey = cv2.resize(grey, (max(width, 16), max(height, 16)), interpolation=cv2.INTER_NEAREST)
    right: Any = cv2.absdiff(grey[:-1, 1:], grey[:-1, :-1])
    below: Any = cv2.absdiff(grey[1:, :-1], grey[:-1, :-1])
    step: Any = cv2.max(right, below)
    steps = levels_of(step)
    pixels = step.size
    result = {f"flat_{most}": int(steps[: most + 1].sum()) / pixels for most in (0, 1, 3)}

    deviation = _block_deviation(grey)
    result["calm_blocks"] = float(np.mean(deviation < 1.0))
    result["quiet_blocks"] = float(np.mean(deviation < 3.0))
    result["floor"] = float(np.percentile(deviation, 10))

    steep_count = int(steps[49:].sum())
    low: Any = cv2.min(right, below)
    along = np.count_nonzero((step > 48) & (low <= 6))
    result["hard_edges"] = steep_count / max(int(steps[13:].sum()), 1)
    result["axis_edges"] = int(along) / max(steep_count, 1)
    result["ruled_rows"] = _ruled(below, axis=1)
    result["ruled_columns"] = _ruled(right, axis=0)
    result.update(_colours(image, grey))
    return {name: round(result[name], 6) for name in NAMES}


def _block_deviation(grey: Image) -> Any:
    import cv2
    import numpy as np

    height, width = (grey.shape[0] // 8) * 8, (grey.shape[1] // 8) * 8
    size = (width // 8, height // 8)
    values = grey[:height, :width].astype(np.float32)
    mean: Any = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    square: Any = cv2.resize(values * values, size, interpolation=cv2.INTER_AREA)
    return np.sqrt(np.maximum(square - mean * mean, 0.0))


def levels_of(plane: Any) -> Any:
    """How often each of the 256 levels occurs in a plane (h, w) of bytes."""
    import cv2

    return cv2.calcHist([plane], [0], None, [256], [0, 256]).ravel()


def _ruled(steps: Any, axis: int) -> float:
    """Mean of the eight longest straight edges: 1 where they span the whole image."""
    import cv2
    import numpy as np

    marked: Any = cv2.threshold(steps, 10, 1, cv2.THRESH_BINARY)[1]
    lengths: Any = cv2.reduce(marked, axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    return float((np.sort(lengths.ravel())[-8:] / steps.shape[axis]).mean())


def _colours(image: Image, grey: Image) -> dict[str, float]:
    import cv2
    import numpy as np

    height, width = image.shape[:2]
    scale = min(1.0, 256 / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small: Any = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST).reshape(-1, 3)
    nibbles = (small >> 4).astype(np.int32)
    counts = np.bincount(nibbles[:, 0] * 256 + nibbles[:, 1] * 16 + nibbles[:, 2], minlength=4096)
    shares = np.sort(counts[counts > 0] / counts.sum())[::-1]
    used = np.flatnonzero(levels_of(grey) > grey.size * 1e-5)
    span = int(used[-1] - used[0]) + 1 if used.size else 1
    red, green, blue = small[:, 0], small[:, 1], small[:, 2]
    high, low = (of(of(red, green), blue).astype(np.float32) for of in (np.maximum, np.minimum))
    saturation = (high - low) / np.maximum(high, 1.0)
    return {
        "top_colour": float(shares[0]),
        "top_colours_8": float(shares[:8].sum()),
        "colour_entropy": float(-(shares * np.log2(shares)).sum()) / 12,
        "grey_gaps": 1.0 - used.size / span,
        "white": float(np.mean(low > 247)),
        "black": float(np.mean(high < 12)),
        "saturation": float(saturation.mean()),
        "saturation_spread": float(saturation.std()),
        "vivid": float(np.mean(saturation > 0.8)),
    }
