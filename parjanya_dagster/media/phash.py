"""The 64-bit perceptual hash of an image: ImageHash's `phash`, without its imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image


def phash(luma: Image.Image) -> str:
    """16 hex digits for a Pillow image of mode "L".

    Equal to `str(imagehash.phash(image))` on the same pixels: luma at 32×32 by Lanczos, a DCT of
    both axes, and for each of the 8×8 lowest frequencies whether it exceeds their median.
    """
    import numpy as np
    from PIL import Image
    from scipy.fft import dct

    small = luma.resize((32, 32), Image.Resampling.LANCZOS)
    frequencies = dct(dct(np.asarray(small, dtype=np.float64), axis=0), axis=1)
    low = frequencies[:8, :8]
    return np.packbits((low > np.median(low)).ravel()).tobytes().hex()
