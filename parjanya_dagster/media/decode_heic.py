"""HEIC and HEIF through pillow-heif: the libvips wheel has no HEVC decoder.

libde265 conceals damage inside a picture instead of reporting it. So flipped bytes in the middle of
a HEIC are not found. A file that is cut short is found.
"""

from __future__ import annotations

import io
from typing import Any

from .colour import in_memory
from .decoded import Decoded, refusal
from .encodings import heif_encoding
from .ends import is_cut_short
from .errors import Rejected
from .isobmff import sequence_frames
from .limits import Limits
from .pixels import (
    as_array,
    divided_by_alpha,
    every_so_many_rows,
    from_array,
    green_rows,
    shrink_in_memory,
)


def decode_heic(data: bytes, limits: Limits, target: int) -> Decoded:
    """The primary picture, turned as its container says. Raises Rejected."""
    import numpy as np
    import pillow_heif

    if is_cut_short(data, "heic"):
        raise Rejected("truncated", "The HEIC file ends before its last part.")
    pillow_heif.options.DECODE_THREADS = 1
    pillow_heif.options.THUMBNAILS = False
    try:
        # The header only: pixels are decoded when they are asked for.
        file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
        limits.check_frames(len(file))
        picture = file[file.primary_index]
        limits.check_size(*picture.size)
        bands = len(_BANDS.get(picture.mode.split(";")[0], "RGB"))
        depth = 2 if ";" in picture.mode else 1
        rows = np.asarray(picture).reshape(picture.size[1], picture.size[0], bands)
    except Rejected:
        raise
    except Exception as error:  # libheif's errors arrive as several kinds
        raise refusal(data, "heic", error) from error
    image = from_array(np.ascontiguousarray(rows), _interpretation(bands, depth))
    if picture.mode.startswith("RGBa"):  # a small letter: the colours were multiplied by it
        image = divided_by_alpha(image)
    info: dict[str, Any] = picture.info
    profile = info.get("icc_profile")
    if profile:
        image = _with_profile(image, profile)
    shrink = shrink_in_memory(*picture.size, target)
    strip, _ = in_memory(every_so_many_rows(image))
    pixels, encoding = in_memory(image, heif_encoding(data, "heic"), shrink)
    shown = sequence_frames(data)
    return Decoded(
        pixels=pixels,
        band=green_rows(strip if shrink > 1 else pixels),
        rows=as_array(strip),
        width=picture.size[0],
        height=picture.size[1],
        orientation=1,
        frames=max(len(file), shown),
        animated=shown > 1,
        bit_depth=int(info.get("bit_depth", 8)),
        channels=bands,
        alpha=bands in (2, 4),
        exif=info.get("exif"),
        xmp=info.get("xmp"),
        encoding=encoding,
    )


_BANDS = {"L": "L", "LA": "LA", "I": "L", "RGB": "RGB", "RGBA": "RGBA", "RGBa": "RGBA"}


def _interpretation(bands: int, depth: int) -> str:
    if bands < 3:
        return "b-w" if depth == 1 else "grey16"
    return "srgb" if depth == 1 else "rgb16"


def _with_profile(image: Any, profile: bytes) -> Any:
    import pyvips

    image = image.copy()
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return image
