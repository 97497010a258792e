"""Pixels in memory: vips images, arrays, and the rows that only full size can show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    import pyvips

# Rows kept for what only full size can show.
BAND_ROWS: Final = 64
_SAMPLED_ROWS: Final = 128
# More pixels than this are made smaller while they are decoded, to bound memory.
MOST_IN_MEMORY: Final = 64_000_000


def load_vips() -> Any:
    """The pyvips module, set up once: one thread per image, no operation cache.

    Images are decoded side by side by the caller's threads or processes; a pool inside each
    decode would only compete with them. A cache of operations would keep dead pixels alive.
    """
    import pyvips

    if pyvips.cache_get_max() != 0:
        pyvips.concurrency_set(1)
        pyvips.cache_set_max(0)
    return pyvips


def from_array(pixels: Any, interpretation: str) -> pyvips.Image:
    """A vips image over a contiguous (height, width, bands) array of uint8, uint16 or float32."""
    height, width, bands = pixels.shape
    kind = {1: "uchar", 2: "ushort", 4: "float"}[pixels.dtype.itemsize]
    image = load_vips().Image.new_from_memory(pixels.data, width, height, bands, kind)
    return image.copy(interpretation=interpretation)


def as_array(image: Any) -> np.ndarray:
    """(height, width, bands), where pyvips itself would drop axes of length 1."""
    pixels: np.ndarray = image.numpy().reshape(image.height, image.width, image.bands)
    return pixels


def has_alpha(image: Any) -> bool:
    return bool(image.hasalpha()) and (image.bands <= 4 or image.interpretation == "cmyk")


def divided_by_alpha(image: Any) -> Any:
    """An image whose colours were multiplied by its alpha, as it was before: same samples."""
    top = 65535.0 if image.format == "ushort" else 255.0
    kind = {"interpretation": image.interpretation}
    return image.unpremultiply(max_alpha=top).rint().cast(image.format).copy(**kind)


def shrink_in_memory(width: int, height: int, target: int) -> int:
    """By what whole number a picture too large for memory is made smaller while it is read."""
    if width * height <= MOST_IN_MEMORY:
        return 1
    return max(1, min(max(width, height) // (2 * target), min(width, height)))


def every_so_many_rows(image: Any) -> Any:
    """A strip of about `_SAMPLED_ROWS` rows, spread over the image, at its full width."""
    return image.subsample(1, max(1, image.height // _SAMPLED_ROWS))


def sampled_rows(pixels: Any) -> np.ndarray:
    """At most about 128 rows, spread over the image, as a (rows, width, bands) array."""
    return as_array(every_so_many_rows(pixels))


def green_rows(pixels: Any) -> np.ndarray:
    """At most `BAND_ROWS` rows of the green (or only) band, spread over the image, as uint8."""
    step = max(1, pixels.height // BAND_ROWS)
    band = pixels[1] if pixels.bands >= 3 else pixels[0]
    rows = as_array(band.subsample(1, step))[..., 0]
    return (rows >> 8).astype("uint8") if rows.dtype == "uint16" else rows.astype("uint8")
