"""The engines keep what the interface promises, whatever the image."""

from __future__ import annotations

import functools
import json
import operator
import subprocess
import sys

import numpy as np
import pytest

from gpu_ops import LABELS, engines
from gpu_ops.embedded import weights
from gpu_ops.interface import InvalidImage


def noise(height: int, width: int, seed: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


ODD_IMAGES = {
    "one pixel": np.full((1, 1, 3), 128, np.uint8),
    "a thin line": noise(1, 700),
    "a tall strip": noise(900, 9),
    "all black": np.zeros((200, 300, 3), np.uint8),
    "all white": np.full((200, 300, 3), 255, np.uint8),
    "noise": noise(160, 240),
    "a view that is not contiguous": noise(400, 300)[::2, ::-1],
}


@pytest.mark.parametrize("image", ODD_IMAGES.values(), ids=ODD_IMAGES.keys())
def test_every_image_gets_finite_evidence(image: np.ndarray) -> None:
    (enriched,) = engines.enricher().describe([image])
    (scored,) = engines.scorer().score([image])
    json.dumps([enriched, scored], allow_nan=False)
    assert list(enriched["probabilities"]) == list(LABELS)
    assert sum(enriched["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert enriched["confidence"] == enriched["probabilities"][enriched["category"]]
    assert sorted(functools.reduce(operator.iadd, enriched["distinguishes"], [])) == sorted(LABELS)
    assert enriched["caption"] is None
    assert enriched["caption_source"] == "none"
    assert scored["quality"] is None or 0 <= scored["quality"] <= 100


@pytest.mark.parametrize("name", ["one pixel", "a thin line", "all black", "all white"])
def test_an_image_with_nothing_to_judge_has_no_quality(name: str) -> None:
    (scored,) = engines.scorer().score([ODD_IMAGES[name]])
    assert scored["quality"] is None
    assert None in scored["factors"].values()


def test_the_policy_sends_an_image_without_quality_to_review_and_never_rejects_it() -> None:
    from parjanya_dagster.policy import builtin, evaluate

    images = [ODD_IMAGES["all black"], ODD_IMAGES["all white"]]
    for enriched, scored in zip(
        engines.enricher().describe(images), engines.scorer().score(images), strict=True
    ):
        photo = {label: float(label == "photo") for label in LABELS}
        evidence = {
            "validated": {
                "sha256": "ab" * 32,
                "likeness": {"views": ["0f" * 8]},
                "exif": {},
                "technical": {"shorter_side": 900},
            },
            "enriched": {**enriched, "probabilities": photo, "confidence": 1.0},
            "scored": scored,
        }
        for policy in builtin().values():
            decision = evaluate(policy, evidence)
            assert decision.verdict == "review"
            assert any("scored.quality" in reason.message for reason in decision.reasons)


def test_categories_it_cannot_tell_apart_get_equal_shares() -> None:
    (enriched,) = engines.enricher().describe([noise(200, 200)])
    for group in enriched["distinguishes"]:
        assert len({enriched["probabilities"][label] for label in group}) == 1


def test_a_batch_says_of_each_image_what_it_says_of_it_alone() -> None:
    images = [noise(120, 200), noise(300, 200, 3), noise(120, 200, 5), ODD_IMAGES["all black"]]
    for work in (engines.enricher().describe, engines.scorer().score):
        for together, image in zip(work(images), images, strict=True):
            assert together == work([image])[0]


def test_asking_twice_gives_the_same_answer() -> None:
    images = [noise(200, 300), ODD_IMAGES["all white"]]
    assert engines.enricher().describe(images) == engines.enricher().describe(images)
    assert engines.scorer().score(images) == engines.scorer().score(images)


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)],
    ids=["grey", "alpha", "float"],
)
def test_what_is_no_rgb_image_is_refused_with_its_position(array: np.ndarray) -> None:
    for work in (engines.enricher().describe, engines.scorer().score):
        with pytest.raises(InvalidImage, match="image 1 of the batch"):
            work([noise(40, 40), array])


def test_an_empty_batch_is_no_work() -> None:
    assert engines.enricher().describe([]) == []
    assert engines.scorer().score([]) == []


def test_hints_must_match_the_images_in_number() -> None:
    with pytest.raises(ValueError, match="2 hints for 1 images"):
        engines.enricher().describe([noise(40, 40)], hints=[None, None])


def test_each_engine_is_built_once_and_states_its_whole_identity() -> None:
    assert engines.enricher() is engines.enricher("embedded")
    for engine in (engines.enricher(), engines.scorer()):
        identity = engine.identity.as_dict()
        assert set(identity) == {"engine", "model", "revision", "prompt", "determinism"}
        assert identity["revision"].startswith("sha256:")


def test_an_unknown_engine_is_named_in_the_error() -> None:
    with pytest.raises(
        ValueError,
        match="no enricher named 'gpt'; choose embedded or embedded-tags or transformers or openai",
    ):
        engines.enricher("gpt")


def test_importing_the_package_loads_no_heavy_library() -> None:
    program = (
        "import sys, gpu_ops, gpu_ops.engines as e; e.enricher(); e.scorer();"
        "heavy = {'torch', 'pyiqa', 'cv2', 'onnxruntime', 'rapidocr_onnxruntime', 'numpy', 'PIL'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_default_engines_load_nothing_of_the_gpu_stack() -> None:
    """A default installation has none of it, and pyiqa forbids commercial use."""
    program = (
        "import sys, numpy, gpu_ops.engines as e;"
        "image = numpy.random.default_rng(1).integers(0, 255, (256, 256, 3)).astype('uint8');"
        "e.enricher().describe([image]); e.scorer('embedded-full').score([image]);"
        "gpu = {'torch', 'torchvision', 'timm', 'pyiqa', 'transformers'};"
        "print(sorted(gpu & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("kind", "engine", "extra"), [("enricher", "transformers", "vlm"), ("scorer", "pyiqa", "iqa")]
)
def test_an_engine_whose_packages_are_missing_names_the_extra(
    kind: str, engine: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=rf"pip install 'parjanya\[{extra}\]'"):
        getattr(engines, kind)(engine)


def test_an_engine_without_a_language_model_says_that_it_asks_nothing() -> None:
    with pytest.raises(ValueError, match="the engine embedded asks nothing"):
        engines.enricher().asking("describe@1")


def test_a_scorer_says_which_metrics_it_has() -> None:
    scorer = engines.scorer()
    assert [name for name in ("piqe", "niqe", "brisque", "musiq") if scorer.has(name)] == [
        "piqe",
        "niqe",
        "brisque",
    ]


@pytest.mark.parametrize("name", ["embedded", "embedded-full"])
def test_a_check_finds_altered_weights_of_the_metrics_that_are_chosen(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = engines.scorer(name)
    scorer.check()
    monkeypatch.setitem(weights.FILES, "niqe", {"niqe_pris_params.npz": "0" * 64})
    if name == "embedded":
        scorer.check()  # it does not measure NIQE
    else:
        with pytest.raises(weights.BadWeights, match="are altered"):
            scorer.check()
