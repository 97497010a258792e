"""Direct measures of five kinds of damage: blur, noise, JPEG blocks, too dark, too bright.

PIQE alone does not see exposure, and a little noise makes it happier. Each measure here answers
one question, so that a low quality can be explained. All are taken at the preview's own pixels:
shrinking would hide the damage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from gpu_ops.embedded.statistics import levels_of

if TYPE_CHECKING:
    from gpu_ops.interface import Image

VERSION = "damage@4"

#: Each grows with its damage.
NAMES = ("blur", "noise", "blockiness", "darkness", "highlights")

# In grey levels. The preview is a JPEG too: in a calm sea or a dark photograph its own grid is the
# largest step there is, and nobody sees it.
VISIBLE = 1.0
ACTIVE = 0.5  # mean step, of 255, under which a tile says nothing about sharpness
BLUR_TILES = 6  # per side; the four sharpest decide, so a soft background is no damage
NOISE_TILES = 12  # per side; the calmest tenth decides, so texture is no noise

SMALLEST_SIDE = 32  # a smaller image is continued to this by its border
# Of the edges, the share that is very hard: 9 of 10 over-exposed photographs stay under the first,
# most pages, slides and drawings on white are over the second.
SOFT_EDGES, DRAWN_EDGES = 0.12, 0.25


def measure(image: Image) -> dict[str, float | None]:
    """Return the measures of one image (h, w, 3), uint8 RGB.

    blur: 0..1, the share of gradients that blurring again would leave (after Crete et al. 2007).
        None on an image of one colour: it has no gradient.
    noise: standard deviation of the calmest areas, of 255 (after Immerkær 1996).
    blockiness: how much larger steps on the 8-pixel grid are than steps beside it, in shares of
        those, or in grey levels where those are under one level; 0 without blocks.
    darkness: how far the 99th percentile of brightness stays under white, 0..1.
    highlights: share of pixels with a channel at its limit, less where the image looks drawn.
    """
    import cv2

    levels: Any = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    tall, wide = levels.shape
    if min(tall, wide) < SMALLEST_SIDE:  # repeat the border: it adds no gradient
        down, right = max(0, SMALLEST_SIDE - tall), max(0, SMALLEST_SIDE - wide)
        levels = cv2.copyMakeBorder(levels, 0, down, 0, right, cv2.BORDER_REPLICATE)
    noise = _noise(levels)
    return {
        "blur": None if levels.min() == levels.max() else round(_blur(levels, noise), 4),
        "noise": round(noise, 4),
        "blockiness": round(_blockiness(levels), 4),
        "darkness": round(1 - _bright(levels) / 255, 4),
        "highlights": round(_highlights(image), 4),
    }


def blocks(seen: float | None, technical: Mapping[str, Any] | None) -> float | None:
    """Return the blockiness of the source, where it was measured there.

    seen: what `measure` found on the preview. It stands where nothing else is known. It may be the
        preview's own grid, and the blocks of a source that was made smaller are not in it.
    technical: the measures of the source, as in `validated.technical`. Evidence of versions before
        7 has no `block_size`; its blockiness was another measure, which is not used.
    """
    known = technical or {}
    if "block_size" not in known:
        return seen
    return round(float(known["blockiness"]), 4)


def _bright(levels: Any) -> float:
    """The 99th percentile, from how often each level occurs."""
    import numpy as np

    until = np.cumsum(levels_of(levels).astype(np.int64))
    # In single precision, as NumPy interpolates between single-precision values.
    at = np.float32(levels.size - 1) * (np.float32(99) / np.float32(100))
    below = int(at)
    low, high = (int(np.searchsorted(until, place + 1)) for place in (below, below + 1))
    return float(low + (at - below) * (min(high, 255) - low))


def _tiles(values: Any, per_side: int) -> Iterator[Any]:
    import numpy as np

    rows = np.linspace(0, values.shape[0], per_side + 1).astype(int)
    columns = np.linspace(0, values.shape[1], per_side + 1).astype(int)
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            yield values[top:bottom, left:right]


def _blur(levels: Any, noise: float) -> float:
    """Noise looks sharp, so it is averaged first, and steps it could still explain do not count."""
    import cv2
    import numpy as np

    grey = cv2.blur(levels.astype(np.float32), (3, 3))
    explained = 3 * 0.27 * noise  # a step between overlapping means deviates by 0.27 of the noise

    total: Any = 0.0
    lost: Any = 0.0
    area: Any = 0.0
    for axis, kernel in ((0, (1, 9)), (1, (9, 1))):
        step, again = _steps(grey, axis), _steps(cv2.blur(grey, kernel), axis)
        step -= np.float32(explained)
        np.maximum(step, 0, out=step)
        tiles = list(_tiles(step, BLUR_TILES))
        total = total + np.array([tile.sum() for tile in tiles])
        area = area + np.array([tile.size for tile in tiles])
        drop = np.subtract(step, again, out=again)
        np.maximum(drop, 0, out=drop)
        lost = lost + np.array([tile.sum() for tile in _tiles(drop, BLUR_TILES)])
    active = total / np.maximum(area, 1) > ACTIVE
    if np.count_nonzero(active) < 4:
        return 1.0
    return float(np.sort(1 - lost[active] / total[active])[:4].mean())


def _steps(values: Any, axis: int) -> Any:
    """How far each value is from the next one along an axis."""
    import cv2

    if axis == 0:
        return cv2.absdiff(values[1:], values[:-1])
    return cv2.absdiff(values[:, 1:], values[:, :-1])


def _noise(levels: Any) -> float:
    import cv2
    import numpy as np

    second = np.array([1, -2, 1], np.float32)  # of both axes: whole numbers, so exact
    response: Any = cv2.sepFilter2D(levels, cv2.CV_32F, second, second)
    np.abs(response, out=response)
    deviation = np.array([tile.mean() for tile in _tiles(response, NOISE_TILES)])
    level = np.array([tile.mean() for tile in _tiles(levels, NOISE_TILES)])
    lit = (level > 20) & (level < 235)  # clipped areas hide their noise
    if np.count_nonzero(lit) >= 6:
        deviation = deviation[lit]
    return float(np.percentile(deviation, 10) * np.sqrt(np.pi / 2) / 6)


def _highlights(image: Image) -> float:
    """White paper is no over-exposure: what is drawn on it has harder edges than a lens gives."""
    import cv2
    import numpy as np

    if min(image.shape[:2]) < 2:  # a line of pixels has no edges in two directions
        image = np.repeat(np.repeat(image, 2, axis=0), 2, axis=1)
    grey: Any = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    right: Any = cv2.absdiff(grey[:-1, 1:], grey[:-1, :-1])
    below: Any = cv2.absdiff(grey[1:, :-1], grey[:-1, :-1])
    step: Any = cv2.max(right, below)
    hard = int(np.count_nonzero(step > 96)) / max(int(np.count_nonzero(step > 12)), 1)
    drawn = (hard - SOFT_EDGES) / (DRAWN_EDGES - SOFT_EDGES)
    red, green, blue = cv2.split(image)
    brightest: Any = cv2.max(cv2.max(red, green), blue)
    clipped = int(np.count_nonzero(brightest >= 254)) / brightest.size
    return float(clipped * (1 - min(1.0, max(0.0, drawn))))


def _blockiness(levels: Any) -> float:
    import cv2
    import numpy as np

    ratios = []
    for axis in (0, 1):
        step = _steps(levels, axis)
        sums: Any = cv2.reduce(step, 1 - axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
        steps = (sums.ravel() / step.shape[1 - axis]).astype(np.float32)
        if len(steps) < 16:
            return 0.0
        phases = np.array([steps[phase::8].mean() for phase in range(8)])
        beside = phases[:7].mean()
        ratios.append((phases[7] - beside) / max(beside, VISIBLE))
    return max(0.0, float(np.mean(ratios)))
