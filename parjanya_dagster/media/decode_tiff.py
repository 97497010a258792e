"""TIFF: which of its pictures is the one, and the kinds that libvips does not read.

A TIFF may begin with a thumbnail of what follows. 8-bit CIELab goes through Pillow.
"""

from __future__ import annotations

import io
from typing import Final

from . import tiff
from .colour import in_memory
from .decode_vips import decode_vips
from .decoded import Decoded
from .ends import is_cut_short
from .errors import Rejected
from .limits import Limits
from .pixels import from_array, green_rows, sampled_rows

# Compressions that are sound and rare; libvips is not built for them here.
_COMPRESSIONS: Final = {
    6: "JPEG of the old kind",
    9: "JBIG",
    10: "JBIG",
    32766: "NeXT's code",
    32809: "ThunderScan",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34661: "JBIG",
    34676: "LogLuv",
    34677: "LogLuv",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "lossy JPEG of DNG",
    34925: "LZMA",
    34933: "PNG",
    34934: "JPEG XR",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
    50013: "PIXAR film",
    52546: "JPEG XL",
}
_PHOTOMETRICS: Final = {
    4: "a mask",
    9: "ICC Lab colours",
    10: "ITU Lab colours",
    32844: "LogL light",
    32845: "LogLuv light",
    34892: "linear raw samples",
    32803: "samples of a colour filter array",
}


def decode_tiff(data: bytes, limits: Limits, target: int) -> Decoded:
    """Raises Rejected, and says so where a sound file is of a kind that is not read."""
    page, sub = tiff.picture_place(data)
    if not is_cut_short(data, "tiff"):
        data = tiff.without_loose_end(data)
    try:
        return decode_vips(data, "tiff", limits, target, page=page, sub=sub)
    except Rejected as refused:
        if refused.failure_class not in ("corrupt", "unsupported_format"):
            raise
        if "labq" in refused.reason:
            return _eight_bit_lab(data, limits)
        rare = _rare_kind(data, page)
        if rare:
            raise Rejected(
                "unsupported_format", f"This TIFF {rare}, which is not read here."
            ) from refused
        raise


def _rare_kind(data: bytes, page: int) -> str | None:
    pages = tiff.read(data).pages
    if page >= len(pages):
        return None
    chosen = pages[page]
    if chosen.first(259, 1) in _COMPRESSIONS:
        return f"is compressed with {_COMPRESSIONS[chosen.first(259, 1)]}"
    if chosen.first(262) in _PHOTOMETRICS:
        return f"holds {_PHOTOMETRICS[chosen.first(262)]}"
    depth = set(chosen.tags.get(258, (1,)))
    if depth - {1, 2, 4, 8, 16, 32} or len(depth) > 1:
        return f"has samples of {'/'.join(map(str, sorted(depth)))} bits"
    return None


def _eight_bit_lab(data: bytes, limits: Limits) -> Decoded:
    import numpy as np
    from PIL.TiffImagePlugin import TiffImageFile

    if is_cut_short(data, "tiff"):
        raise Rejected("truncated", "The TIFF file ends before its last part.")
    try:
        image = TiffImageFile(io.BytesIO(data))
        limits.check_size(*image.size)
        limits.check_frames(image.n_frames)
        if image.mode != "LAB":
            raise Rejected("unsupported_format", "This kind of Lab TIFF is not read here.")
        samples = np.asarray(image)
    except Rejected:
        raise
    except Exception as error:  # whatever damaged bytes make the plugin raise
        raise Rejected("corrupt", f"The TIFF file is damaged ({str(error)[:200]}).") from error
    # L from 0 to 255, a and b signed.
    light = samples[..., :1].astype(np.float32) * np.float32(100 / 255)
    lab = np.concatenate([light, samples[..., 1:].view(np.int8).astype(np.float32)], axis=2)
    pixels, _ = in_memory(from_array(np.ascontiguousarray(lab), "lab"))
    return Decoded(
        pixels=pixels,
        band=green_rows(pixels),
        rows=sampled_rows(pixels),
        width=image.width,
        height=image.height,
        orientation=int(image.getexif().get(274, 1)),
        frames=max(1, image.n_frames - tiff.reduced_pages(data)),
        bit_depth=8,
        channels=3,
        alpha=False,
        exif=data,
    )
