"""What people see first of an image: its thumbnail is the preview, and smaller."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from parjanya_dagster.media.rendition import thumbnail_jpeg


def picture(width: int, height: int) -> Image.Image:
    """A slope of light from left to right, and one of colour from top to bottom."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[..., 0] = 255 * (np.arange(width) + 0.5)[None, :] / width
    pixels[..., 1] = 255 * (np.arange(height) + 0.5)[:, None] / height
    pixels[..., 2] = 96
    return Image.fromarray(pixels)


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((1024, 683), (256, 171)),
        ((401, 1024), (100, 256)),
        ((1024, 1), (256, 1)),
        ((3, 1024), (1, 256)),
        ((256, 40), (256, 40)),
        ((1, 1), (1, 1)),
    ],
)
def test_a_thumbnail_shows_what_its_preview_shows(
    size: tuple[int, int], wanted: tuple[int, int]
) -> None:
    made = Image.open(io.BytesIO(thumbnail_jpeg(picture(*size))))
    assert (made.format, made.mode, made.size) == ("JPEG", "RGB", wanted)
    assert not made.getexif()
    assert "icc_profile" not in made.info
    difference = np.abs(np.asarray(made, int) - np.asarray(picture(*wanted), int))
    assert difference.mean() < 4


def test_a_thumbnail_has_no_pattern_that_its_preview_lacks() -> None:
    stripes = np.zeros((1024, 1024, 3), np.uint8)
    stripes[:, ::2] = 255  # finer than a thumbnail can show: grey, and not one of the two
    made = np.asarray(Image.open(io.BytesIO(thumbnail_jpeg(Image.fromarray(stripes)))), int)
    assert made.min() > 120
    assert made.max() < 136
