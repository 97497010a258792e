"""Whatever holds the scene, it comes out: container, depth, profile, alpha, turn and curve."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from parjanya_dagster.media import validate
from tests.support.encoded import Cell, cells, encoded, expected

NEAR_ENOUGH = 30.0  # dB


@pytest.fixture(scope="module")
def scene(photo) -> Image.Image:
    """Smooth, so that what is compared is colour and not the JPEG of the preview."""
    return photo.crop((0, 0, 512, 384)).resize((160, 120)).filter(ImageFilter.GaussianBlur(2))


def psnr(preview: bytes, wanted: np.ndarray) -> float:
    shown = np.asarray(Image.open(io.BytesIO(preview)), np.float64)
    assert shown.shape == wanted.shape
    return float(10 * np.log10(255**2 / max(((shown - wanted) ** 2).mean(), 1e-9)))


@pytest.mark.parametrize("cell", list(cells()), ids=str)
def test_the_scene_comes_out(scene, cell: Cell):
    assert psnr(validate(encoded(scene, cell)).preview, expected(scene, cell)) >= NEAR_ENOUGH
