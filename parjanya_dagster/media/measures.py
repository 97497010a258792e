"""Technical measures of an image's pixels. Arrays in, finite floats out; no file, no decoder.

Sums run over whole numbers wherever the pixels are: those are the same on every processor.

Unless it says otherwise a measure is taken on the preview (long side at most 1024 pixels), because
that is the scale at which a person judges a photograph.
"""

from __future__ import annotations

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
    # Sums of a few grey levels fit 16 bits, at half the memory traffic of floats.
    plane = np.asarray(luma).astype(np.int16)
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
    """Standard deviation of noise, in grey levels, in the smoother parts of (h, w) int16 luma.

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
        strip = luma[top : top + 18, : width + 2]
        rows = strip[:-2] - 2 * strip[1:-1] + strip[2:]
        residual = np.abs(rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:])
        columns = residual.sum(axis=0, dtype=np.int32)
        tiles.append(columns.reshape(-1, 16).sum(axis=1) / 256)
    # For Gaussian noise of deviation s the residual has deviation 6 s.
    return float(np.percentile(np.concatenate(tiles), 25) * (np.pi / 2) ** 0.5 / 6)


def sharpness(luma: np.ndarray, noise: float) -> float:
    """How narrow the edges of (h, w) int16 luma are: 1 for a step, falling to 0 with blur.

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
    even = luma[:height, :width]
    pairs = even[::2] + even[1::2]
    sums = pairs[:, ::2] + pairs[:, 1::2]  # four pixels each
    coarse_y, coarse_x = (np.float32(1 / 32) * g for g in _gradient_times_8(sums))
    power = coarse_y**2 + coarse_x**2
    floor = max(4.0, 4.0 * noise)  # in grey levels per coarse pixel
    rows, columns = _ridges(
        power,
        np.abs(coarse_y) > np.abs(coarse_x),
        max(floor**2, float(np.percentile(power[::2, ::2], 97))),
    )
    if len(rows) < 8:
        return 0.0
    coarse_energy = power[rows, columns].astype(np.float64)
    along_y = coarse_y[rows, columns] / np.sqrt(coarse_energy)
    along_x = coarse_x[rows, columns] / np.sqrt(coarse_energy)
    fine_energy = np.zeros(len(rows))
    # The border being cut, coarse pixel (i, j) lies over the fine pixels 2i+2 and 2i+3.
    for dy in (2, 3):
        for dx in (2, 3):
            fine_y, fine_x = _gradient_at(even, 2 * rows + dy, 2 * columns + dx)
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


def _ridges(power: Any, is_steep: Any, threshold: float) -> tuple[Any, Any]:
    """Where `power` exceeds `threshold` and both neighbours across the edge. Borders excluded."""
    import numpy as np

    rows, columns = np.nonzero(power[1:-1, 1:-1] >= threshold)
    rows, columns = rows + 1, columns + 1
    down = is_steep[rows, columns].astype(np.intp)
    right = 1 - down
    here = power[rows, columns]
    kept = (here >= power[rows - down, columns - right]) & (
        here >= power[rows + down, columns + right]
    )
    return rows[kept], columns[kept]


def _gradient_times_8(plane: Any) -> tuple[Any, Any]:
    """Gradients (y, x) by central differences over [1 2 1] across; the border is cut by 1.

    For sums of four pixels: no step exceeds 8 · 1020, which fits 16 bits.
    """
    down = plane[2:] - plane[:-2]
    right = plane[:, 2:] - plane[:, :-2]
    across_x = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
    across_y = right[:-2] + 2 * right[1:-1] + right[2:]
    return across_x, across_y


def _gradient_at(plane: Any, row: Any, column: Any) -> tuple[Any, Any]:
    """Such gradients, per pixel, at single pixels (row, column), given as index arrays."""

    def at(dy: int, dx: int) -> Any:
        return plane[row + dy, column + dx]

    down = [at(1, dx) - at(-1, dx) for dx in (-1, 0, 1)]
    right = [at(dy, 1) - at(dy, -1) for dy in (-1, 0, 1)]
    down_x, right_y = ((d[0] + 2 * d[1] + d[2]) * 0.125 for d in (down, right))
    return down_x, right_y


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
