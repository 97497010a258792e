"""Pictures that differ for certain, made in milliseconds: what they show does not matter here."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, UnidentifiedImageError


def picture(seed: int, width: int = 640, height: int = 480, kind: str = "JPEG") -> bytes:
    """The bytes of a soft random field. Equal arguments give equal bytes."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height of a picture in pixels. What is none counts as one of one pixel."""
    try:
        return Image.open(io.BytesIO(data)).size
    except UnidentifiedImageError:
        return 1, 1


def noise(height: int, width: int, seed: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def gradient(height: int, width: int) -> np.ndarray:
    across = np.linspace(0, 255, width, dtype=np.uint8)
    return np.repeat(np.tile(across, (height, 1))[:, :, None], 3, axis=2)
