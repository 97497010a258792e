"""Reduces a picture to a few cells. It counts in whole numbers: every machine finds the same.

A cell is the mean of the area that it covers. A pixel that lies in two cells counts for each by the
share of its area. So the cells of a picture and of a resized copy agree, whatever their sizes.
"""

from __future__ import annotations

from typing import Any

_ENOUGH = 192  # pixels per axis: a larger picture is first reduced by a whole factor


def area_means(luma: Any, rows: int, columns: int) -> Any:
    """Means of a Pillow image of mode "L" over `rows`×`columns` cells, rounded, as bytes."""
    import numpy as np

    across, down = (max(1, side // _ENOUGH) for side in luma.size)
    pixels = np.asarray(luma.reduce((across, down)))
    width, height = luma.size
    sums = _sums(pixels, height, down, rows)
    sums = _sums(np.ascontiguousarray(sums.T), width, across, columns).T
    area = height * width
    return ((2 * sums + area) // (2 * area)).astype(np.uint8)


def _sums(pixels: Any, length: int, factor: int, cells: int) -> Any:
    """Sums along the first axis over `cells` equal parts of `length`, times `cells` × `factor`.

    Each pixel stands for `factor` of the length, but the last one may reach beyond the end.
    """
    import numpy as np

    until = np.zeros((len(pixels) + 1, *pixels.shape[1:]), dtype=np.int64)
    np.cumsum(pixels, axis=0, out=until[1:])
    whole, part = np.divmod(np.arange(cells + 1) * length, cells * factor)
    beyond = pixels[np.minimum(whole, len(pixels) - 1)].astype(np.int64)
    return np.diff(until[whole] * (cells * factor) + beyond * part[:, None], axis=0)
