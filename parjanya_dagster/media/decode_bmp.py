"""BMP through Pillow: libvips has no loader of its own for it."""

from __future__ import annotations

import io

from .colour import in_memory
from .decoded import Decoded, refusal
from .errors import Rejected
from .limits import Limits
from .pixels import from_array, green_rows, sampled_rows


def decode_bmp(data: bytes, limits: Limits) -> Decoded:
    """Raises Rejected. The size is checked before any row is read."""
    import numpy as np
    from PIL.BmpImagePlugin import BmpImageFile

    try:
        # The plugin itself, not Image.open: no other format may be tried on these bytes.
        image = BmpImageFile(io.BytesIO(data))
        limits.check_size(*image.size)
        image.load()
    except Rejected:
        raise
    except Exception as error:  # whatever damaged bytes make the plugin raise
        raise refusal(data, "bmp", error) from error
    alpha = image.mode == "RGBA"
    rgb = np.ascontiguousarray(image.convert("RGBA" if alpha else "RGB"))
    if alpha and not rgb[..., 3].any():
        # Programs that know nothing of alpha leave it zero; nobody saves what cannot be seen.
        alpha, rgb = False, np.ascontiguousarray(rgb[..., :3])
    pixels, _ = in_memory(from_array(rgb, "srgb"))
    return Decoded(
        pixels=pixels,
        band=green_rows(pixels),
        rows=sampled_rows(pixels),
        width=image.width,
        height=image.height,
        orientation=1,
        frames=1,
        bit_depth=1 if image.mode == "1" else 8,
        channels=len(image.getbands()),
        alpha=alpha,
        exif=None,
    )
