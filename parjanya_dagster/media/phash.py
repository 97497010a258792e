"""The 64-bit perceptual hash of an image: ImageHash's `phash`, without its imports."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

SIDE = 32  # pixels of the copy whose frequencies are told


def phash(luma: Image.Image) -> str:
    """16 hex digits for a Pillow image of mode "L".

    Luma at 32×32 by Lanczos, a DCT of both axes, and for each of the 8×8 lowest frequencies whether
    it exceeds their median. Equal to `str(imagehash.phash(image))` on the same pixels, except where
    frequencies are equal, as in flat and symmetric images: there ImageHash compares what rounding
    left, which depends on the processor. Here they are compared in millionths of a grey level.
    """
    from PIL import Image

    return phashes([luma.resize((SIDE, SIDE), Image.Resampling.LANCZOS)])[0]


def phashes(smalls: Sequence[Image.Image]) -> list[str]:
    """The hashes of copies that are `SIDE` pixels wide and tall."""
    import numpy as np

    cosines = _cosines()
    levels = np.stack([np.asarray(small) for small in smalls]).astype(np.float64)
    frequencies = cosines @ levels @ cosines.T
    low = np.round(frequencies, 6).reshape(len(smalls), -1)  # rounding leaves less than 1e-9
    bits = np.packbits(low > np.median(low, axis=1, keepdims=True), axis=1)
    return [each.tobytes().hex() for each in bits]


@cache
def _cosines() -> Any:
    """Those of a DCT-II by their formula. SciPy's takes half a second to import."""
    import numpy as np

    return 2 * np.cos(np.pi / (2 * SIDE) * np.outer(np.arange(8), 2 * np.arange(SIDE) + 1))
