"""Twelve real pictures in twenty encodings, through the pool: what each must become.

The pictures are scikit-image's and scikit-learn's. Each encoding says how far, on average and in
grey levels, its preview may be from the picture that went in.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from test_formats import dng, heic

from parjanya_dagster.media import DecoderPool, Validated
from tests.support.examples import WIDER

PICTURES = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "color.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "retina.jpg",
    "rocket.jpg",
)
SIZE = (320, 240)


def saved(fmt: str, mode: str = "RGB", **options: Any) -> Callable[[Image.Image], bytes]:
    def encode(image: Image.Image) -> bytes:
        out = io.BytesIO()
        image.convert(mode).save(out, fmt, **options)
        return out.getvalue()

    return encode


def tiff16(image: Image.Image) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, np.asarray(image).astype(np.uint16) * 257, photometric="rgb")
    return out.getvalue()


def turned(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 8
    return saved("JPEG", quality=95, exif=exif)(image.transpose(Image.Transpose.ROTATE_270))


def animated(fmt: str, **options: Any) -> Callable[[Image.Image], bytes]:
    return lambda image: saved(fmt, save_all=True, append_images=[image.rotate(180)], **options)(
        image
    )


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

ENCODINGS: dict[str, tuple[str, float, Callable[[Image.Image], bytes]]] = {
    "baseline": ("jpeg", 7, saved("JPEG", quality=90)),
    "progressive": ("jpeg", 7, saved("JPEG", quality=90, progressive=True)),
    "4:4:4": ("jpeg", 6, saved("JPEG", quality=95, subsampling=0)),
    "turned": ("jpeg", 7, turned),
    "with a profile": ("jpeg", 7, saved("JPEG", quality=90, icc_profile=SRGB)),
    "mpo": ("jpeg", 7, animated("MPO", quality=90)),
    "png": ("png", 5, saved("PNG")),
    "palette": ("png", 14, lambda image: saved("PNG", "P")(image.quantize(256))),
    "opaque alpha": ("png", 5, saved("PNG", "RGBA")),
    "animated png": ("png", 5, animated("PNG")),
    "webp": ("webp", 7, saved("WEBP", quality=90)),
    "lossless webp": ("webp", 5, saved("WEBP", lossless=True)),
    "animated webp": ("webp", 5, animated("WEBP", lossless=True)),
    "lzw": ("tiff", 5, saved("TIFF", compression="tiff_lzw")),
    "16 bits": ("tiff", 5, tiff16),
    "jpeg in tiff": ("tiff", 8, saved("TIFF", compression="jpeg", quality=90)),
    "bmp": ("bmp", 5, saved("BMP")),
    "gif": ("gif", 14, saved("GIF")),
    "avif": ("avif", 7, saved("AVIF", quality=85)),
    "heic": ("heic", 7, heic),
}


@pytest.fixture(scope="module")
def pictures() -> dict[str, Image.Image]:
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    # By way of an array, so that no profile of the source is saved with the copies.
    return {name: Image.fromarray(np.asarray(_small(folder / name))) for name in PICTURES}


def _small(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)


BY_DAY = 3  # one of so many pictures in each encoding


def test_every_picture_comes_out_of_every_encoding(pictures):
    """By day a third of the pairs: each picture, and each encoding, in several."""
    every = [(name, kind) for name in pictures for kind in ENCODINGS]
    assert len(every) >= 200
    cases = every if WIDER > 1 else every[::BY_DAY]

    with DecoderPool(2) as pool:
        files = [ENCODINGS[kind][2](pictures[name]) for name, kind in cases]
        outcomes = pool.validate_many(files)

    wrong = []
    for (name, kind), outcome in zip(cases, outcomes, strict=True):
        fmt, tolerance, _ = ENCODINGS[kind]
        if not isinstance(outcome, Validated):
            wrong.append(f"{name} as {kind}: {outcome}")
            continue
        preview = Image.open(io.BytesIO(outcome.preview))
        error = np.abs(np.asarray(preview, float) - np.asarray(pictures[name], float)).mean()
        hashed = imagehash.hex_to_hash(outcome.body["phash"])
        apart = hashed - imagehash.phash(pictures[name])
        # A chart of colours, in 256 of them, changes where its hash looks.
        allowed = 12 if kind in ("palette", "gif") else 4
        size = (outcome.body["width"], outcome.body["height"])
        if outcome.body["format"] != fmt or size != SIZE or error > tolerance or apart > allowed:
            wrong.append(f"{name} as {kind}: {outcome.body['format']} {size} {error:.1f} {apart}")
    assert not wrong, "\n".join(wrong)


def test_raw_files_resemble_what_was_photographed(pictures):
    with DecoderPool(2) as pool:
        outcomes = pool.validate_many([dng(picture) for picture in pictures.values()])

    for (name, picture), outcome in zip(pictures.items(), outcomes, strict=True):
        assert isinstance(outcome, Validated), f"{name}: {outcome}"
        shown = np.asarray(Image.open(io.BytesIO(outcome.preview)).convert("L"), float).ravel()
        likeness = np.corrcoef(shown, np.asarray(picture.convert("L"), float).ravel())[0, 1]
        assert likeness > 0.85, name
