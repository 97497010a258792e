"""What is recorded of an image so that near duplicates are found: hashes, and a small picture.

A perceptual hash alone proves nothing. Two pages of one template may differ in only 4 of its 64
bits, and a photograph and a slight crop of it in 20. So hashes only find candidates. Then
`resemblance` compares the small pictures of two images and decides.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cache
from itertools import combinations
from typing import Any

from .cells import area_means
from .phash import SIDE as HASHED
from .phash import phashes

SIDE, TINTS = 64, 12
"""Cells per axis of the small picture: of luma, of chroma."""
NEAR = 12
"""Bits of a hash that may differ between candidates where no policy says: as in `default@2`."""
FLATTEST = 4.0  # standard deviation of luma under which there is no picture to recognise
MARGINS = (0.0, 0.05, 0.1)
_PART = 0.1
VIEWS = (
    *((margin, margin, 1 - margin, 1 - margin) for margin in MARGINS),
    (_PART, 0.0, 1.0, 1.0),
    (0.0, _PART, 1.0, 1.0),
    (0.0, 0.0, 1 - _PART, 1.0),
    (0.0, 0.0, 1.0, 1 - _PART),
)
"""Left, top, right and bottom of the parts that are hashed, as shares of the sides."""
_LEAN = range(len(MARGINS), len(VIEWS) + 1)  # parts without one side, and the mirror image
_BLOCKS, _BITS, _LOWEST = 5, 10, 3
_PLAIN = 6  # grey levels by which an edge may differ from its own colour
_WIDEST = 0.3  # share of a side that may be border


def likeness(rgb: Any, luma: Any) -> dict[str, Any]:
    """The part of the "validated" evidence that near duplicates are found by.

    `rgb` is an array (height, width, 3) of bytes, `luma` the same as a Pillow image of mode "L".
    `views`: hashes of the image, of parts of it, and of it in a mirror, 16 hex digits each; none
    where it is too flat to be recognised. `content`: where the picture lies if it has a border or a
    caption: left, top, right, bottom in cells of 1/128. `thumbnail`: base64 of 64×64 luma and twice
    12×12 chroma, bytes in rows.
    """
    import numpy as np
    from PIL import Image

    fine = area_means(luma, 2 * SIDE, 2 * SIDE)
    pairs = fine[::2].astype(np.int16) + fine[1::2]
    small = ((pairs[:, ::2] + pairs[:, 1::2] + 2) >> 2).astype(np.uint8)
    step = max(1, min(rgb.shape[:2]) // (6 * TINTS))
    colours = Image.fromarray(np.ascontiguousarray(rgb[::step, ::step])).convert("YCbCr")
    tints = np.asarray(colours.resize((TINTS, TINTS), Image.Resampling.BOX))[..., 1:]
    levels = small.astype(np.int64)  # whole numbers: the same answer on every machine
    spread = levels.size * int((levels**2).sum()) - int(levels.sum()) ** 2
    packed = small.tobytes() + tints[..., 0].tobytes() + tints[..., 1].tobytes()
    seen: dict[str, Any] = {"views": [], "thumbnail": base64.b64encode(packed).decode()}
    if spread < (FLATTEST * levels.size) ** 2:
        return seen
    cells = Image.fromarray(fine)
    parts = [tuple(2 * SIDE * share for share in view) for view in VIEWS]
    mirrored = cells.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    views: list[tuple[Any, Any]] = [*((cells, part) for part in parts), (mirrored, parts[0])]
    if (box := content(fine)) is not None:
        seen["content"] = list(box)
        views.append((cells, box))
    size = (HASHED, HASHED)
    seen["views"] = phashes(
        [of.resize(size, Image.Resampling.LANCZOS, box=part) for of, part in views]
    )
    return seen


def content(cells: Any) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of the picture in its border or above its caption, if it has one.

    A border is of one colour. A caption is a strip along one side, most of it in one colour.
    """
    import numpy as np

    levels = cells.astype(np.int16)
    rows, columns = levels.shape
    top, bottom = _strip(levels), rows - _strip(levels[::-1])
    levels = levels[top:bottom]
    left, right = _strip(levels.T), columns - _strip(levels.T[::-1])
    if (left, top, right, bottom) == (0, 0, columns, rows):
        return None
    return left, top, right, bottom


def _strip(levels: Any) -> int:
    """How many of the first rows are border or caption: 0 unless they end at an edge."""
    import numpy as np

    ground = int(np.median(levels[0]))
    most = int(_WIDEST * len(levels))
    plain = (abs(levels[: most + 8] - ground) <= _PLAIN).mean(axis=1)
    if plain[0] < 0.9:
        return 0
    # The last plain row; what follows is picture all along.
    whole = np.flatnonzero(plain[: most + 1] >= 0.9)
    last = int(whole[-1])
    if last >= most or plain[last + 2 : last + 8].max(initial=0.0) > 0.6:
        return 0
    return last + 1


def keys(views: Sequence[str]) -> dict[str, int]:
    """What an image with these views is filed under: key -> the hash of the view it is from.

    The 50 lowest frequencies of a hash make five blocks of ten bits. Each two of them make a key,
    so hashes that differ in at most three of those bits share one. Of a part without one side and
    of the mirror image only the three lowest blocks do: that finds nearly as many, for a third of
    the keys. Hashes are signed, 64 bits.
    """
    filed: dict[str, int] = {}
    for place, view in enumerate(views):
        value = int(view, 16)
        blocks = [
            sum((value >> (63 - bit) & 1) << shift for shift, bit in enumerate(block))
            for block in _blocks()
        ]
        signed = value - (1 << 64) if value >> 63 else value
        for n, (a, b) in enumerate(combinations(range(_BLOCKS), 2)):
            if place not in _LEAN or b < _LOWEST:
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
