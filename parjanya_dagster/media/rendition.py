"""From native pixels to what people and later stages see: upright 8-bit sRGB, and JPEGs of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .decoded import Decoded
from .pixels import load_vips

if TYPE_CHECKING:
    import pyvips

PREVIEW_SIDE: Final = 1024
THUMBNAIL_SIDE: Final = 256
_PREVIEW_QUALITY: Final = 85
_THUMBNAIL_QUALITY: Final = 80


def render(decoded: Decoded, side: int = PREVIEW_SIDE) -> pyvips.Image:
    """Upright 8-bit sRGB of 3 bands in memory, long side at most `side`, never enlarged."""
    image = _upright(to_srgb(_fit(decoded.pixels, side)), decoded.orientation)
    return image if image is decoded.pixels else image.copy_memory()


def preview_jpeg(image: Any) -> bytes:
    """A JPEG without any metadata. No profile either: sRGB is what a JPEG without one means."""
    jpeg: bytes = image.jpegsave_buffer(Q=_PREVIEW_QUALITY, keep="none")
    return jpeg


def thumbnail_jpeg(image: Any) -> bytes:
    fitted = _fit(image, THUMBNAIL_SIDE)
    jpeg: bytes = fitted.jpegsave_buffer(Q=_THUMBNAIL_QUALITY, keep="none")
    return jpeg


def to_srgb(image: Any) -> Any:
    """8-bit sRGB by the embedded ICC profile; by what the format implies where there is none.

    A profile that does not fit its image (a damaged one, or RGB on grey) is ignored.
    """
    vips = load_vips()
    if image.get_typeof("icc-profile-data"):
        try:
            # The profile is applied now, so that a damaged one is noticed here.
            converted = image.icc_transform("srgb", embedded=True, intent="relative")
            return _three_bands(converted.copy_memory())
        except vips.Error:
            pass
    if image.interpretation == "srgb" and image.format == "uchar" and image.bands == 3:
        return image
    if image.interpretation == "cmyk":
        return _three_bands(image.icc_transform("srgb", input_profile="cmyk", intent="relative"))
    return _three_bands(image.colourspace("srgb"))


def _three_bands(image: Any) -> Any:
    if image.format != "uchar":
        image = image.cast("uchar")
    if image.bands == 1:
        return image.bandjoin([image, image])
    return image if image.bands == 3 else image[0:3]


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
