"""Direct measures of five kinds of damage: blur, noise, JPEG blocks, too dark, too bright.

PIQE alone does not see exposure, and a little noise makes it happier. Each measure here answers
one question, so that a low quality can be explained. All are taken at the preview's own pixels:
shrinking would hide the damage. Sums run over whole numbers, so no processor rounds them otherwise,
and 16 bits hold them, so they are quick.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from gpu_ops.embedded.statistics import levels_of

if TYPE_CHECKING:
    from gpu_ops.interface import Image

VERSION = "damage@5"

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

    grey: Any = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    levels = grey
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
        "highlights": round(_highlights(image, grey), 4),
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


def _edges(length: int, per_side: int) -> Any:
    """Where tiles begin and end along a side."""
    import numpy as np

    return np.linspace(0, length, per_side + 1).astype(int)


def _areas(shape: tuple[int, ...], per_side: int) -> Any:
    """Pixels of each tile, rows first."""
    import numpy as np

    return np.outer(*(np.diff(_edges(side, per_side)) for side in shape)).ravel()


def _sums(values: Any, per_side: int) -> Any:
    """The sum of each tile of a plane (h, w) of 8 or 16 bits, rows first."""
    import cv2
    import numpy as np

    rows, columns = (_edges(side, per_side) for side in values.shape)
    return np.array([
        cv2.sumElems(values[top:bottom, left:right])[0]
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
    ])  # fmt: skip


def _blur(levels: Any, noise: float) -> float:
    """Noise looks sharp, so it is averaged first, and steps it could still explain do not count.

    All of it is counted in shares of a level: a mean of 9 is their sum, a mean of 9 of those too.
    """
    import cv2
    import numpy as np

    sums: Any = cv2.boxFilter(levels, cv2.CV_16U, (3, 3), normalize=False)
    explained = 3 * 0.27 * noise  # a step between overlapping means deviates by 0.27 of the noise

    total: Any = 0.0
    lost: Any = 0.0
    area: Any = 0.0
    for axis in (0, 1):
        step = _steps(sums, axis)
        # Blurred by 9, two neighbours differ by what one has gained and what it has lost.
        beyond = (4, 4, 0, 0) if axis == 0 else (0, 0, 4, 4)
        wide: Any = cv2.copyMakeBorder(sums, *beyond, cv2.BORDER_REFLECT_101)
        again = _steps(wide, axis, 9)
        drop = cv2.subtract(step * np.uint16(9), again)  # what is under nothing is nothing
        total = total + _over(step, 9 * explained) / 9
        lost = lost + _over(drop, 81 * explained) / 81
        area = area + _areas(step.shape, BLUR_TILES)
    active = total / np.maximum(area, 1) > ACTIVE
    if np.count_nonzero(active) < 4:
        return 1.0
    return float(np.sort(1 - lost[active] / total[active])[:4].mean())


def _over(values: Any, least: float) -> Any:
    """Of each tile, by how much values (h, w) of 16 bits exceed this, in sum."""
    import cv2
    import numpy as np

    whole: Any = float(int(least))
    left = cv2.subtract(values, whole)
    exceeds = (left > 0).view(np.uint8)
    return _sums(left, BLUR_TILES) - (least - whole) * _sums(exceeds, BLUR_TILES)


def _steps(values: Any, axis: int, apart: int = 1) -> Any:
    """How far each value is from the next one along an axis, or from the one so far `apart`."""
    import cv2

    if axis == 0:
        return cv2.absdiff(values[apart:], values[:-apart])
    return cv2.absdiff(values[:, apart:], values[:, :-apart])


def _noise(levels: Any) -> float:
    import cv2
    import numpy as np

    second = np.array([1, -2, 1], np.float32)  # of both axes: at most 16 times a level
    response: Any = cv2.sepFilter2D(levels, cv2.CV_16S, second, second)
    area = _areas(levels.shape, NOISE_TILES)
    deviation = _sums(np.abs(response, out=response), NOISE_TILES) / area
    level = _sums(levels, NOISE_TILES) / area
    lit = (level > 20) & (level < 235)  # clipped areas hide their noise
    if np.count_nonzero(lit) >= 6:
        deviation = deviation[lit]
    return float(np.percentile(deviation, 10) * np.sqrt(np.pi / 2) / 6)


def _highlights(image: Image, grey: Any) -> float:
    """White paper is no over-exposure: what is drawn on it has harder edges than a lens gives."""
    import cv2
    import numpy as np

    if min(image.shape[:2]) < 2:  # a line of pixels has no edges in two directions
        image = np.repeat(np.repeat(image, 2, axis=0), 2, axis=1)
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
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
