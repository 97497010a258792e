"""The engine `transformers` over tiny random models, loaded as production loads its own.

What a random model "sees" is asserted nowhere.
"""

from __future__ import annotations

import json
import random
import shutil
import threading
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpu_ops import LABELS, engines
from gpu_ops.interface import EngineLost, Identity, InvalidImage, SomeFailed
from gpu_ops.vlm import calibration, categories, checkpoint, libraries, prompts
from gpu_ops.vlm.enricher import TransformersEnricher
from gpu_ops.vlm.options import Options
from gpu_ops.vlm.reader import InDoubt, Reader
from tests.support import tiny_models
from tests.support.pictures import gradient, noise
from tests.unit.gpu_ops.vlm.engines import DEVICE, Engine

IMAGES = [
    noise(120, 200),
    gradient(300, 200),
    np.full((1, 1, 3), 128, np.uint8),
    noise(1, 700),
    noise(900, 9),
    np.zeros((200, 300, 3), np.uint8),
    noise(400, 300)[::2, ::-1],
]


def test_every_image_gets_finite_evidence_whose_probabilities_sum_to_one(engine: Engine) -> None:
    bodies = engine().describe(IMAGES)
    assert len(bodies) == len(IMAGES)
    for body in bodies:
        json.dumps(body, allow_nan=False)
        assert list(body["probabilities"]) == list(LABELS)
        assert sum(body["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert body["confidence"] == body["probabilities"][body["category"]]
        assert body["prompt"] == "default@1"
        assert body["libraries"] == libraries.versions()
        assert body["caption_source"] == "model" or body["description_raw"].startswith("{")


def test_an_answer_that_is_hardly_a_letter_is_unknown_and_its_probability_is_recorded(
    engine: Engine,
) -> None:
    """Random weights spread over all words: the eight letters are about 8 of 640."""
    (guess,) = engine(describe=False).describe(IMAGES[:1])
    (body,) = engine(describe=False, answer_mass=0.5).describe(IMAGES[:1])
    assert body["answer_mass"] == guess["answer_mass"]
    assert 0 < body["answer_mass"] < 0.1
    for field in ("category", "confidence", "group", "group_confidence"):
        assert (guess[field] is None, body[field]) == (False, None)
    assert body["probabilities"] == dict.fromkeys(LABELS)


def test_a_sure_answer_is_asked_for_in_one_order_and_a_sampled_picture_in_all(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = engine(describe=False)
    first, second = (asked.prepare(image) for image in IMAGES[:2])
    every = asked.by_order(IMAGES[:2])
    monkeypatch.setattr(categories, "SURE", 0.0)  # whatever the letters say is sure
    bodies = asked.describe([replace(first, sampled=False), replace(second, sampled=True)])
    for body, answers in zip(bodies, (every[0][:1], every[1]), strict=True):
        expected = categories.probabilities(categories.scores(answers))
        assert body["probabilities"] == pytest.approx(expected, abs=2e-6)


def test_a_batch_says_of_each_image_what_it_says_of_it_alone(engine: Engine) -> None:
    for together, image in zip(engine().describe(IMAGES), IMAGES, strict=True):
        (alone,) = engine().describe([image])
        probabilities = together.pop("probabilities")
        assert probabilities == pytest.approx(alone.pop("probabilities"), abs=2e-6)
        for body in (together, alone):
            for rounded in ("category", "confidence", "group", "group_confidence", "answer_mass"):
                del body[rounded]  # follow from the probabilities, which round apart
        assert together == alone


def test_small_batches_and_prepared_pictures_change_no_answer(engine: Engine) -> None:
    whole = engine(describe=False)
    few = engine(describe=False, batch_tokens=1)
    prepared = [whole.prepare(image) for image in IMAGES]
    for one, other, ready in zip(
        whole.describe(IMAGES), few.describe(IMAGES), whole.describe(prepared), strict=True
    ):
        for same in (other, ready):
            assert one["probabilities"] == pytest.approx(same["probabilities"], abs=2e-6)


def test_images_are_prepared_while_the_model_is_at_work(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Reader.answer
    working = engine(describe=False)
    working.warm()
    prepared: list[object] = []

    def busy(self: Reader, pictures: list, in_doubt: InDoubt) -> list:  # type: ignore[type-arg]
        ahead = threading.Thread(target=lambda: prepared.append(working.prepare(IMAGES[1])))
        ahead.start()
        ahead.join(600)
        assert prepared, "preparing waited for the model"
        return answer(self, pictures, in_doubt)

    monkeypatch.setattr(Reader, "answer", busy)
    working.describe(IMAGES[:1])


def test_the_order_in_which_labels_are_listed_changes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = Options(model=str(folder), visual_tokens=64, device=DEVICE, describe=False)
    listed = TransformersEnricher(options).by_order(IMAGES[:2])
    shuffled = list(LABELS)
    random.Random(2).shuffle(shuffled)
    monkeypatch.setattr(prompts.Prompt, "labels", tuple(shuffled))
    again = TransformersEnricher(options).by_order(IMAGES[:2])
    assert shuffled != list(LABELS)
    for one, other in zip(listed, again, strict=True):
        for here, there in zip(one, other, strict=True):
            assert here == pytest.approx(there, abs=1e-6)


SMALL = [noise(64, 64, seed) for seed in range(4)]


def test_out_of_memory_halves_the_batch_and_goes_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is simulated: no GPU is needed to run out of its memory.

    Which errors are of this kind: `tests/unit/gpu_ops/test_faults.py`.
    """
    plain = engine(describe=False).describe(IMAGES)
    asked: list[int] = []
    answers: list[Any] = []
    answer = Reader.answer

    def short_of_memory(self: Reader, pictures: list, in_doubt: InDoubt) -> list:  # type: ignore[type-arg]
        asked.append(len(pictures))
        if len(pictures) > 2:
            raise RuntimeError("CUDA error: out of memory\nSearch")
        answers[:] = answer(self, pictures, in_doubt)
        return list(answers)

    monkeypatch.setattr(Reader, "answer", short_of_memory)
    tight = TransformersEnricher(engine(describe=False)._options)
    for body, expected in zip(tight.describe(IMAGES), plain, strict=True):
        assert body["probabilities"] == pytest.approx(expected["probabilities"], abs=2e-6)
    assert max(asked) == len(IMAGES)
    asked.clear()
    tight.describe(IMAGES)
    assert max(asked) < len(IMAGES)  # it has learnt to ask for less
    monkeypatch.setattr(
        Reader,
        "answer",
        lambda _, some, in_doubt: asked.append(len(some)) or [answers[0]] * len(some),
    )
    small = [tight.prepare(image) for image in SMALL]
    for _ in range(200):
        tight.describe(small)
        if asked[-1] == 4:  # and, once memory suffices again, comes back to more
            return
    pytest.fail(f"still small batches: {asked[-4:]}")


def test_an_image_that_alone_is_too_much_fails_alone_and_transiently(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Reader.answer

    def too_much(self: Reader, pictures: list, in_doubt: InDoubt) -> list:  # type: ignore[type-arg]
        if any(picture.size > 50 for picture in pictures):
            raise MemoryError("simulated")
        return answer(self, pictures, in_doubt)

    monkeypatch.setattr(Reader, "answer", too_much)
    tight = TransformersEnricher(engine(describe=False)._options)
    images = [noise(64, 64), noise(512, 512), noise(64, 64, 3)]
    with pytest.raises(SomeFailed, match="1 of 3") as failed:
        tight.describe(images)
    assert list(failed.value.errors) == [1]
    assert isinstance(failed.value.errors[1], MemoryError)
    assert [body is None for body in failed.value.bodies] == [False, True, False]


def test_an_image_whose_activations_overflow_fails_alone(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Reader.answer

    def overflowing(self: Reader, pictures: list, in_doubt: InDoubt) -> list:  # type: ignore[type-arg]
        found = answer(self, pictures, in_doubt)
        for picture, one in zip(pictures, found, strict=True):
            if picture.size > 50:
                one.letters[0][0] = float("nan")
        return found

    monkeypatch.setattr(Reader, "answer", overflowing)
    with pytest.raises(SomeFailed) as failed:
        engine(describe=False).describe([noise(64, 64), noise(512, 512)])
    assert list(failed.value.errors) == [1]
    assert "not finite" in str(failed.value.errors[1])


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (RuntimeError("CUDA error: device-side assert triggered"), EngineLost),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), RuntimeError),
    ],
    ids=["device", "other"],
)
def test_an_error_that_is_not_about_memory_is_not_hidden(
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    raised: Exception,
    expected: type[Exception],
) -> None:
    asked: list[int] = []

    def broken(self: Reader, pictures: list, in_doubt: InDoubt) -> list:  # type: ignore[type-arg]
        asked.append(len(pictures))
        raise raised

    monkeypatch.setattr(Reader, "answer", broken)
    with pytest.raises(expected, match=str(raised)):
        engine(describe=False).describe(IMAGES)
    assert len(asked) == 1


def test_what_is_no_rgb_image_is_refused_with_its_position(engine: Engine) -> None:
    with pytest.raises(InvalidImage, match="image 1 of the batch"):
        engine(describe=False).describe([noise(40, 40), np.zeros((4, 4), np.uint8)])


def test_an_empty_batch_is_no_work_and_loads_nothing(folder: Path) -> None:
    assert TransformersEnricher(Options(model=str(folder / "absent"))).describe([]) == []


def test_the_identity_says_engine_model_revision_prompt_and_determinism(folder: Path) -> None:
    identity = TransformersEnricher(Options(model=str(folder))).identity
    assert identity.engine == "transformers"
    assert identity.model == f"{folder.name}@{checkpoint.revision_of(folder)}"
    assert identity.prompt == prompts.load().identity
    assert identity.determinism == "numerical"
    assert identity.revision.startswith("sha256:")


@pytest.mark.parametrize("other", [{"visual_tokens": 128}, {"describe": False}])
def test_what_can_change_an_answer_changes_the_revision(folder: Path, other: dict) -> None:  # type: ignore[type-arg]
    plain = TransformersEnricher(Options(model=str(folder))).identity
    assert TransformersEnricher(Options(model=str(folder), **other)).identity != plain


def test_other_libraries_are_another_revision_and_evidence_names_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def identity() -> Identity:
        return TransformersEnricher(Options(model=str(folder))).identity

    plain, known = identity(), libraries.versions()
    assert identity() == plain
    for name in known:
        monkeypatch.setattr(libraries, "versions", lambda newer=name: {**known, newer: "99.0"})
        assert identity().revision != plain.revision, name
        assert identity().model == plain.model


@pytest.mark.parametrize("other", [{"batch_tokens": 99}, {"device": "cpu"}])
def test_what_cannot_change_an_answer_leaves_the_revision(folder: Path, other: dict) -> None:  # type: ignore[type-arg]
    plain = TransformersEnricher(Options(model=str(folder))).identity
    assert TransformersEnricher(Options(model=str(folder), **other)).identity == plain


def test_the_same_files_elsewhere_are_the_same_model_and_others_are_not(
    folder: Path, tmp_path: Path
) -> None:
    moved = Path(shutil.copytree(folder, tmp_path / folder.name))
    (moved / "README.md").write_text("not a part of the model")
    plain = TransformersEnricher(Options(model=str(folder))).identity
    assert TransformersEnricher(Options(model=str(moved))).identity == plain
    tiny_models.build("qwen3_vl", tmp_path / "other" / folder.name, seed=1)
    other = TransformersEnricher(Options(model=str(tmp_path / "other" / folder.name))).identity
    assert other.model != plain.model


def test_a_snapshot_of_the_hub_cache_is_known_by_its_commit(tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = tmp_path / "models--acme--seer" / "snapshots" / commit
    snapshot.mkdir(parents=True)
    assert checkpoint.revision_of(snapshot) == f"commit:{commit}"
    assert checkpoint.name_of(str(snapshot), snapshot) == "models--acme--seer"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"model": "/absent/model"}, "no model folder"),
        ({"model": "acme/seer"}, "not in the local cache"),
        ({"model": "acme/seer", "revision": "v2"}, "acme/seer v2"),
    ],
)
def test_a_model_that_is_not_there_is_not_downloaded(
    options: dict,
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[type-arg]
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(checkpoint.ModelMissing, match=complaint):
        TransformersEnricher(Options(**options)).warm()


def test_another_prompt_asks_the_same_model_without_loading_it_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = resources.files(prompts).joinpath("default@1.yaml").read_bytes()
    terser = raw.replace(b"Which kind?", b"What kind?")
    assert terser != raw
    load = prompts.load

    def with_another(prompt: str, folder: str) -> prompts.Prompt:
        return prompts.parse(prompt, terser) if prompt == "terse@1" else load(prompt, folder)

    monkeypatch.setattr(prompts, "load", with_another)
    default = engine(describe=False)
    default.describe(IMAGES[:1])
    terse = default.asking("terse@1")
    (body,) = terse.describe(IMAGES[:1])
    assert body["prompt"] == "terse@1"
    assert terse.identity.prompt.startswith("terse@1+sha256:")
    assert terse.identity != default.identity
    assert terse._reader and default._reader  # noqa: PT018
    assert terse._reader.model is default._reader.model
    assert default.asking("default@1") is default
    with pytest.raises(ValueError, match="no prompt"):
        default.asking("poem@1")


def test_a_fitted_temperature_makes_the_engine_more_modest_and_is_named(
    folder: Path, tmp_path: Path
) -> None:
    plain = TransformersEnricher(
        Options(model=str(folder), device=DEVICE, visual_tokens=64, describe=False, answer_mass=0.0)
    )
    means = [plain.pooled(answers) for answers in plain.by_order(IMAGES[:2])]
    body = calibration.fit(
        [(means[0], "photo"), (means[1], "slide")],
        model=checkpoint.revision_of(folder),
        prompt=prompts.load().identity,
    )
    file = tmp_path / "calibration.json"
    file.write_text(json.dumps(body | {"temperature": 50.0}))
    cool = TransformersEnricher(
        Options(
            model=str(folder),
            device=DEVICE,
            visual_tokens=64,
            describe=False,
            calibration=str(file),
            answer_mass=0.0,
        )
    )
    assert cool.identity.revision != plain.identity.revision
    for before, after in zip(plain.describe(IMAGES[:2]), cool.describe(IMAGES[:2]), strict=True):
        assert after["confidence"] < before["confidence"]
        assert after["calibration"].startswith("sha256:")


def test_a_calibration_of_another_model_or_none_at_all_is_refused(
    folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "calibration.json"
    file.write_text(json.dumps({"temperature": 2, "model": "commit:0", "prompt": "default@1"}))
    with pytest.raises(ValueError, match="fitted for the model commit:0"):
        _ = TransformersEnricher(Options(model=str(folder), calibration=str(file))).identity
    file.write_text('{"temperature": 2}')
    with pytest.raises(ValueError, match="is no calibration"):
        TransformersEnricher(Options(model=str(folder), calibration=str(file)))


def test_the_engine_is_built_once_per_choice_of_options_and_needs_some(folder: Path) -> None:
    options = Options(model=str(folder))
    assert engines.enricher("transformers", options) is engines.enricher("transformers", options)
    with pytest.raises(ValueError, match="needs options"):
        engines.enricher("transformers")
    with pytest.raises(ValueError, match="needs a model"):
        Options(model="")
