"""What tells photographs from graphics: a network's numbers, measures, and a linear model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from skimage import data

from gpu_ops import engines
from gpu_ops.embedded import backbone, weights


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


def test_altered_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / backbone.FILE).write_bytes(b"other")
    monkeypatch.setattr(weights.read, "__defaults__", (tmp_path,))
    with pytest.raises(weights.BadWeights, match="altered"):
        engines.enricher().check()
