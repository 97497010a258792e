"""Raw files of cameras, DNG among them, through LibRaw.

The preview that the camera embedded shows what the photographer saw, so it is used if it is large
enough. Otherwise the sensor data is developed with the camera's white balance. The sensor data is
unpacked in both cases, because a file that is cut short shows it only there.
"""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import Any, Final

from . import tiff
from .colour import in_memory
from .decode_vips import decode_vips
from .decoded import Decoded, refusal
from .ends import is_cut_short
from .errors import Rejected
from .exif import stated_orientation
from .limits import Limits
from .pixels import from_array, green_rows, sampled_rows

# LibRaw's `flip` as the EXIF orientation that undoes the same turn.
_ORIENTATION: Final = {0: 1, 3: 3, 5: 8, 6: 6}


def decode_raw(data: bytes, fmt: str, limits: Limits, target: int) -> Decoded:
    """Raises Rejected. `source` says whether the embedded preview or the sensor was decoded."""
    import rawpy

    if is_cut_short(data, fmt):
        raise Rejected("truncated", "The raw file ends before its last part.")
    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            sizes = raw.sizes
            limits.check_size(sizes.width, sizes.height)
            unpacked = raw.raw_image if raw.raw_type == rawpy.RawType.Flat else None
            facts: dict[str, Any] = {
                "width": sizes.width,
                "height": sizes.height,
                "orientation": _ORIENTATION.get(sizes.flip, 1),
                "frames": 1,
                "bit_depth": max(8, int(raw.white_level or 255).bit_length()),
                "channels": 1 if unpacked is not None else 3,
                "alpha": False,
            }
            # A TIFF's own directories are its EXIF; other kinds have it in their preview.
            exif = data if data[:4] in (b"II*\0", b"MM\0*") else None
            preview = _embedded_preview(raw, limits, target)
            if preview is not None:
                exif = exif or preview.exif
                turned = (preview.width < preview.height) != (sizes.width < sizes.height)
                if turned:  # a camera that stores its preview upright already
                    image = preview.pixels.rot("d270" if sizes.flip == 6 else "d90")
                    preview = replace(preview, pixels=image.copy_memory())
                return replace(preview, **facts, exif=exif, source="embedded_preview")
            half = min(sizes.width, sizes.height) // 2 >= target
            pixels = raw.postprocess(use_camera_wb=True, half_size=half, output_bps=8, user_flip=0)
    except Rejected:
        raise
    except (rawpy.LibRawFileUnsupportedError, rawpy.LibRawDataError) as error:
        shown = _preview_alone(data, limits, target)
        if shown is not None:
            return shown
        if not isinstance(error, rawpy.LibRawFileUnsupportedError):
            raise refusal(data, fmt, error) from error
        raise Rejected(
            "unsupported_format", "The file looks like a camera's raw file of an unknown kind."
        ) from error
    except Exception as error:  # LibRaw's own kinds, and NumPy's on nonsensical sizes
        if isinstance(error, rawpy.LibRawUnsufficientMemoryError):
            raise MemoryError(str(error)) from error
        raise refusal(data, fmt, error) from error
    image, _ = in_memory(from_array(pixels, "srgb"))
    return Decoded(
        pixels=image,
        band=green_rows(image),
        rows=sampled_rows(image),
        **facts,
        exif=exif,
        source="sensor",
    )


def _preview_alone(data: bytes, limits: Limits, target: int) -> Decoded | None:
    """The largest preview of a file whose sensor data is of a kind that LibRaw does not read.

    Newer DNGs hold JPEG XL, which is sound and unknown to it. What is damaged has no such excuse.
    """
    if data[:4] not in tiff.MAGICS:
        return None
    try:
        directories = tiff.read(data).directories
    except struct.error:
        return None
    if not any(directory.first(259) in _UNKNOWN_TO_LIBRAW for directory in directories):
        return None
    for jpeg in tiff.embedded_jpegs(data):
        try:
            preview = decode_vips(jpeg, "jpeg", limits, target)
        except Rejected:
            continue
        turn = stated_orientation(data, None) or preview.orientation
        return replace(preview, orientation=turn, exif=data, source="embedded_preview")
    return None


# JPEG XL by two numbers, and lossy JPEG.
_UNKNOWN_TO_LIBRAW: Final = (50002, 52546, 34892)


def _embedded_preview(raw: Any, limits: Limits, target: int) -> Decoded | None:
    """The embedded JPEG, decoded, where its long side reaches `target`."""
    import rawpy

    try:
        thumbnail = raw.extract_thumb()
    except (rawpy.LibRawError, ValueError):
        return None
    if thumbnail.format != rawpy.ThumbFormat.JPEG:
        return None
    try:
        preview = decode_vips(bytes(thumbnail.data), "jpeg", limits, target)
    except Rejected:
        return None  # the sensor data may be sound all the same
    return preview if max(preview.width, preview.height) >= target else None
