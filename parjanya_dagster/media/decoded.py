"""What every decoder returns, and how each names its failures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .ends import is_cut_short
from .errors import Rejected

if TYPE_CHECKING:
    import numpy as np
    import pyvips

    from .transfer import Encoding

# Sound files of rare kinds: other compressions, complex numbers, 64-bit samples, packed Lab.
_NOT_READ_HERE: Final = (
    "not configured",
    "samples out of range",
    "labq",
    "Unsupported",
    "not supported",
)


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """Pixels and header facts of one image, as stored: orientation is not yet applied."""

    pixels: pyvips.Image  # in memory, opaque, 8 or 16 bits, as stored or already sRGB
    band: np.ndarray  # (rows, width) uint8, one colour band at full size and as stored
    rows: np.ndarray  # (rows, width, bands) spread over the picture, not resampled by us
    width: int
    height: int
    orientation: int
    frames: int
    bit_depth: int
    channels: int
    alpha: bool
    exif: bytes | None  # an EXIF block, or a whole TIFF
    xmp: bytes | None = None
    encoding: Encoding | None = None  # what the samples mean, beyond a profile and their kind
    animated: bool = False
    source: str = "image"  # what was decoded: the image, or a raw file's preview or sensor data


def refusal(data: bytes, fmt: str, error: Exception) -> Rejected:
    """Name a decoder's failure: cut short, or damaged.

    Raises MemoryError instead where memory ran out, which is not the image's fault.
    """
    text = str(error)
    if isinstance(error, MemoryError) or "out of memory" in text.lower():
        raise MemoryError(text) from error
    # Pyvips puts its own line first and the decoder's after it.
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    detail = (lines[1] if len(lines) > 1 else lines[0] if lines else "no detail")[:200]
    too_short = ("premature end", "end of file", "truncated", "input/output")
    if any(sign in text for sign in _NOT_READ_HERE):
        return Rejected(
            "unsupported_format", f"This kind of {fmt.upper()} file is not read here ({detail})."
        )
    if is_cut_short(data, fmt) or any(sign in text.lower() for sign in too_short):
        return Rejected("truncated", f"The {fmt.upper()} file ends too early ({detail}).")
    return Rejected("corrupt", f"The {fmt.upper()} file is damaged ({detail}).")
