"""NIQE and BRISQUE give the scores of the packages whose weights they run."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from gpu_ops import engines
from gpu_ops.embedded import luma, natural_scenes, piqe, weights, windows
from gpu_ops.embedded.scorer import FULL, EmbeddedScorer

# (photograph of scikit-image, damage): BRISQUE by brisque 0.2.0, NIQE by basicsr 1.4.2, run on
# these very arrays. basicsr needed stand-ins for modules that SciPy has moved since, and brisque
# two scalars where NumPy gives arrays. JPEG at 15 leaves areas that are exactly flat, where brisque
# is not defined: it counts the signs that rounding leaves. So both packages ran with contrasts
# under 1e-9 set to zero. That moved BRISQUE of "jpeg" by up to 0.7; without it nothing else moves
# by more than 0.01.
REFERENCE = {
    ("coffee", "none"): (3.0479, 4.1152),
    ("coffee", "blur"): (74.7155, 8.0570),
    ("coffee", "jpeg"): (57.1998, 7.8891),
    ("astronaut", "none"): (10.7955, 3.0649),
    ("astronaut", "blur"): (64.2707, 7.2822),
    ("astronaut", "jpeg"): (44.7114, 4.9829),
    ("chelsea", "none"): (2.8708, 2.6255),
    ("chelsea", "blur"): (66.9637, 8.4210),
    ("chelsea", "jpeg"): (47.1070, 5.5857),
    ("rocket", "none"): (4.2377, 6.9692),
    ("rocket", "blur"): (77.9999, 10.0088),
    ("rocket", "jpeg"): (73.1143, 10.3940),
}


def photograph(name: str, damage: str = "none") -> np.ndarray:
    data = pytest.importorskip("skimage.data", reason="pip install scikit-image")
    image = np.ascontiguousarray(getattr(data, name)()[..., :3])
    if damage == "blur":
        return cv2.GaussianBlur(image, (0, 0), 2)
    if damage == "jpeg":
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=15)
        return np.asarray(Image.open(buffer))
    return image


@pytest.mark.parametrize(("name", "damage"), REFERENCE)
def test_scores_are_those_of_the_packages_that_ship_the_weights(name: str, damage: str) -> None:
    stack = photograph(name, damage)[None]
    brisque, niqe = REFERENCE[name, damage]
    assert natural_scenes.brisque(stack) == [pytest.approx(brisque, abs=0.1)]
    assert natural_scenes.niqe(stack) == [pytest.approx(niqe, abs=0.01)]


SCORES = {
    "niqe": natural_scenes.niqe,
    "brisque": natural_scenes.brisque,
    "piqe": lambda stack: piqe.piqe(windows.windows(stack[0])),
}


@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES)
@pytest.mark.parametrize("name", ["coffee", "astronaut", "rocket"])
def test_the_rounding_of_another_processor_moves_no_score(
    name: str, score: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A good part of these images is exactly flat: 126,000 pixels of 274,000 in the rocket's."""
    stack = photograph(name, "jpeg")[None]
    before = score(stack)
    exact, random = cv2.sepFilter2D, np.random.default_rng(1)

    def otherwise(*arguments: Any, **options: Any) -> np.ndarray:
        sums = exact(*arguments, **options)
        return sums + random.uniform(-1e-12, 1e-12, sums.shape)

    monkeypatch.setattr(cv2, "sepFilter2D", otherwise)
    assert score(stack) == pytest.approx(before, abs=0.01)


@pytest.mark.parametrize("grey", [129, 200, 254])
def test_a_grey_halfway_between_two_levels_goes_to_one_of_them(grey: int) -> None:
    """Every level of a grey image, white being `grey`: one that lies halfway is rounded up."""
    ramp = np.repeat(np.arange(grey + 1, dtype=np.uint8)[None, None, :, None], 3, axis=3)
    exact = [int(Fraction(255 * level, grey) + Fraction(1, 2)) for level in range(grey + 1)]
    assert luma.stretched(ramp)[0, 0].tolist() == exact


def test_the_full_scorer_adds_metrics_and_leaves_quality_as_it_is() -> None:
    images = [photograph("coffee"), photograph("chelsea", "blur")]
    fast, full = engines.scorer().score(images), engines.scorer("embedded-full").score(images)
    for one, other in zip(fast, full, strict=True):
        assert list(one["metrics"]) == ["piqe"]
        assert tuple(other["metrics"]) == FULL
        assert {**one, "metrics": None} == {**other, "metrics": None}
        assert one["metrics"]["piqe"] == other["metrics"]["piqe"]


