"""Pixels in memory: vips images and arrays, and what makes any sample a displayable one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    import pyvips

# Rows kept for what only full size can show.
BAND_ROWS: Final = 64


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
    """A vips image over a contiguous (height, width, bands) array of uint8 or uint16."""
    height, width, bands = pixels.shape
    kind = "ushort" if pixels.dtype.itemsize == 2 else "uchar"
    image = load_vips().Image.new_from_memory(pixels.data, width, height, bands, kind)
    return image.copy(interpretation=interpretation)


def as_array(image: Any) -> np.ndarray:
    """(height, width, bands), where pyvips itself would drop axes of length 1."""
    pixels: np.ndarray = image.numpy().reshape(image.height, image.width, image.bands)
    return pixels


def in_memory(image: Any) -> pyvips.Image:
    """Decode now, with transparent pixels laid over white (the paper most pages are)."""
    if image.bands > 4 and not has_alpha(image):
        # Samples beyond colour and alpha, as in files of satellites, mean nothing to the eye.
        image = image[0:3]
    elif image.hasalpha():
        image = image.flatten(background=_white(image))
    if image.interpretation == "scrgb":
        image = image.colourspace("srgb")  # floats that are colours: linear light by convention
    elif image.format not in ("uchar", "ushort"):
        image = _stretched(image.copy_memory())
    return image.copy_memory()  # reads every pixel: errors come out here


def has_alpha(image: Any) -> bool:
    return bool(image.hasalpha()) and (image.bands <= 4 or image.interpretation == "cmyk")


def _white(image: Any) -> float:
    return {"uchar": 255.0, "ushort": 65535.0}.get(image.format, 1.0)


def _stretched(image: Any) -> pyvips.Image:
    """Measurements as a picture: 0–1 becomes 0–255, any other range its least to its greatest.

    Pixels that are no number become black.
    """
    import numpy as np

    values = np.nan_to_num(as_array(image).astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if image.format in ("float", "double") and low >= 0.0 and high <= 1.0:
        low, high = 0.0, 1.0
    scaled = (values - low) * (255.0 / ((high - low) or 1.0))
    grey = np.rint(scaled).astype(np.uint8)
    return from_array(grey, "b-w" if grey.shape[2] == 1 else "srgb").copy_memory()


def green_rows(pixels: Any) -> np.ndarray:
    """At most `BAND_ROWS` rows of the green (or only) band, spread over the image, as uint8."""
    step = max(1, pixels.height // BAND_ROWS)
    band = pixels[1] if pixels.bands >= 3 else pixels[0]
    rows = as_array(band.subsample(1, step))[..., 0]
    return (rows >> 8).astype("uint8") if rows.dtype == "uint16" else rows.astype("uint8")
