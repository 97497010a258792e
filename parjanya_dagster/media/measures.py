"""Technical measures of an image's pixels. Arrays in, finite floats out; no file, no decoder.

Sums run over whole numbers wherever the pixels are: those are the same on every processor.

Unless it says otherwise a measure is taken on the preview (long side at most 1024 pixels), because
that is the scale at which a person judges a photograph.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image


def measure(rgb: np.ndarray, luma: Image.Image) -> dict[str, float]:
    """Exposure, colour, noise and sharpness.

    `rgb` is (h, w, 3) uint8 sRGB, `luma` the same pixels as a Pillow image of mode "L" (ITU-R 601).
    """
    import numpy as np

    histogram = luma.histogram()
    count = luma.width * luma.height
    total = sum(level * pixels for level, pixels in enumerate(histogram))
    squares = sum(level**2 * pixels for level, pixels in enumerate(histogram))
    plane = np.asarray(luma)
    noise = noise_sigma(plane)
    measures = {
        "brightness": total / (255 * count),
        "contrast": (count * squares - total**2) ** 0.5 / (255 * count),
        "clipped_dark": sum(histogram[:3]) / count,
        "clipped_bright": sum(histogram[253:]) / count,
        "colourfulness": colourfulness(rgb),
        "noise": noise,
        "sharpness": sharpness(plane, noise),
    }
    return {name: round(float(value), 5) for name, value in measures.items()}


def colourfulness(rgb: np.ndarray) -> float:
    """M3 of Hasler and Süsstrunk, "Measuring colourfulness in natural images" (2003).

    0 for grey, about 30 for a muted and 80 for a vivid photograph.
    """
    import numpy as np

    # Statistics of a ninth of the pixels move by less than the third digit.
    red, green, blue = (rgb[::3, ::3, band].astype(np.int32) for band in range(3))
    spread = mean = 0.0
    for opponent, unit in ((red - green, 1), (red + green - 2 * blue, 2)):
        count, total = opponent.size, int(opponent.sum(dtype=np.int64))
        squares = int((opponent * opponent).sum(dtype=np.int64))
        spread += (count * squares - total**2) / (unit * count) ** 2
        mean += total**2 / (unit * count) ** 2
    return float(spread**0.5 + 0.3 * mean**0.5)


def noise_sigma(luma: np.ndarray) -> float:
    """Standard deviation of noise, in grey levels, in the smoother parts of (h, w) uint8 luma.

    Immerkær's Laplacian difference (1996), which cancels planes and straight edges, averaged over
    16×16 tiles; the lower quartile of the tiles ignores texture.
    """
    import numpy as np

    if min(luma.shape) < 18:
        return 0.0
    height, width = ((side - 2) // 16 * 16 for side in luma.shape)
    tiles = []
    # Every other row of tiles is as telling as all of them.
    for top in range(0, height, 32):
        strip = luma[top : top + 18, : width + 2].astype(np.int16)
        down = strip[1:] - strip[:-1]
        rows = down[1:] - down[:-1]
        across = rows[:, 1:] - rows[:, :-1]
        residual = np.abs(across[:, 1:] - across[:, :-1])  # at most 16 · 255, so 16 fit 16 bits
        columns = residual.view(np.uint16).sum(axis=0, dtype=np.uint16)
        tiles.append(columns.reshape(-1, 16).sum(axis=1, dtype=np.int64) / 256)
    # For Gaussian noise of deviation s the residual has deviation 6 s.
    return float(np.percentile(np.concatenate(tiles), 25) * (np.pi / 2) ** 0.5 / 6)


def sharpness(luma: np.ndarray, noise: float) -> float:
    """How narrow the edges of (h, w) uint8 luma are: 1 for a step, falling to 0 with blur.

    On the ridges of the strongest edges of a coarse version, the energy of the fine gradient is
    compared with the coarse one: for an edge blurred by a Gaussian of b pixels their ratio is
    (coarse variance + b²) / (fine variance + b²). The result is 1 / (1 + b). Edges are chosen
    where noise has been averaged away and the noise's own energy is subtracted, so noise adds
    nothing. 0 where no edge stands out: nothing there is sharp.
    """
    import numpy as np

    height, width = (side // 2 * 2 for side in luma.shape)
    if height < 16 or width < 16:
        return 0.0
    even = np.ascontiguousarray(luma[:height, :width])
    coarse_y, coarse_x = (np.float32(1 / 32) * g for g in _gradient_times_8(_sums_of_four(even)))
    power = coarse_y * coarse_y + coarse_x * coarse_x
    floor = max(4.0, 4.0 * noise)  # in grey levels per coarse pixel
    threshold = max(floor**2, float(np.percentile(power[::2, ::2], 97)))
    ridges = _ridges(power, coarse_y, coarse_x, threshold)
    if len(ridges) < 8:
        return 0.0
    coarse_energy = power.ravel()[ridges].astype(np.float64)
    along_y, along_x = (g.ravel()[ridges] / np.sqrt(coarse_energy) for g in (coarse_y, coarse_x))
    fine_energy = np.zeros(len(ridges))
    rows, columns = np.divmod(ridges, power.shape[1])
    for fine_y, fine_x in _gradients_under(even, rows, columns):
        fine_energy += (fine_y * along_y + fine_x * along_x) ** 2 / 4
    # A central difference over [1 2 1]/4 passes 3/16 of the variance of white noise.
    energy = max(float(fine_energy.mean()) - 0.1875 * noise**2, 0.0)
    # Coarse gradients are per two pixels.
    ratio = energy / (float(coarse_energy.mean()) / 4)
    if ratio <= 1.0:
        return 0.0
    blur_squared = max((_COARSE_VARIANCE - _FINE_VARIANCE * ratio) / (ratio - 1.0), 0.0)
    return float(1.0 / (1.0 + blur_squared**0.5))


# Variances, in pixels², of what lies between a step and each of the two gradients on its ridge.
# Fitted on synthetic edges of every angle and phase; b is met to 0.2 pixels up to b = 3.
_FINE_VARIANCE = 0.70
_COARSE_VARIANCE = 1.88


def _ridges(power: Any, along_y: Any, along_x: Any, threshold: float) -> Any:
    """Where `power`, of these gradients, exceeds `threshold` and both neighbours across the edge.

    Places in the flat array, ascending. Borders excluded.
    """
    import numpy as np

    strong = power >= threshold
    strong[[0, -1]] = strong[:, [0, -1]] = False
    at, power, y, x = np.flatnonzero(strong), power.ravel(), along_y.ravel(), along_x.ravel()
    across = np.where(np.abs(y[at]) > np.abs(x[at]), strong.shape[1], 1)
    here = power[at]
    return at[(here >= power[at - across]) & (here >= power[at + across])]


def _sums_of_four(levels: Any) -> Any:
    """Of each 2 × 2 pixels, of a contiguous plane (h, w) of bytes and even sides, in 16 bits."""
    import numpy as np

    twos = levels.view(np.uint16)  # two neighbours in one number, whichever comes first
    sums = (twos & 255) + (twos >> 8)
    return (sums[::2] + sums[1::2]).view(np.int16)


def _gradient_times_8(plane: Any) -> tuple[Any, Any]:
    """Gradients (y, x) by central differences over [1 2 1] across; the border is cut by 1.

    For sums of four pixels: no step exceeds 8 · 1020, which fits 16 bits.
    """
    down = plane[2:] - plane[:-2]
    right = plane[:, 2:] - plane[:, :-2]
    # Neighbours added twice are [1 2 1].
    down, right = down[:, 1:] + down[:, :-1], right[1:] + right[:-1]
    return down[:, 1:] + down[:, :-1], right[1:] + right[:-1]


def _gradients_under(levels: Any, rows: Any, columns: Any) -> Iterator[tuple[Any, Any]]:
    """Such gradients, per pixel, of the four pixels of a plane of bytes under each coarse one.

    The border being cut, coarse pixel (i, j) lies over the fine pixels 2i+2 and 2i+3.
    """
    import numpy as np

    width = levels.shape[1]
    flat, corner = levels.ravel(), (2 * rows + 1) * width + 2 * columns + 1
    around = [
        [flat[corner + (dy * width + dx)].astype(np.int16) for dx in range(4)] for dy in range(4)
    ]
    for y in (1, 2):
        for x in (1, 2):
            down = [around[y + 1][at] - around[y - 1][at] for at in (x - 1, x, x + 1)]
            right = [around[at][x + 1] - around[at][x - 1] for at in (y - 1, y, y + 1)]
            down_x, right_y = ((d[0] + 2 * d[1] + d[2]) * 0.125 for d in (down, right))
            yield down_x, right_y


def flat_share(pixels: np.ndarray) -> float:
    """Share of pixels exactly equal to their left neighbour, of an (h, w, bands) array as decoded.

    High in drawings and screenshots, low in photographs. Rescaling or lossy coding before it would
    break exact equality, so it takes rows as decoded.
    """
    if pixels.shape[1] < 2:
        return 0.0
    equal = pixels[:, 1:, 0] == pixels[:, :-1, 0]
    for band in range(1, pixels.shape[2]):
        equal &= pixels[:, 1:, band] == pixels[:, :-1, band]
    return round(float(equal.mean()), 5)
