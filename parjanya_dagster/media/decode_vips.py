"""JPEG, PNG, WebP, TIFF, GIF and AVIF through libvips.

A baseline JPEG much larger than the preview is decoded at a half, a quarter or an eighth of its
size: the inverse DCT is cheaper so, and the whole entropy stream is read all the same, so a
truncated file is still found. Every other format is decoded at full size. Errors are strict: no
decoder is allowed to fill what is missing with grey.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from . import isobmff, tiff
from .colour import in_memory
from .decoded import Decoded, refusal
from .encodings import heif_encoding, png_encoding
from .ends import is_cut_short, jpeg_end_is_missing, jpeg_with_end
from .errors import Rejected
from .limits import Limits
from .pixels import (
    BAND_ROWS,
    as_array,
    divided_by_alpha,
    every_so_many_rows,
    green_rows,
    has_alpha,
    load_vips,
    sampled_rows,
    shrink_in_memory,
)
from .structure import apng_frames, jpeg_coarseness, mpo_images

if TYPE_CHECKING:
    import numpy as np

    from .transfer import Encoding

# A decode that comes out this close to the preview's size is the preview, without resampling.
_SHRINK_HEADROOM: Final = 0.9
# Of a JPEG's table, from which its blocks differ by two grey levels: quality 50 of libjpeg.
_COARSE: Final = 16
# Warnings of libjpeg that leave every pixel intact.
_HARMLESS: Final = (
    "extraneous bytes before marker",
    "Invalid SOS parameters",
    "Inconsistent progression sequence",
    "unknown JFIF",
    "Unknown Adobe color transform",
)


def decode_vips(
    data: bytes, fmt: str, limits: Limits, target: int, *, page: int = 0, sub: int | None = None
) -> Decoded:
    """`page` and `sub` choose among the pictures of a TIFF. Raises Rejected."""
    vips = load_vips()
    loader = getattr(vips.Image, _LOADERS[fmt])
    options: dict[str, Any] = {"access": "sequential", "fail_on": _FAIL_ON.get(fmt, "error")}
    if page:
        options["page"] = page
    if sub is not None:
        options["subifd"] = sub
    try:
        header = loader(data, **options)
    except vips.Error as error:
        raise refusal(data, fmt, error) from error
    width, height = header.width, header.height
    limits.check_size(width, height)
    shown = isobmff.sequence_frames(data) if fmt == "avif" else 0
    frames = max(shown, _frames(header, data, fmt))
    limits.check_frames(frames)
    if fmt == "jpeg":
        if jpeg_end_is_missing(data):
            data = _with_its_end(data, header)
    elif is_cut_short(data, fmt):
        raise Rejected("truncated", f"The {fmt.upper()} file ends before its last part.")
    encoding, before_profile = _encoding(data, fmt)
    premultiplied = fmt == "avif" and has_alpha(header) and isobmff.is_premultiplied(data)

    def load(**more: Any) -> Any:
        image = loader(data, **options, **more)
        if before_profile and image.get_typeof("icc-profile-data"):
            image = image.copy()
            image.remove("icc-profile-data")
        return divided_by_alpha(image) if premultiplied else image

    small = shrink_in_memory(width, height, target)
    # A progressive JPEG costs nearly as much at any size, so it is decoded once, at its own.
    scalable = fmt == "jpeg" and (small > 1 or not _get(header, "jpeg-multiscan", 0))
    shrink = _shrink(width, height, target) if scalable else 1
    scaled = {"shrink": shrink} if shrink > 1 else {}
    by = 1 if scalable else small
    try:
        pixels, left = in_memory(load(**scaled), encoding, by)
    except vips.Error as error:
        if fmt != "jpeg" or not _is_harmless(error):
            raise refusal(data, fmt, error) from error
        options["fail_on"] = "truncated"
        try:
            pixels, left = in_memory(load(**scaled), encoding, by)
        except vips.Error as second:
            raise refusal(data, fmt, second) from second
    rows = pixels if by == 1 else in_memory(every_so_many_rows(load()), encoding)[0]
    return Decoded(
        pixels=pixels,
        band=green_rows(rows) if shrink == 1 else _jpeg_band(loader, data, width, height),
        rows=sampled_rows(rows),
        width=width,
        height=height,
        orientation=_orientation(header),
        frames=frames,
        animated=shown > 1 or (frames > 1 and fmt in _ANIMATED),
        bit_depth=_bit_depth(header),
        channels=header.bands,
        alpha=has_alpha(header),
        exif=data if fmt == "tiff" else _get(header, "exif-data", None),
        xmp=_get(header, "xmp-data", None),
        encoding=left,
    )


def _with_its_end(data: bytes, header: Any) -> bytes:
    """A JPEG that lacks its end marker, with it: whole pixels are not refused for two bytes.

    Where scans may be missing too, as in a progressive JPEG, nothing tells; it is cut short.
    Raises Rejected.
    """
    if b"\xff\xda" in data and not _get(header, "jpeg-multiscan", 0):
        ended = jpeg_with_end(data)
        if _is_told_whole(ended):
            return ended
    raise Rejected("truncated", "The JPEG file ends before its last part.")


def _is_told_whole(data: bytes) -> bool:
    """Whether libjpeg finds every block. Of the last rows libvips says it in its log only."""
    vips = load_vips()
    told: list[str] = []
    listener = logging.Handler()
    listener.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("pyvips")
    level = log.level
    log.addHandler(listener)
    log.setLevel(logging.WARNING)
    try:
        vips.Image.jpegload_buffer(data, access="sequential", fail_on="warning").avg()
    except vips.Error:
        return False
    finally:
        log.removeHandler(listener)
        log.setLevel(level)
    return not any("premature end" in line for line in told)


def _encoding(data: bytes, fmt: str) -> tuple[Encoding | None, bool]:
    if fmt == "png":
        return png_encoding(data)
    return (heif_encoding(data, fmt), False) if fmt == "avif" else (None, False)


_LOADERS: Final = {
    "jpeg": "jpegload_buffer",
    "png": "pngload_buffer",
    "webp": "webpload_buffer",
    "tiff": "tiffload_buffer",
    "gif": "gifload_buffer",
    "avif": "heifload_buffer",
}
_ANIMATED: Final = frozenset({"gif", "webp", "png"})
# libjpeg speaks of damaged pixels in warnings only. libvips leaves a tile of a TIFF black that it
# cannot decode, and takes that for a warning.
_FAIL_ON: Final = {"jpeg": "warning", "tiff": "warning"}


def _is_harmless(error: Exception) -> bool:
    """True where libjpeg warned, and of nothing but what leaves every pixel intact."""
    warnings = [line for line in str(error).splitlines() if "VipsJpeg:" in line]
    return bool(warnings) and all(any(text in line for text in _HARMLESS) for line in warnings)


def _frames(header: Any, data: bytes, fmt: str) -> int:
    if fmt == "png":
        return apng_frames(data)
    if fmt == "jpeg":
        return mpo_images(data)
    pages = int(_get(header, "n-pages", 1))
    # Smaller copies among the pages of a TIFF are no pages.
    return max(1, pages - tiff.reduced_pages(data)) if fmt == "tiff" else pages


def _shrink(width: int, height: int, target: int) -> int:
    """A line of pixels has none at an eighth of its width, so it is decoded at its own size."""
    for factor in (8, 4, 2):
        if (
            max(width, height) / factor >= _SHRINK_HEADROOM * target
            and min(width, height) >= factor
        ):
            return factor
    return 1


def _jpeg_band(loader: Any, data: bytes, width: int, height: int) -> np.ndarray:
    """Rows of a JPEG that was decoded at less than its size.

    Where it was compressed so much that blocks may be seen, they are from all over it, which takes
    a second decode. Else the first rows are enough to tell of an earlier compression.
    """
    if jpeg_coarseness(data) >= _COARSE:
        return green_rows(loader(data, access="sequential"))
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
