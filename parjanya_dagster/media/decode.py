"""One complete decode of an image, used by everything that needs its pixels."""

from __future__ import annotations

from .decode_bmp import decode_bmp
from .decode_heic import decode_heic
from .decode_raw import decode_raw
from .decode_tiff import decode_tiff
from .decode_vips import decode_vips
from .decoded import Decoded
from .errors import Rejected
from .limits import Limits
from .structure import MAX_METADATA_BLOCKS, metadata_size


def decode(data: bytes, fmt: str, limits: Limits, target: int) -> Decoded:
    """Decode `data` of format `fmt` for a preview of `target` pixels on its long side.

    Raises Rejected; size and frames are checked from the header, before pixels are decoded.
    """
    _check_metadata(data, fmt, limits)
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


def _check_metadata(data: bytes, fmt: str, limits: Limits) -> None:
    size, blocks = metadata_size(data, fmt)
    if size > limits.max_metadata_bytes or blocks > MAX_METADATA_BLOCKS:
        raise Rejected(
            "too_much_metadata",
            f"The {fmt.upper()} file carries {size:,} bytes or more of metadata in {blocks:,} "
            f"blocks; at most {limits.max_metadata_bytes:,} in {MAX_METADATA_BLOCKS:,} "
            "are accepted.",
        )
