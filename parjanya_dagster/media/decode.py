"""One complete decode of an image, used by everything that needs its pixels."""

from __future__ import annotations

from dataclasses import replace

from . import png_text
from .decode_bmp import decode_bmp
from .decode_heic import decode_heic
from .decode_raw import decode_raw
from .decode_tiff import decode_tiff
from .decode_vips import decode_vips
from .decoded import Decoded
from .errors import Rejected
from .exif import stated_orientation
from .limits import Limits
from .structure import MAX_METADATA_BLOCKS, metadata_size


def decode(data: bytes, fmt: str, limits: Limits, target: int) -> Decoded:
    """Decode `data` of format `fmt` for a preview of `target` pixels on its long side.

    Raises Rejected; size and frames are checked from the header, before pixels are decoded.
    """
    _check_metadata(data, fmt, limits)
    return _with_its_notes(data, fmt, _decode(data, fmt, limits, target))


def _decode(data: bytes, fmt: str, limits: Limits, target: int) -> Decoded:
    match fmt:
        case "bmp":
            return decode_bmp(data, limits)
        case "heic":
            return decode_heic(data, limits, target)
        case "tiff":
            return decode_tiff(data, limits, target)
        case "raw" | "dng":
            return decode_raw(data, fmt, limits, target)
        case _:
            return decode_vips(data, fmt, limits, target)


def _with_its_notes(data: bytes, fmt: str, decoded: Decoded) -> Decoded:
    """With the EXIF and XMP in a PNG's texts, and the turn that only XMP or such a text states."""
    if fmt not in ("jpeg", "png", "webp", "tiff"):
        return decoded  # their containers turn the picture, and EXIF must not turn it again
    turn: int | None = None
    if fmt == "png":
        texts = png_text.read(data)
        decoded = replace(decoded, exif=decoded.exif or texts.exif, xmp=decoded.xmp or texts.xmp)
        turn = texts.orientation
    if decoded.orientation != 1:
        return decoded
    stated = stated_orientation(decoded.exif, decoded.xmp)
    return replace(decoded, orientation=stated or turn or 1)


def _check_metadata(data: bytes, fmt: str, limits: Limits) -> None:
    size, blocks = metadata_size(data, fmt)
    if size > limits.max_metadata_bytes or blocks > MAX_METADATA_BLOCKS:
        raise Rejected(
            "too_much_metadata",
            f"The {fmt.upper()} file carries {size:,} bytes or more of metadata in {blocks:,} "
            f"blocks; at most {limits.max_metadata_bytes:,} in {MAX_METADATA_BLOCKS:,} "
            "are accepted.",
        )
