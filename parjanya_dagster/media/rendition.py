"""From native pixels to what people and later stages see: upright 8-bit sRGB, and JPEGs of it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

from .colour import to_srgb
from .decoded import Decoded

if TYPE_CHECKING:
    import pyvips
    from PIL.Image import Image as PillowImage

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


def thumbnail_jpeg(picture: PillowImage) -> bytes:
    """A small JPEG of a preview, without any metadata.

    It is only looked at: nothing is measured in it. So pixels are averaged first, which takes a
    third of the time of a better filter.
    """
    from PIL import Image

    size = _fitting(picture.width, picture.height, THUMBNAIL_SIDE)
    small = picture.resize(size, Image.Resampling.BICUBIC, reducing_gap=1.0)
    file = io.BytesIO()
    small.save(file, "JPEG", quality=_THUMBNAIL_QUALITY)
    return file.getvalue()


def _fit(image: Any, side: int) -> Any:
    width, height = _fitting(image.width, image.height, side)
    if (width, height) == (image.width, image.height):
        return image
    return image.resize(width / image.width, vscale=height / image.height)


def _fitting(width: int, height: int, side: int) -> tuple[int, int]:
    """Width and height so that neither is over `side`. A line of pixels keeps its one pixel."""
    longer = max(width, height)
    if longer <= side:
        return width, height
    return max(1, round(width * side / longer)), max(1, round(height * side / longer))


def _upright(image: Any, orientation: int) -> Any:
    """Undo the EXIF orientation 1–8 (TIFF 6.0, tag 274)."""
    if orientation in (2, 4, 5, 7):
        image = image.fliphor()
    turn = {3: "d180", 4: "d180", 5: "d270", 6: "d90", 7: "d90", 8: "d270"}.get(orientation)
    return image.rot(turn) if turn else image
