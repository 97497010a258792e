"""A classical descriptor of how a picture looks: colours and where they are, edges, texture.

Nothing is learned, so it needs no weights and knows no things. It finds pictures of the same
scene, of the same layout, of the same palette. It does not know that two dogs are dogs.

Four parts, each of unit length and with a weight, make one vector of unit length:

- colours: a histogram of hue, saturation and brightness, shared between neighbouring bins;
- layout: mean brightness and colour of the 4 x 4 cells of the picture;
- edges: of each cell, how much of the gradient runs in each of 8 directions (Dalal, Triggs 2005);
- texture: how often each uniform pattern of neighbours occurs, at three sizes (Ojala et al. 2002).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gpu_ops.embedded import workers
from gpu_ops.interface import Identity, NoWords, require_images

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpu_ops.interface import Image

    Vector = NDArray[np.float32]

VERSION = "descriptor@1"

SIDE = 128  # pixels of the square copy that is looked at
CELLS = 4  # to each side of it
DIRECTIONS = 8  # of edges, over half a turn
HUES, GREYS = 10, 10  # bins of what has a colour, and of what has none
COLOURFUL = 0.15  # saturation times brightness from which on a pixel has a colour
TEXTURE_SIDES = (128, 64, 32)
TOLERANCE = 3.0  # of 255: a neighbour is brighter when it is so by more
PATTERNS = 10  # 0 to 8 brighter neighbours side by side, and all that is not side by side
FAINT = 0.05  # a part that is shorter says little, and is not stretched to unit length

WEIGHTS = {"colours": 1.0, "layout": 1.0, "edges": 1.0, "texture": 0.5}
DIMENSION = (
    HUES * 4 + GREYS
    + 3 * CELLS * CELLS
    + DIRECTIONS * CELLS * CELLS
    + PATTERNS * len(TEXTURE_SIDES)
)  # fmt: skip


class DescriptorEmbedder:
    """Vectors of `DIMENSION` numbers. Runs on the CPU in a few milliseconds, needs no weights."""

    dimension = DIMENSION

    @property
    def identity(self) -> Identity:
        parts = (VERSION, SIDE, CELLS, DIRECTIONS, HUES, GREYS, COLOURFUL, TEXTURE_SIDES,
                 TOLERANCE, PATTERNS, FAINT, sorted(WEIGHTS.items()))  # fmt: skip
        return Identity(
            engine="embedded",
            model=f"parjanya-{VERSION}",
            revision="sha256:" + hashlib.sha256(repr(parts).encode()).hexdigest(),
            prompt="",
            determinism="numerical",
        )

    def check(self) -> None:
        """There is nothing to look for."""

    def warm(self) -> None:
        """There is nothing to load."""

    def embed(self, images: Sequence[Image]) -> Vector:
        """Vectors (n, `DIMENSION`) of unit length. Raises `InvalidImage`."""
        import numpy as np

        require_images(images)
        if not images:
            return np.zeros((0, DIMENSION), np.float32)
        return np.stack(workers.each(describe, images))

    def embed_words(self, texts: Sequence[str]) -> Vector:
        """Raises `NoWords`."""
        raise NoWords("the descriptor knows colours, edges and texture, and no words")


def describe(image: Image) -> Vector:
    """The vector of one RGB image (h, w, 3): float32 (`DIMENSION`,), of unit length."""
    import cv2
    import numpy as np

    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    grey: Any = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    parts = {
        "colours": _colours(small),
        "layout": _layout(small),
        "edges": _edges(grey),
        "texture": _texture(grey),
    }
    vector = np.concatenate([WEIGHTS[name] * _unit(part) for name, part in parts.items()])
    length = float(np.linalg.norm(vector))
    return (vector / length).astype(np.float32)  # the greys of a picture are never all empty


def _unit(part: Any) -> Any:
    import numpy as np

    return part / max(float(np.linalg.norm(part)), FAINT)


def _colours(small: Any) -> Any:
    """Square roots of shares, so that the product of two histograms is their Bhattacharyya one."""
    import cv2
    import numpy as np

    hue, saturation, value = (
        channel.ravel() for channel in cv2.split(cv2.cvtColor(small, cv2.COLOR_RGB2HSV))
    )
    colourful = np.minimum(saturation * value / COLOURFUL, 1.0)
    place = hue / 360.0 * HUES
    first = np.floor(place).astype(np.int64)
    beyond = place - first
    counts = np.zeros(HUES * 4)
    for bin_, share in ((first, 1 - beyond), (first + 1, beyond)):
        for level, vivid in ((0, 1 - saturation), (1, saturation)):
            for light, bright in ((0, 1 - value), (1, value)):
                index = (bin_ % HUES) * 4 + level * 2 + light
                weight = share * vivid * bright * colourful
                counts += np.bincount(index, weight, HUES * 4)
    place = value * (GREYS - 1)
    first = np.minimum(np.floor(place).astype(np.int64), GREYS - 2)
    beyond = place - first
    greys = np.bincount(first, (1 - beyond) * (1 - colourful), GREYS)
    greys = greys + np.bincount(first + 1, beyond * (1 - colourful), GREYS)
    return np.sqrt(np.maximum(np.concatenate([counts, greys]), 0.0) / hue.size)


def _layout(small: Any) -> Any:
    import cv2
    import numpy as np

    levels = cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb)
    cells = cv2.resize(levels, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    return ((cells - 0.5) * np.array([1.0, 2.0, 2.0])).ravel()


def _edges(grey: Any) -> Any:
    import cv2
    import numpy as np

    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    strength = np.hypot(across, down).ravel() / grey.size
    place = (np.arctan2(down, across) % np.pi).ravel() / np.pi * DIRECTIONS
    first = np.floor(place).astype(np.int64)
    beyond = place - first
    step = np.arange(SIDE) // (SIDE // CELLS)
    cell = (step[:, None] * CELLS + step[None, :]).ravel() * DIRECTIONS
    length = CELLS * CELLS * DIRECTIONS
    counts = np.bincount(cell + first % DIRECTIONS, strength * (1 - beyond), length)
    counts = counts + np.bincount(cell + (first + 1) % DIRECTIONS, strength * beyond, length)
    return np.sqrt(np.maximum(counts, 0.0))


def _texture(grey: Any) -> Any:
    import cv2
    import numpy as np

    histograms = []
    for side in TEXTURE_SIDES:
        at: Any = cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA) * 255
        centre = at[1:-1, 1:-1] + TOLERANCE
        ring = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))
        brighter = np.stack([at[y : side - 2 + y, x : side - 2 + x] > centre for y, x in ring])
        changes = np.count_nonzero(brighter != np.roll(brighter, 1, axis=0), axis=0)
        pattern = np.where(changes <= 2, np.count_nonzero(brighter, axis=0), PATTERNS - 1)
        counts = np.bincount(pattern.ravel(), minlength=PATTERNS)
        histograms.append(np.sqrt(counts / counts.sum()))
    return np.concatenate(histograms)
