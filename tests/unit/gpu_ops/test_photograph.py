"""What tells photographs from graphics: a network's numbers, measures, and labelled pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from skimage import data

from gpu_ops import engines
from gpu_ops.embedded import backbone, photograph, weights


def window() -> np.ndarray:
    picture = Image.new("RGB", (640, 420), "#eeeeee")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, 640, 30), fill="#2563eb")
    for row in range(10):
        draw.rectangle((20, 50 + 34 * row, 600, 76 + 34 * row), outline="#777777", fill="white")
        draw.text((30, 56 + 34 * row), f"Setting {row}: value {row * 17}", fill="black")
    return np.asarray(picture)


def test_photographs_are_photographs_and_a_window_is_a_graphic() -> None:
    pictures = [data.astronaut(), data.chelsea(), np.asarray(data.coffee()), window()]
    bodies = engines.enricher().describe(pictures)
    chances = [body["probabilities"]["photo"] for body in bodies]
    assert min(chances[:3]) > 0.65
    assert chances[3] < 0.1


def test_the_whole_picture_is_seen_in_its_own_shape() -> None:
    wide = backbone.shrunk(np.zeros((200, 1600, 3), np.uint8))
    assert wide.shape == (1, 3, 64, 640)
    assert backbone.shrunk(np.zeros((1, 1, 3), np.uint8)).shape == (1, 3, 224, 224)


def test_channels_go_together_against_each_other_or_not_at_all() -> None:
    wave = np.sin(np.arange(48, dtype=np.float32)).reshape(6, 8)
    answers = np.stack([wave, 5 * wave + 2, -wave, np.full_like(wave, 7)])
    # Of 1 and 2, 1 and 3, 1 and 4, 2 and 3, 2 and 4, 3 and 4.
    found = backbone.correlations(answers)
    assert found == pytest.approx([1, -1, 0, -1, 0, 0], abs=0.01)


@pytest.mark.parametrize("shape", [(40, 60, 3), (100, 2000, 3)])
def test_as_many_numbers_are_seen_in_a_picture_of_any_shape(shape: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    seen = backbone.Backbone().look(noise)
    assert seen.shape == (backbone.NUMBERS,)
    pairs = seen[backbone.POOLED :]
    assert np.abs(pairs).max() <= 1
    assert pairs.std() > 0.05


@pytest.mark.parametrize(
    ("line", "curve", "number", "said"),
    [
        (2.0, 0.0, 0.5, 2 * 0.5 * np.exp(-0.25)),
        (2.0, 0.0, -0.5, -2 * 0.5 * np.exp(-0.25)),
        (0.0, -3.0, 0.5, -3 * 0.25 * np.exp(-0.25)),
        (2.0, -3.0, 400.0, 0.0),
    ],
    ids=["a graphic on one side", "a photograph on the other", "bent", "too far away"],
)
def test_a_view_says_a_line_and_a_parabola_under_a_bell(
    line: float, curve: float, number: float, said: float
) -> None:
    view = photograph.View(1, 2, 0.5, 0.0, np.array([line]), np.ones((1, 1)), np.array([curve]))
    assert view.says(np.array([7.0, 2 * number, 7.0])) == pytest.approx(said)


def test_a_feature_counts_up_to_a_limit() -> None:
    zero = np.zeros(backbone.NUMBERS + 1)
    numbers = photograph.standard(zero - 50, zero, zero + 2, 3.0)
    assert numbers[0] == -25
    assert numbers[-1] == -3


def test_the_committed_model_looks_at_every_number_once() -> None:
    model = photograph.load()
    lengths = [len(view.line) for view in model.look.views]
    assert sum(lengths) == len(model.look.centre) == backbone.NUMBERS + len(model.features)
    assert lengths == [len(view.directions) for view in model.look.views]


def test_a_model_of_other_numbers_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / photograph.MODEL_FILE).write_text('{"numbers": 1904}')
    monkeypatch.setattr(photograph.resources, "files", lambda package: tmp_path)
    with pytest.raises(ValueError, match="of 1904 numbers, not 5844; refit it"):
        photograph.load()


def test_a_model_without_its_own_views_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"numbers": backbone.NUMBERS, "views": "0" * 64}
    (tmp_path / photograph.MODEL_FILE).write_text(json.dumps(body))
    monkeypatch.setattr(photograph.resources, "files", lambda package: tmp_path)
    with pytest.raises(weights.BadWeights, match="altered"):
        photograph.load()


def test_altered_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / backbone.FILE).write_bytes(b"other")
    monkeypatch.setattr(weights.read, "__defaults__", (tmp_path,))
    with pytest.raises(weights.BadWeights, match="altered"):
        engines.enricher().check()
