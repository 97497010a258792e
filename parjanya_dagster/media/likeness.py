"""Whether two images show the same picture: hashes to find candidates, thumbnails to confirm.

A perceptual hash alone is no proof: two pages of one template differ in 4 of its 64 bits, a light
crop of one photograph in 20. So hashes only find candidates. Two thumbnails decide, laid over
each other under the best of some light crops. Thresholds are measured: see `docs/duplicates.md`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

from .phash import phash

MARGINS = (0.0, 0.04, 0.08)
"""A view is the image without this share of its width and height on each side."""
SIDE, TINTS, GRID = 32, 12, 16
"""Cells per axis: of the recorded luma, of the recorded chroma, of the comparison."""
FLATTEST = 4.0  # standard deviation of luma under which there is no picture to recognise
_BLOCKS, _BITS = 5, 10
_STEP, _MOST = 0.02, 0.10  # crops that are tried: share of the side, per side


def likeness(rgb: Any, luma: Any) -> dict[str, Any]:
    """The part of the "validated" evidence that near duplicates are found by.

    `rgb` is an array (height, width, 3) of bytes, `luma` the same as a Pillow image of mode "L".
    `views`: hashes of the image and of its middle, 16 hex digits each; none where it is too flat
    to be recognised. `thumbnail`: base64 of 32×32 luma and twice 12×12 chroma, bytes in rows.
    """
    import numpy as np
    from PIL import Image

    cells = luma.resize((4 * SIDE, 4 * SIDE), Image.Resampling.BOX, reducing_gap=1.0)
    source = cells if min(luma.size) > 8 * SIDE else luma  # twice averaged, small ones would blur
    small = np.asarray(source.resize((SIDE, SIDE), Image.Resampling.BOX))
    step = max(1, min(rgb.shape[:2]) // (6 * TINTS))
    colours = Image.fromarray(np.ascontiguousarray(rgb[::step, ::step])).convert("YCbCr")
    tints = np.asarray(colours.resize((TINTS, TINTS), Image.Resampling.BOX))[..., 1:]
    levels = small.astype(np.int64)  # whole numbers: the same answer on every machine
    spread = levels.size * int((levels**2).sum()) - int(levels.sum()) ** 2
    flat = spread < (FLATTEST * levels.size) ** 2
    views = [] if flat else [_view(cells, margin) for margin in MARGINS]
    packed = small.tobytes() + tints[..., 0].tobytes() + tints[..., 1].tobytes()
    return {"views": views, "thumbnail": base64.b64encode(packed).decode()}


def _view(cells: Any, margin: float) -> str:
    from PIL import Image

    edge = margin * cells.width
    box = (edge, edge, cells.width - edge, cells.height - edge)
    return phash(cells.resize((32, 32), Image.Resampling.LANCZOS, box=box))


def keys(views: Sequence[str]) -> dict[str, int]:
    """What an image with these views is filed under: key -> the hash of the view it is from.

    The 50 lowest frequencies of a hash make five blocks of ten bits. Each two of them make a key,
    so hashes that differ in at most three of those bits share one. Hashes are signed, 64 bits.
    """
    filed: dict[str, int] = {}
    for view in views:
        value = int(view, 16)
        blocks = [
            sum((value >> (63 - bit) & 1) << shift for shift, bit in enumerate(block))
            for block in _blocks()
        ]
        signed = value - (1 << 64) if value >> 63 else value
        for n, (a, b) in enumerate(combinations(range(_BLOCKS), 2)):
            filed.setdefault(f"{n}{blocks[a] << _BITS | blocks[b]:05x}", signed)
    return filed


def apart(one: int, other: int) -> int:
    """Bits that differ between two signed hashes of 64 bits."""
    return ((one ^ other) & (1 << 64) - 1).bit_count()


@cache
def _blocks() -> list[list[int]]:
    """Positions in the hash, lowest frequencies first: those survive a crop best."""
    order = sorted(range(64), key=lambda at: (at // 8 + at % 8, max(at // 8, at % 8), at))
    return [order[n * _BITS : (n + 1) * _BITS] for n in range(_BLOCKS)]


@dataclass(frozen=True)
class Match:
    """How well two thumbnails lie over each other, under the best light crop. In grey levels."""

    correlation: float  # of luma, 1 for the same
    error: float  # root mean square of luma, after the exposure was made equal
    worst: float  # the largest error of any cell
    uncropped: float  # `error` where nothing is cropped
    tint: float  # mean error of chroma

    @property
    def same(self) -> bool:
        """Whether both show one picture.

        Either they agree everywhere, or a crop explains them: with it they agree, and without it
        they are much worse. Pages of one template gain little by any crop.
        """
        if self.correlation < 0.96 or self.tint > 4.0:
            return False
        if self.worst <= 9.0 or (self.worst <= 16.0 and self.error <= 1.6):
            return True
        return self.worst <= 32.0 and self.error <= min(7.0, 0.62 * self.uncropped)


def alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> Match:
    """Compare what `likeness` recorded of two images. The order of the two does not matter."""
    first, second = sorted((str(one["thumbnail"]), str(other["thumbnail"])))
    (a, a_tint), (b, b_tint) = _unpacked(first), _unpacked(second)
    maps = _maps(SIDE)
    count = len(maps)
    # Along each axis either one of them is cropped or the other: (map of a, map of b).
    options = [(n, 0) for n in range(count)] + [(0, n) for n in range(1, count)]
    of_a, of_b = (maps[[pair[k] for pair in options]] for k in (0, 1))
    x = y = 0
    for _ in range(4):  # one axis after the other, until neither changes
        rows_a, rows_b = of_a[y] @ a, of_b[y] @ b
        x_new = _best(rows_a @ of_a.swapaxes(1, 2), rows_b @ of_b.swapaxes(1, 2))
        y_new = _best(of_a @ (a @ of_a[x_new].T), of_b @ (b @ of_b[x_new].T))
        settled, x, y = (x, y) == (x_new, y_new), x_new, y_new
        if settled:
            break
    tint_maps = _maps(TINTS, 8)
    tint_a, tint_b = (tint_maps[[pair[k] for pair in options]] for k in (0, 1))
    whole = maps[0]
    correlation, gain, error, worst = _fit(of_a[y] @ a @ of_a[x].T, of_b[y] @ b @ of_b[x].T)
    _, _, uncropped, _ = _fit(whole @ a @ whole.T, whole @ b @ whole.T)
    tints = tint_a[y] @ a_tint @ tint_a[x].T - gain * (tint_b[y] @ b_tint @ tint_b[x].T)
    return Match(correlation, error, worst, uncropped, float(abs(tints).mean()))


def _unpacked(thumbnail: str) -> tuple[Any, Any]:
    """Luma (32, 32) and chroma (2, 12, 12) around 0, as floats."""
    import numpy as np

    data = np.frombuffer(base64.b64decode(thumbnail), dtype=np.uint8).astype(np.float64)
    luma, chroma = data[: SIDE * SIDE], data[SIDE * SIDE :]
    return luma.reshape(SIDE, SIDE), chroma.reshape(2, TINTS, TINTS) - 128.0


@cache
def _maps(cells: int, samples: int = GRID) -> Any:
    """Matrices (samples, cells): each resamples an axis between two margins. The first is whole.

    A sample reaches half a cell beyond its own, so that crops between cells compare well.
    """
    import numpy as np

    margins = np.arange(0.0, _MOST + _STEP / 2, _STEP)
    at = np.arange(cells)[None]
    maps = []
    for before in margins:
        for behind in margins:
            edges = np.linspace(before, 1 - behind, samples + 1) * cells
            low, high = edges[:-1, None] - 0.5, edges[1:, None] + 0.5
            shares = np.clip(np.minimum(high, at + 1) - np.maximum(low, at), 0, None)
            maps.append(shares / shares.sum(axis=1, keepdims=True))
    return np.stack(maps)


def _best(one: Any, other: Any) -> int:
    """Of pairs of pictures (n, h, w), the one that correlates best; the first of equals."""
    import numpy as np

    a, b = (each.reshape(len(each), -1) for each in (one, other))
    a, b = (each - each.mean(axis=1, keepdims=True) for each in (a, b))
    size = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1)) + 1e-3
    return int(np.argmax(np.round((a * b).sum(axis=1) / size, 9)))


def _fit(one: Any, other: Any) -> tuple[float, float, float, float]:
    """Correlation, gain, error and worst error of two pictures after equal exposure."""
    import numpy as np

    a, b = one - one.mean(), other - other.mean()
    square_a, square_b = float((a * a).sum()), float((b * b).sum())
    gain = float(np.clip(np.sqrt((square_a + 1) / (square_b + 1)), 0.75, 1.33))
    error = abs(a - gain * b) / max(1.0, gain**0.5)
    correlation = float((a * b).sum()) / float(np.sqrt((square_a + 1e-3) * (square_b + 1e-3)))
    return correlation, gain, float(np.sqrt((error * error).mean())), float(error.max())
