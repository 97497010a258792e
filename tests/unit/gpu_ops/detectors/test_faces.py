"""Faces are counted, each once, and nothing but their number and size is kept."""

from __future__ import annotations

import numpy as np
import pytest

from gpu_ops.detectors import faces
from gpu_ops.detectors.faces import TILE, Faces, apart, squares
from gpu_ops.embedded import weights


def test_a_face_is_counted_once_however_often_squares_show_it() -> None:
    data = pytest.importorskip("skimage.data", reason="pip install scikit-image")
    picture = np.zeros((700, 1000, 3), np.uint8)
    picture[100:612, 300:812] = data.astronaut()
    detector = Faces()
    told = detector.tell(detector.see(picture), {})
    assert (told["count"], told["doubtful"]) == (1, 0)
    assert 0.01 < told["largest"] < 0.03
    assert set(told) == {"count", "doubtful", "largest"}


def test_a_picture_without_anybody_has_none() -> None:
    detector = Faces()
    for picture in (np.full((300, 200, 3), 90, np.uint8), np.zeros((1, 1, 3), np.uint8)):
        told = detector.tell(detector.see(picture), {})
        assert told == {"count": 0, "doubtful": 0, "largest": 0.0}


def test_squares_cover_the_picture_and_overlap() -> None:
    assert list(squares(400, 300)) == [(0, 0, 400)]
    whole, *tiles = squares(768, 1024)
    assert whole == (0, 0, 1024)
    assert {left for left, _, _ in tiles} == {0, 256, 512}
    assert {top for _, top, _ in tiles} == {0, 256}
    assert all(left + TILE <= 1024 and top + TILE <= 768 for left, top, _ in tiles)


def test_of_boxes_over_one_face_the_surest_is_kept() -> None:
    boxes = np.array(
        [
            [10, 10, 50, 50, 0.8],
            [12, 11, 52, 51, 0.9],  # the same face
            [20, 20, 30, 30, 0.7],  # a part of it
            [80, 10, 120, 50, 0.6],
        ],
        np.float32,
    )
    assert apart(boxes)[:, 4].tolist() == pytest.approx([0.9, 0.6])
    assert apart(boxes[:0]).shape == (0, 5)


def test_altered_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(weights.FILES, "faces", {faces.FILE: "0" * 64})
    with pytest.raises(weights.BadWeights, match="are altered"):
        Faces().check()
