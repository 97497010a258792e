"""Quality falls with each kind of damage, on a real photograph."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from gpu_ops import engines
from gpu_ops.embedded import damage, windows


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    """The coffee cup of scikit-image, where it is installed; else a scene of leaves and sky."""
    data = pytest.importorskip("skimage.data", reason="pip install scikit-image")
    return np.ascontiguousarray(data.coffee())


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), sigma)


def noisy(image: np.ndarray, deviation: float) -> np.ndarray:
    draw = np.random.default_rng(5).normal(0, deviation, image.shape)
    return np.clip(image + draw, 0, 255).astype(np.uint8)


def compressed(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def lit(image: np.ndarray, gain: float) -> np.ndarray:
    linear = (image / 255) ** 2.2 * gain
    return np.round(np.clip(linear, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)


DAMAGES = {
    "blur": [lambda i, s=s: blurred(i, s) for s in (1.2, 2.5, 5)],
    "noise": [lambda i, s=s: noisy(i, s) for s in (15, 30, 50)],
    "jpeg": [lambda i, q=q: compressed(i, q) for q in (40, 20, 8)],
    "under-exposure": [lambda i, g=g: lit(i, g) for g in (0.3, 0.1, 0.03)],
    "over-exposure": [lambda i, g=g: lit(i, g) for g in (2.5, 5, 9)],
}


@pytest.mark.parametrize("levels", DAMAGES.values(), ids=DAMAGES.keys())
def test_quality_falls_with_every_level_of_damage(photograph: np.ndarray, levels: list) -> None:
    images = [photograph, *(make(photograph) for make in levels)]
    qualities = [body["quality"] for body in engines.scorer().score(images)]
    assert qualities == sorted(qualities, reverse=True)
    assert len(set(qualities)) == len(qualities)
    assert qualities[0] > 60


def test_the_smallest_factor_names_the_damage(photograph: np.ndarray) -> None:
    cases = {
        "blur": blurred(photograph, 5),
        "noise": noisy(photograph, 40),
        "blockiness": compressed(photograph, 8),
        "darkness": lit(photograph, 0.03),
        "highlights": lit(photograph, 9),
    }
    for name, body in zip(cases, engines.scorer().score(list(cases.values())), strict=True):
        assert min(body["factors"], key=body["factors"].__getitem__) == name


def test_noise_does_not_pass_for_sharpness(photograph: np.ndarray) -> None:
    soft = blurred(photograph, 3)
    clean, grainy = engines.scorer().score([soft, noisy(soft, 30)])
    assert grainy["quality"] <= clean["quality"]


def test_drawn_white_is_no_over_exposure() -> None:
    page = np.full((400, 600, 3), 255, np.uint8)
    page[100:110, 50:550] = 0
    assert damage.measure(page)["highlights"] == 0


def test_the_grid_of_our_own_preview_is_no_damage() -> None:
    """Where a picture is calm, as the sea is, it is the largest step there is."""
    slope = np.linspace(90, 150, 600)[:, None, None] + np.random.default_rng(1).normal(0, 0.6, 3)
    sea = np.clip(np.broadcast_to(slope, (600, 800, 3)), 0, 255).astype(np.uint8)
    dark = (sea * 0.3).astype(np.uint8)
    for calm in (sea, dark):
        (body,) = engines.scorer().score([compressed(calm, 85)])
        assert body["factors"]["blockiness"] > 0.85


def test_blocks_are_those_of_the_source(photograph: np.ndarray) -> None:
    """Through `validated`: the preview has lost the source's grid, and has one of its own."""
    from parjanya_dagster.media import validate

    large = cv2.resize(photograph, (1300, 867), interpolation=cv2.INTER_CUBIC)
    dark = (blurred(large, 6) * 0.3).astype(np.uint8)
    known, previews = [], []
    for pixels, kept in ((dark, 85), (large, 6)):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=kept)
        found = validate(buffer.getvalue())
        known.append(found.body["technical"])
        previews.append(np.asarray(Image.open(io.BytesIO(found.preview))))
    scorer = engines.scorer()
    sound, damaged = (body["factors"]["blockiness"] for body in scorer.score(previews, known))
    assert sound > 0.85
    assert damaged < 0.5
    _, unseen = (body["factors"]["blockiness"] for body in scorer.score(previews))
    assert unseen > 0.8


def test_without_the_measure_of_the_source_the_preview_tells(photograph: np.ndarray) -> None:
    blocky = compressed(photograph, 8)
    hints = {
        "nothing is known": None,
        "measured in the way of before": {"blockiness": 0.1},
        "measured": {"blockiness": 0.25, "block_size": 8.0},
    }
    seen, before, known = (
        body["damage"]["blockiness"]
        for body in engines.scorer().score([blocky] * 3, list(hints.values()))
    )
    assert seen == before == damage.measure(blocky)["blockiness"] > 1
    assert known == 0.25
    with pytest.raises(ValueError, match="2 hints for 1 images"):
        engines.scorer().score([blocky], [None, None])


def test_windows_are_taken_at_the_images_own_pixels() -> None:
    image = np.arange(700 * 900 * 3, dtype=np.uint32).astype(np.uint8).reshape(700, 900, 3)
    cut = windows.windows(image)
    assert cut.shape == (4, 256, 256, 3)
    assert (cut[0] == image[111:367, 161:417]).all()
    assert windows.windows(image[:100]).shape == (4, 100, 100, 3)


@pytest.mark.parametrize("shape", [(40, 50), (33, 47)])
@pytest.mark.parametrize("most", [2, 40, 256])
def test_measures_from_counts_are_those_of_all_pixels(shape: tuple[int, int], most: int) -> None:
    levels = np.random.default_rng(most).integers(0, most, shape, dtype=np.uint8)
    grey = levels.astype(np.float32)
    found = damage.measure(np.repeat(levels[..., None], 3, axis=2))
    assert found["darkness"] == round(1 - float(np.percentile(grey, 99)) / 255, 4)
    ratios = []
    for steps in (np.abs(np.diff(grey, axis=0)).mean(1), np.abs(np.diff(grey, axis=1)).mean(0)):
        phases = np.array([steps[phase::8].mean() for phase in range(8)])
        ratios.append((phases[7] - phases[:7].mean()) / max(phases[:7].mean(), damage.VISIBLE))
    assert found["blockiness"] == round(max(0.0, float(np.mean(ratios))), 4)
