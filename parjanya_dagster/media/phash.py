"""The 64-bit perceptual hash of an image: ImageHash's `phash`, without its imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image


def phash(luma: Image.Image) -> str:
    """16 hex digits for a Pillow image of mode "L".

    Luma at 32×32 by Lanczos, a DCT of both axes, and for each of the 8×8 lowest frequencies whether
    it exceeds their median. Equal to `str(imagehash.phash(image))` on the same pixels, except where
    frequencies are equal, as in flat and symmetric images: there ImageHash compares what rounding
    left, which depends on the processor. Here they are compared in millionths of a grey level.
    """
    import numpy as np
    from PIL import Image

    small = luma.resize((32, 32), Image.Resampling.LANCZOS)
    # The cosines of a DCT-II by their formula. SciPy's takes half a second to import.
    cosines = 2 * np.cos(np.pi / 64 * np.outer(np.arange(8), 2 * np.arange(32) + 1))
    frequencies = cosines @ np.asarray(small, dtype=np.float64) @ cosines.T
    low = np.round(frequencies, 6)  # rounding leaves less than 1e-9
    return np.packbits((low > np.median(low)).ravel()).tobytes().hex()
