"""Real pictures, encoded in every format the tests speak of."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Encode = Callable[..., bytes]


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """A photograph of 512×512 pixels, from scikit-image."""
    import skimage

    with Image.open(Path(skimage.__file__).parent / "data" / "astronaut.png") as image:
        return image.convert("RGB")


@pytest.fixture(scope="session")
def encode() -> Encode:
    def run(image: Image.Image, fmt: str, **options: Any) -> bytes:
        out = io.BytesIO()
        image.save(out, fmt, **options)
        return out.getvalue()

    return run


@pytest.fixture(scope="session")
def quadrants() -> Image.Image:
    """64×32: red, green over blue, white. Tells every orientation apart."""
    pixels = np.zeros((32, 64, 3), np.uint8)
    pixels[:16, :32] = (255, 0, 0)
    pixels[:16, 32:] = (0, 255, 0)
    pixels[16:, :32] = (0, 0, 255)
    pixels[16:, 32:] = (255, 255, 255)
    return Image.fromarray(pixels)
