"""JPEG, PNG, WebP, TIFF, GIF and AVIF through libvips.

A baseline JPEG much larger than the preview is decoded at a half, a quarter or an eighth of its
size: the inverse DCT is cheaper so, and the whole entropy stream is read all the same, so a
truncated file is still found. Every other format is decoded at full size. Errors are strict: no
decoder is allowed to fill what is missing with grey.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .decoded import Decoded, refusal
from .errors import Rejected
from .limits import Limits
from .pixels import BAND_ROWS, as_array, green_rows, has_alpha, in_memory, load_vips
from .structure import apng_frames, is_cut_short, mpo_images

if TYPE_CHECKING:
    import numpy as np

# A decode that comes out this close to the preview's size is the preview, without resampling.
_SHRINK_HEADROOM: Final = 0.9
# Warnings of libjpeg that leave every pixel intact.
_HARMLESS: Final = (
    "extraneous bytes before marker",
    "Invalid SOS parameters",
    "Inconsistent progression sequence",
    "unknown JFIF",
    "Unknown Adobe color transform",
)


def decode_vips(data: bytes, fmt: str, limits: Limits, target: int) -> Decoded:
    vips = load_vips()
    loader = getattr(vips.Image, _LOADERS[fmt])
    options: dict[str, Any] = {"access": "sequential", "fail_on": _FAIL_ON.get(fmt, "error")}
    try:
        header = loader(data, **options)
    except vips.Error as error:
        raise refusal(data, fmt, error) from error
    width, height = header.width, header.height
    limits.check_size(width, height)
    frames = _frames(header, data, fmt)
    limits.check_frames(frames)
    if fmt in _CHECKED_FOR_THEIR_END and is_cut_short(data, fmt):
        raise Rejected("truncated", f"The {fmt.upper()} file ends before its last part.")
    # A progressive JPEG costs nearly as much at any size, so it is decoded once, at its own.
    scalable = fmt == "jpeg" and not _get(header, "jpeg-multiscan", 0)
    shrink = _shrink(max(width, height), target) if scalable else 1
    if shrink > 1:
        options["shrink"] = shrink
    try:
        pixels = in_memory(loader(data, **options))
    except vips.Error as error:
        if fmt != "jpeg" or not _is_harmless(error):
            raise refusal(data, fmt, error) from error
        options["fail_on"] = "truncated"
        try:
            pixels = in_memory(loader(data, **options))
        except vips.Error as second:
            raise refusal(data, fmt, second) from second
    return Decoded(
        pixels=pixels,
        band=green_rows(pixels) if shrink == 1 else _jpeg_band(loader, data, width, height),
        width=width,
        height=height,
        orientation=_orientation(header),
        frames=frames,
        bit_depth=_bit_depth(header),
        channels=header.bands,
        alpha=has_alpha(header),
        exif=data if fmt == "tiff" else _get(header, "exif-data", None),
    )


_LOADERS: Final = {
    "jpeg": "jpegload_buffer",
    "png": "pngload_buffer",
    "webp": "webpload_buffer",
    "tiff": "tiffload_buffer",
    "gif": "gifload_buffer",
    "avif": "heifload_buffer",
}
# Decoders that are content with less than the file promises; an upload cut there is not whole.
_CHECKED_FOR_THEIR_END: Final = frozenset({"png", "tiff", "avif"})
# libjpeg speaks of damaged pixels in warnings only.
_FAIL_ON: Final = {"jpeg": "warning"}


def _is_harmless(error: Exception) -> bool:
    """True where libjpeg warned, and of nothing but what leaves every pixel intact."""
    warnings = [line for line in str(error).splitlines() if "VipsJpeg:" in line]
    return bool(warnings) and all(any(text in line for text in _HARMLESS) for line in warnings)


def _frames(header: Any, data: bytes, fmt: str) -> int:
    if fmt == "png":
        return apng_frames(data)
    if fmt == "jpeg":
        return mpo_images(data)
    return int(_get(header, "n-pages", 1))


def _shrink(longer_side: int, target: int) -> int:
    for factor in (8, 4, 2):
        if longer_side / factor >= _SHRINK_HEADROOM * target:
            return factor
    return 1


def _jpeg_band(loader: Any, data: bytes, width: int, height: int) -> np.ndarray:
    top = loader(data, access="sequential").crop(0, 0, width, min(height, BAND_ROWS))
    return as_array(top[1 if top.bands >= 3 else 0])[..., 0]


def _get(image: Any, field: str, default: Any) -> Any:
    return image.get(field) if image.get_typeof(field) else default


def _orientation(image: Any) -> int:
    value = _get(image, "orientation", 1)
    return value if value in range(1, 9) else 1


def _bit_depth(image: Any) -> int:
    widths = {"uchar": 8, "char": 8, "ushort": 16, "short": 16, "uint": 32, "int": 32}
    return _get(image, "bits-per-sample", 0) or widths.get(image.format, 32)
