from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from parjanya_dagster.media import validate
from parjanya_dagster.media.measures import noise_sigma, sharpness


def technical(image: Image.Image) -> dict[str, float]:
    out = io.BytesIO()
    image.save(out, "PNG")
    return validate(out.getvalue()).body["technical"]


def noisy(image: Image.Image, sigma: float) -> Image.Image:
    pixels = np.asarray(image, float)
    grain = np.random.default_rng(7).normal(0, sigma, (*pixels.shape[:2], 1))
    return Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8))


def test_sharpness_falls_with_blur(photo):
    values = [
        technical(photo.filter(ImageFilter.GaussianBlur(radius)))["sharpness"]
        for radius in (0, 1, 2, 4)
    ]

    assert values == sorted(values, reverse=True)
    assert values[0] > 1.3 * values[2]


@pytest.mark.parametrize("sigma", [5, 15, 30])
def test_noise_does_not_raise_the_sharpness_of_a_blurred_photo(photo, sigma):
    blurred = photo.filter(ImageFilter.GaussianBlur(3))

    clean, grainy = technical(blurred), technical(noisy(blurred, sigma))

    assert grainy["sharpness"] <= clean["sharpness"] + 0.08
    assert grainy["sharpness"] < technical(photo)["sharpness"] - 0.1


def test_pure_noise_is_not_sharp():
    grey = Image.new("RGB", (512, 512), (128, 128, 128))

    assert technical(noisy(grey, 20))["sharpness"] == 0.0


@pytest.mark.parametrize("blur", [0.5, 1.0, 2.0, 3.0])
def test_sharpness_recovers_the_width_of_a_known_edge(blur):
    from scipy.ndimage import gaussian_filter

    y, x = np.mgrid[:512, :512] / 2
    slanted = np.where(x + 0.4 * y > 180, 220.0, 30.0).reshape(256, 2, 256, 2).mean(axis=(1, 3))
    luma = np.rint(gaussian_filter(slanted, blur)).astype(np.int16)

    assert 1 / sharpness(luma, 0.0) - 1 == pytest.approx(blur, abs=0.3)


@pytest.mark.parametrize("sigma", [2.0, 6.0, 15.0])
def test_noise_is_measured_in_grey_levels(sigma):
    grain = np.random.default_rng(3).normal(128, sigma, (400, 400)).clip(0, 255)

    assert noise_sigma(grain.astype(np.int16)) == pytest.approx(sigma, rel=0.1)


def test_noise_rises_with_noise_on_a_photograph(photo):
    values = [technical(noisy(photo, sigma))["noise"] for sigma in (0, 5, 10, 20)]

    assert values == sorted(values)
    assert values[0] < 3


def test_exposure_is_seen(photo):
    dark = technical(photo.point(lambda v: v // 8))
    bright = technical(photo.point(lambda v: min(255, v * 3)))

    assert dark["brightness"] < technical(photo)["brightness"] < bright["brightness"]
    assert bright["clipped_bright"] > 0.3
    assert technical(Image.new("RGB", (64, 64)))["clipped_dark"] == 1.0


def test_flat_share_tells_a_drawing_from_a_photograph(photo):
    drawing = Image.new("RGB", (600, 400), "white")
    drawing.paste("navy", (100, 100, 300, 200))

    assert technical(drawing)["flat_share"] > 0.99
    assert technical(photo)["flat_share"] < 0.3


def test_grey_has_no_colourfulness(photo):
    assert technical(photo.convert("L").convert("RGB"))["colourfulness"] == 0.0
    assert technical(photo)["colourfulness"] > 20
