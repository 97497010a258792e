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
    luma = np.rint(gaussian_filter(slanted, blur)).astype(np.uint8)

    assert 1 / sharpness(luma, 0.0) - 1 == pytest.approx(blur, abs=0.3)


@pytest.mark.parametrize("sigma", [2.0, 6.0, 15.0])
def test_noise_is_measured_in_grey_levels(sigma):
    grain = np.random.default_rng(3).normal(128, sigma, (400, 400)).clip(0, 255)

    assert noise_sigma(grain.astype(np.uint8)) == pytest.approx(sigma, rel=0.1)


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


def slopes(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eight times the gradients (y, x) of whole numbers, without the border."""
    from scipy.signal import correlate2d

    kernel = np.outer([-1, 0, 1], [1, 2, 1])
    down, right = (correlate2d(plane.astype(int), k, "valid") for k in (kernel, kernel.T))
    return down, right


def plain_sharpness(luma: np.ndarray, noise: float) -> float:
    """The definition, over arrays of all pixels."""
    height, width = (side // 2 * 2 for side in luma.shape)
    even = luma[:height, :width].astype(int)
    fours = even.reshape(height // 2, 2, width // 2, 2).sum(axis=(1, 3))
    y, x = (slope.astype(np.float32) / np.float32(32) for slope in slopes(fours))
    power = y**2 + x**2
    least = max(max(4.0, 4.0 * noise) ** 2, float(np.percentile(power[::2, ::2], 97)))
    inner = [(i, j) for i, j in np.argwhere(power >= least) if 0 < i < len(power) - 1]
    inner = [(i, j) for i, j in inner if 0 < j < power.shape[1] - 1]
    steps = {at: (1, 0) if abs(y[at]) > abs(x[at]) else (0, 1) for at in inner}
    ridges = [
        (i, j)
        for (i, j), (down, right) in steps.items()
        if power[i, j] >= max(power[i - down, j - right], power[i + down, j + right])
    ]
    if len(ridges) < 8:
        return 0.0
    at = tuple(np.array(ridges).T)
    coarse = power[at].astype(float)
    fine = np.zeros(len(ridges))
    fine_y, fine_x = (slope / 8 for slope in slopes(even))
    for below, beside in ((1, 1), (1, 2), (2, 1), (2, 2)):
        under = 2 * at[0] + below, 2 * at[1] + beside
        along_y, along_x = (
            fine_y[under] * (y[at] / coarse**0.5),
            fine_x[under] * (x[at] / coarse**0.5),
        )
        fine += (along_y + along_x) ** 2 / 4
    ratio = max(float(fine.mean()) - 0.1875 * noise**2, 0.0) / (float(coarse.mean()) / 4)
    if ratio <= 1.0:
        return 0.0
    return float(1 / (1 + max((1.88 - 0.70 * ratio) / (ratio - 1), 0.0) ** 0.5))


def plain_noise(luma: np.ndarray) -> float:
    """The definition: the lower quartile of tiles of 16 × 16, of every other row of tiles."""
    from scipy.signal import correlate2d

    response = abs(correlate2d(luma.astype(int), np.outer([1, -2, 1], [1, -2, 1]), "valid"))
    rows, columns = (side // 16 for side in response.shape)
    tiles = response[: rows * 16, : columns * 16].reshape(rows, 16, columns, 16).mean(axis=(1, 3))
    return float(np.percentile(tiles[::2], 25) * (np.pi / 2) ** 0.5 / 6)


PLANES = {
    "noise": np.random.default_rng(3).integers(0, 256, (97, 131)),
    "two levels": np.random.default_rng(3).integers(0, 2, (90, 91)) * 255,
    "a checkered page": np.add.outer(np.arange(203) // 9, np.arange(158) // 11) % 2 * 210 + 20,
    "a slope": np.add.outer(np.arange(64) * 2, np.arange(77)) % 256,
    "the largest response": np.add.outer(np.arange(34), np.arange(34)) % 2 * 255,
    "one level": np.full((40, 40), 7),
}


@pytest.mark.parametrize("name", ["photograph", "blurred", *PLANES])
def test_noise_and_sharpness_are_those_of_their_definitions_to_the_last_bit(name, photo):
    if name in PLANES:
        luma = PLANES[name].astype(np.uint8)
    else:
        grey = photo.convert("L").crop((3, 5, 510, 400))
        luma = np.asarray(grey.filter(ImageFilter.GaussianBlur(2)) if name == "blurred" else grey)

    noise = noise_sigma(luma)

    assert noise == plain_noise(luma)
    assert sharpness(luma, noise) == plain_sharpness(luma, noise)
    assert sharpness(luma, 0.0) == plain_sharpness(luma, 0.0)
