"""From native pixels to what people and later stages see: upright 8-bit sRGB, and JPEGs of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .colour import to_srgb
from .decoded import Decoded

if TYPE_CHECKING:
    import pyvips

PREVIEW_SIDE: Final = 1024
THUMBNAIL_SIDE: Final = 256
_PREVIEW_QUALITY: Final = 85
_THUMBNAIL_QUALITY: Final = 80


def render(decoded: Decoded, side: int = PREVIEW_SIDE) -> pyvips.Image:
    """Upright 8-bit sRGB of 3 bands in memory, long side at most `side`, never enlarged."""
    image = to_srgb(_fit(decoded.pixels, side), decoded.encoding)
    return _upright(image, decoded.orientation).copy_memory()


def preview_jpeg(image: Any) -> bytes:
    """A JPEG without any metadata. No profile either: sRGB is what a JPEG without one means."""
    jpeg: bytes = image.jpegsave_buffer(Q=_PREVIEW_QUALITY, keep="none")
    return jpeg


def thumbnail_jpeg(image: Any) -> bytes:
    fitted = _fit(image, THUMBNAIL_SIDE)
    jpeg: bytes = fitted.jpegsave_buffer(Q=_THUMBNAIL_QUALITY, keep="none")
    return jpeg


def _fit(image: Any, side: int) -> Any:
    longer = max(image.width, image.height)
    if longer <= side:
        return image
    # Rounded by hand, so that a line of pixels keeps its one pixel of width.
    width = max(1, round(image.width * side / longer))
    height = max(1, round(image.height * side / longer))
    return image.resize(width / image.width, vscale=height / image.height)


def _upright(image: Any, orientation: int) -> Any:
    """Undo the EXIF orientation 1–8 (TIFF 6.0, tag 274)."""
    if orientation in (2, 4, 5, 7):
        image = image.fliphor()
    turn = {3: "d180", 4: "d180", 5: "d270", 6: "d90", 7: "d90", 8: "d270"}.get(orientation)
    return image.rot(turn) if turn else image
