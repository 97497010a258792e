"""Which pixels a metric looks at. Never a shrunk copy: shrinking hides damage.

On photographs shrunk to 512 pixels PIQE misses half of a slight blur and all of the JPEG damage.
Four square windows cost the same whatever the image's size, and share one shape. Metrics that
need a whole scene get the image, or its centre where it is larger than a preview. Nothing is ever
padded: images go together only where their shapes are equal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpu_ops.interface import Image

SIDE = 256
CENTRE_SIDE = 1024  # a preview's longest side
STACK_PIXELS = 2_000_000  # of one stack: bounds the memory of a thread to about 300 MB


def windows(image: Image) -> Image:
    """Return (4, s, s, 3): one window around each quarter's centre. s is at most `SIDE`.

    On an image whose shorter side is less than that, s is the shorter side and windows overlap.
    """
    import numpy as np

    height, width = image.shape[:2]
    side = min(SIDE, height, width)
    tops = ((height - side) // 4, (height - side) * 3 // 4)
    lefts = ((width - side) // 4, (width - side) * 3 // 4)
    return np.stack([image[top : top + side, left : left + side] for top in tops for left in lefts])


def centre(image: Image) -> Image:
    """Return the image's centre, at most `CENTRE_SIDE` tall and wide. A preview stays whole."""
    height, width = image.shape[:2]
    top, left = max(0, height - CENTRE_SIDE) // 2, max(0, width - CENTRE_SIDE) // 2
    return image[top : top + CENTRE_SIDE, left : left + CENTRE_SIDE]


def stacks(
    images: Sequence[Image], most_pixels: int = STACK_PIXELS
) -> list[tuple[list[int], Image]]:
    """Group images by exact shape. Return (positions, stack of (n, h, w, 3)) for each group.

    A group of more than `most_pixels` is cut into several.
    """
    import numpy as np

    by_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for position, image in enumerate(images):
        by_shape[image.shape].append(position)
    result = []
    for shape, positions in by_shape.items():
        most = max(1, most_pixels // (shape[0] * shape[1]))
        for start in range(0, len(positions), most):
            chosen = positions[start : start + most]
            result.append((chosen, np.stack([images[position] for position in chosen])))
    return result
