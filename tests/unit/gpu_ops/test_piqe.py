"""PIQE gives the scores of two packages that follow its authors' program."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from gpu_ops.embedded import luma
from gpu_ops.embedded.piqe import piqe

# (photograph of scikit-image, damage): by pyiqa 0.1.16 in float64 over the same contrasts, and by
# pypiqe 1.2. Both saw the first 256 by 384 pixels in grey, white being 255: neither has to choose
# a weight of colours, a stretch or a continuation there, which each does in a way of its own.
REFERENCE = {
    ("coffee", "none"): (30.199525, 30.1995),
    ("coffee", "blur"): (90.581281, 90.5813),
    ("coffee", "jpeg"): (52.512828, 52.5128),
    ("astronaut", "none"): (27.850546, 27.8505),
    ("astronaut", "blur"): (89.769958, 89.7700),
    ("astronaut", "jpeg"): (63.806571, 63.8066),
    ("chelsea", "none"): (35.705943, 35.7059),
    ("chelsea", "blur"): (76.099783, 76.0998),
    ("chelsea", "jpeg"): (56.582051, 56.5821),
    ("rocket", "none"): (40.657676, 40.6577),
    ("rocket", "blur"): (100.000000, 100.0000),
    ("rocket", "jpeg"): (67.290995, 67.2910),
}


def photograph(name: str, damage: str) -> np.ndarray:
    data = pytest.importorskip("skimage.data", reason="pip install scikit-image")
    grey = cv2.cvtColor(np.ascontiguousarray(getattr(data, name)()), cv2.COLOR_RGB2GRAY)
    grey = np.ascontiguousarray(grey[:256, :384])
    grey[0, 0] = 255
    if damage == "blur":
        grey = cv2.GaussianBlur(grey, (0, 0), 2)
        grey[0, 0] = 255
    if damage == "jpeg":
        buffer = io.BytesIO()
        Image.fromarray(grey).save(buffer, "JPEG", quality=15)
        grey = np.array(Image.open(buffer))
        grey[0, 0] = 255
    return np.repeat(grey[..., None], 3, axis=2)


@pytest.mark.parametrize(("name", "damage"), REFERENCE)
def test_scores_are_those_of_the_packages(name: str, damage: str) -> None:
    of_pyiqa, of_pypiqe = REFERENCE[name, damage]
    (score,) = piqe(photograph(name, damage)[None])
    assert score == pytest.approx(of_pyiqa, abs=1e-6)
    assert score == pytest.approx(of_pypiqe, abs=0.01)


def test_images_of_a_stack_are_scored_each_for_itself() -> None:
    images = [photograph("coffee", damage) for damage in ("none", "blur", "jpeg")]
    alone = [piqe(image[None])[0] for image in images]
    assert piqe(np.stack(images)) == alone


def test_it_is_undefined_in_the_dark_and_on_a_stamp() -> None:
    dark, grey = np.zeros((2, 64, 64, 3), np.uint8)
    grey[:] = 9
    assert piqe(np.stack([dark, grey])) == [
        None,
        100.0,
    ]  # nothing is active: the worst, as published
    assert piqe(np.full((1, 31, 400, 3), 9, np.uint8)) == [None]


def plain(contrast: np.ndarray) -> float:
    """The definition, over the contrasts of one image: block by block, in double precision."""
    blame, count = 1.0, 1
    for top in range(0, contrast.shape[0] // 16 * 16, 16):
        for left in range(0, contrast.shape[1] // 16 * 16, 16):
            block = contrast[top : top + 16, left : left + 16]
            variance = block.var(ddof=1)
            if variance <= 0.1:
                continue
            count += 1
            borders = block[0], block[-1], block[:, 0], block[:, -1]
            pieces = [border[at : at + 6] for border in borders for at in range(11)]
            impaired = min(piece.std(ddof=1) for piece in pieces) < 0.1
            middle = block[:, 7:9].std(ddof=1)
            around = np.delete(block, [7, 9], axis=1).std(ddof=1)
            deviation, ratio = variance**0.5, middle / around if around > 0 else 0.0
            noisy = deviation > 2 * abs(deviation - ratio) / max(deviation, ratio)
            blame += impaired * (1 - variance) + noisy * variance
    return 100 * blame / count


@pytest.mark.parametrize("name", ["coffee", "rocket", "noise", "stripes", "two levels"])
def test_a_score_is_that_of_its_definition(name: str) -> None:
    rng = np.random.default_rng(3)
    made = {
        "noise": rng.integers(0, 256, (96, 130)),
        "stripes": np.tile(np.arange(130) // 5 % 2 * 200 + 30, (96, 1)),
        "two levels": rng.integers(0, 2, (70, 70)) * 255,
    }
    if name in made:
        stack = np.repeat(made[name].astype(np.uint8)[None, ..., None], 3, axis=3)
    else:
        stack = photograph(name, "jpeg")[None]
    height, width = stack.shape[1:3]
    beyond = ((0, 0), (0, height % 16), (0, width % 16))
    levels = np.pad(luma.stretched(stack), beyond, mode="symmetric").astype(np.float64)

    (score,) = piqe(stack)

    assert score == pytest.approx(plain(plain_contrast(levels[0])), abs=1e-9)


def plain_contrast(levels: np.ndarray) -> np.ndarray:
    kernel = cv2.getGaussianKernel(7, 7 / 6, cv2.CV_64F)

    def blurred(plane: np.ndarray) -> np.ndarray:
        return cv2.sepFilter2D(plane, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE)

    mean = blurred(levels)
    contrast = (levels - mean) / (np.sqrt(np.abs(blurred(levels * levels) - mean * mean)) + 1)
    return np.where(np.abs(contrast) < 1e-9, 0.0, contrast)
