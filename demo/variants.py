"""The same picture again: near duplicates, worse exposures, and the formats cameras write."""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image, ImageEnhance, ImageFilter

_ORIENTATION = 0x0112
# What must be done to upright pixels so that a viewer that obeys the flag shows them upright.
_INVERSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def opened(data: bytes) -> Image.Image:
    """The picture as 8-bit RGB."""
    return Image.open(io.BytesIO(data)).convert("RGB")


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """The image in Pillow's format `kind`."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _resized(image: Image.Image) -> Image.Image:
    return image.resize((image.width * 3 // 4, image.height * 3 // 4), Image.Resampling.LANCZOS)


def _cropped(image: Image.Image) -> Image.Image:
    dx, dy = image.width // 50, image.height // 50
    return image.crop((dx, dy, image.width - dx, image.height - dy))


def _noisy(image: Image.Image) -> Image.Image:
    import numpy as np

    pixels = np.asarray(image, dtype="float32")
    noise = np.random.default_rng(7).normal(0, 34, pixels.shape)
    return Image.fromarray((pixels + noise).clip(0, 255).astype("uint8"))


# Near duplicates: anybody would call them the same picture.
NEAR: dict[str, Callable[[Image.Image], bytes]] = {
    "resized": lambda im: encoded(_resized(im), "JPEG", quality=90),
    "recompressed": lambda im: encoded(im, "JPEG", quality=55),
    "cropped": lambda im: encoded(_cropped(im), "JPEG", quality=90),
}

# Worse exposures of a photograph. They go to the other tenant, where they duplicate nothing.
WORSE: dict[str, Callable[[Image.Image], bytes]] = {
    "blurred": lambda im: encoded(im.filter(ImageFilter.GaussianBlur(5)), "JPEG", quality=92),
    "dark": lambda im: encoded(ImageEnhance.Brightness(im).enhance(0.22), "JPEG", quality=92),
    "blown": lambda im: encoded(ImageEnhance.Brightness(im).enhance(2.4), "JPEG", quality=92),
    "noisy": lambda im: encoded(_noisy(im), "JPEG", quality=92),
    "blocky": lambda im: encoded(im, "JPEG", quality=6),
}


def rotated(image: Image.Image, orientation: int) -> bytes:
    """A JPEG stored sideways with the EXIF orientation that turns it upright (1..8)."""
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    exif[0x010F], exif[0x0110] = "Parjanya", "Sample camera"
    stored = image.transpose(_INVERSE[orientation]) if orientation in _INVERSE else image
    return encoded(stored, "JPEG", quality=92, exif=exif)


def animated(image: Image.Image, frames: int = 6) -> bytes:
    """A GIF that pans over the image."""
    small = image.resize((360, 240), Image.Resampling.LANCZOS).quantize()  # once for all frames
    cuts = [small.crop((i * 10, 0, i * 10 + 300, 240)) for i in range(frames)]
    return encoded(cuts[0], "GIF", save_all=True, append_images=cuts[1:], duration=120, loop=0)


def sixteen_bit(image: Image.Image, kind: str) -> bytes:
    """A grey 16-bit PNG or TIFF that really uses more than 256 levels."""
    import numpy as np

    grey = np.asarray(image.convert("L").filter(ImageFilter.GaussianBlur(0.7)), dtype="uint32")
    colour = np.asarray(image, dtype="uint32").sum(axis=2)
    return encoded(Image.fromarray((grey * 193 + colour * 21).astype("uint16")), kind)


def heic(image: Image.Image) -> bytes:
    """HEIC, as phones write it."""
    from pillow_heif import from_pillow

    buffer = io.BytesIO()
    from_pillow(image).save(buffer, quality=80)
    return buffer.getvalue()


def dng(image: Image.Image) -> bytes:
    """A raw DNG without a preview: the image mosaicked to RGGB, 16 bits a sample.

    Needs tifffile. Tags as Adobe's DNG 1.4 specification names them.
    """
    import numpy as np
    import tifffile

    width, height = image.width // 2 * 2, image.height // 2 * 2
    linear = (np.asarray(image.crop((0, 0, width, height)), dtype="float32") / 255) ** 2.2
    mosaic = np.empty((height, width), dtype="uint16")
    for (row, column), channel in {(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 2}.items():
        mosaic[row::2, column::2] = linear[row::2, column::2, channel] * 65535
    to_camera = (32406, -15372, -4986, -9689, 18758, 415, 557, -2040, 10570)  # XYZ to linear sRGB
    extra = [
        (50706, 1, 4, bytes((1, 4, 0, 0)), True),  # DNGVersion
        (50707, 1, 4, bytes((1, 1, 0, 0)), True),  # DNGBackwardVersion
        (50708, 2, 0, "Parjanya Sample camera", True),  # UniqueCameraModel
        (33421, 3, 2, (2, 2), True),  # CFARepeatPatternDim
        (33422, 1, 4, bytes((0, 1, 1, 2)), True),  # CFAPattern: red, green, green, blue
        (50714, 3, 1, 0, True),  # BlackLevel
        (50717, 4, 1, 65535, True),  # WhiteLevel
        (50721, 10, 9, [n for value in to_camera for n in (value, 10000)], True),  # ColorMatrix1
        (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),  # AsShotNeutral
        (50778, 3, 1, 21, True),  # CalibrationIlluminant1: D65
    ]
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer, mosaic, photometric="CFA", compression=None, metadata=None, software="Parjanya",
        extratags=extra,
    )  # fmt: skip
    return buffer.getvalue()