def test_evidence_names_the_weights_by_their_hash() -> None:
    (body,) = engines.scorer("embedded-full").score([photograph("chelsea")])
    assert body["metrics"]["piqe"]["weights"] == "none"
    for metric in ("niqe", "brisque"):
        assert body["metrics"][metric]["weights"] == weights.identifier(metric)
        assert body["metrics"][metric]["weights"].startswith("sha256:")
        assert body["metrics"][metric]["lower_better"] is True


def test_images_are_stacked_only_where_their_shapes_are_equal() -> None:
    shapes = [(40, 60), (60, 40), (40, 60), (900, 1000), (900, 1000), (900, 1000)]
    images = [np.full((*shape, 3), n, np.uint8) for n, shape in enumerate(shapes)]
    stacks = windows.stacks(images)
    assert [positions for positions, _ in stacks] == [[0, 2], [1], [3, 4], [5]]
    for positions, stack in stacks:
        assert [int(image[0, 0, 0]) for image in stack] == positions


def test_a_batch_of_mixed_shapes_says_of_each_image_what_it_says_of_it_alone() -> None:
    cat, coffee = photograph("chelsea"), photograph("coffee")
    images = [cat, coffee, np.ascontiguousarray(cat[::-1]), np.zeros_like(cat), coffee[:100, :90]]
    scorer = engines.scorer("embedded-full")
    for together, image in zip(scorer.score(images), images, strict=True):
        alone = scorer.score([image])[0]
        for metric in FULL:
            value = alone["metrics"][metric]["value"]
            assert together["metrics"][metric]["value"] == (
                None if value is None else pytest.approx(value, abs=1e-3)
            )


def test_an_image_larger_than_a_preview_is_judged_by_its_centre() -> None:
    image = np.zeros((1500, 2000, 3), np.uint8)
    image[750, 1000] = 9
    centre = windows.centre(image)
    assert centre.shape == (1024, 1024, 3)
    assert centre[512, 512].tolist() == [9, 9, 9]
    assert windows.centre(image[:700, :1024]).shape == (700, 1024, 3)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((200, 300, 3), np.uint8),
        np.full((200, 300, 3), 255, np.uint8),
        np.full((20, 20, 3), 7, np.uint8),
    ],
    ids=["black", "white", "tiny"],
)
def test_what_is_undefined_stays_empty(image: np.ndarray) -> None:
    (body,) = engines.scorer("embedded-full").score([image])
    assert body["metrics"]["niqe"]["value"] is None
    assert body["metrics"]["brisque"]["value"] is None


@pytest.mark.parametrize("metric", ["niqe", "brisque"])
def test_altered_weights_are_refused_by_name(tmp_path: Path, metric: str) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(weights.FOLDER, folder)
    assert weights.read(metric, folder) == weights.read(metric)
    name = next(iter(weights.FILES[metric]))
    (folder / name).write_bytes((folder / name).read_bytes()[:-1] + b"?")
    with pytest.raises(weights.BadWeights, match=f"{name} are altered"):
        weights.read(metric, folder)


def test_missing_weights_are_refused_before_an_image_is_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = weights.read
    monkeypatch.setattr(weights, "read", lambda metric: read(metric, tmp_path))
    natural_scenes.pristine.cache_clear()
    with pytest.raises(weights.BadWeights, match=r"niqe_pris_params.npz cannot be read"):
        EmbeddedScorer(FULL).warm()


def test_every_vendored_file_stands_in_the_notice_with_its_hash() -> None:
    notice = (weights.FOLDER / "NOTICE").read_text()
    for files in weights.FILES.values():
        for name, sha256 in files.items():
            assert name in notice
            assert sha256 in notice


def test_a_choice_without_piqe_or_with_an_unknown_metric_is_refused() -> None:
    with pytest.raises(ValueError, match="keep it among the metrics"):
        EmbeddedScorer(("niqe",))
    with pytest.raises(ValueError, match="no metric 'ssim'; choose from piqe, niqe, brisque"):
        EmbeddedScorer(("piqe", "ssim"))  # type: ignore[arg-type]
