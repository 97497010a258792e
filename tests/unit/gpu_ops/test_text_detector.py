"""The text detector in two halves, and the glance that spares the second."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from gpu_ops.embedded import text, text_detector
from gpu_ops.embedded.text_detector import MAPS, TextDetector, pixels_of
from gpu_ops.onnx_folding import folded
from gpu_ops.onnx_graph import Graph
from gpu_ops.onnx_session import one_thread


@pytest.fixture(scope="module")
def weights() -> bytes:
    return bytes((text.weights_folder() / text.DETECTOR).read_bytes())


def page(*words: str) -> Any:
    """A page (288, 384, 3) with a word on each line."""
    picture = Image.new("RGB", (384, 288), "white")
    for line, word in enumerate(words):
        font = ImageFont.load_default(24)
        ImageDraw.Draw(picture).text((30, 30 + 60 * line), word, fill="black", font=font)
    return np.asarray(picture)


def meadow() -> Any:
    """Blurred noise (288, 384, 3), as grass far away."""
    noise = np.random.default_rng(3).integers(0, 256, (72, 96, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(noise).resize((384, 288), Image.Resampling.BICUBIC))


def with_bias(weights: bytes, bias: float) -> TextDetector:
    known = text_detector.load()
    nothing = tuple(0.0 for _ in known.weights)
    return TextDetector(weights, replace(known, weights=nothing, bias=bias))


def test_the_halves_answer_as_the_whole(weights: bytes) -> None:
    whole = one_thread(folded(weights))
    first, second = map(one_thread, Graph(folded(weights)).cut(MAPS))
    pixels = pixels_of(page("PARJANYA", "INVOICE 12"))
    there = whole.run(None, {whole.get_inputs()[0].name: pixels})[0]
    maps = first.run(MAPS, {first.get_inputs()[0].name: pixels})
    here = second.run(None, dict(zip(MAPS, maps, strict=True)))[0]
    assert there.max() > 0.5  # it says something
    assert np.abs(there - here).max() < 1e-4


def test_a_network_is_cut_only_where_nothing_leads_past(weights: bytes) -> None:
    with pytest.raises(ValueError, match="does not make nowhere"):
        Graph(weights).cut(["nowhere"])
    with pytest.raises(ValueError, match="needs steps before them too"):
        Graph(weights).cut(MAPS[1:])


def test_text_is_found_as_without_a_glance_and_a_meadow_is_left_at_a_glance(weights: bytes) -> None:
    detector = TextDetector(weights, text_detector.load())
    written = page("PARJANYA", "INVOICE 12")
    found = detector.find(written)
    assert found is not None
    assert found.shape == (2, 4, 2)
    assert np.array_equal(found, detector.find(written, glance=False))
    for nothing in (meadow(), np.full((288, 384, 3), 90, dtype=np.uint8)):
        assert detector.find(nothing) is None
        looked = detector.find(nothing, glance=False)
        assert looked is not None
        assert looked.shape == (0, 4, 2)


@pytest.mark.parametrize(("bias", "further"), [(-1e-9, False), (0.0, True)])
def test_the_glance_alone_decides_whether_text_is_placed(
    weights: bytes, bias: float, further: bool
) -> None:
    found = with_bias(weights, bias).find(page("PARJANYA"))
    assert (found is not None and len(found) == 1) == further


def test_a_cell_has_what_each_map_says_of_its_place() -> None:
    sides = ((8, 16), (4, 8), (2, 4), (1, 2))  # of maps at 1/4 to 1/32
    maps = [np.arange(h * w, dtype=np.float32).reshape(1, 1, h, w) for h, w in sides]
    cells = text_detector.cells(maps)
    assert cells.shape == (2 * 4, 6)
    # The second cell of the second row: rows 4 to 7 and columns 4 to 7 of the finest map.
    assert cells[4 + 1].tolist() == [7 * 16 + 7, 4 * 16 + 4, 3 * 8 + 3, 2 * 8 + 2, 5, 0]
    assert cells[3].tolist() == [3 * 16 + 15, 12, 15, 6, 3, 1]


def test_the_score_is_that_of_the_cell_that_looks_most_like_text(weights: bytes) -> None:
    glance = text_detector.load()
    maps = TextDetector(weights, glance).maps(page("PARJANYA"))
    sums = text_detector.cells(maps).astype(np.float64) @ np.array(glance.weights)
    assert glance.score(maps) == pytest.approx(sums.max() + glance.bias, abs=1e-3)


def test_other_weights_than_the_glance_knows_are_refused(weights: bytes) -> None:
    with pytest.raises(ValueError, match=r"fit it anew with tools\.fit_text_glance"):
        TextDetector(weights, replace(text_detector.load(), detector="0" * 64))


def test_evidence_says_that_a_glance_was_all() -> None:
    told = text.TextReader().read(meadow()).as_dict()
    assert (told["examined"], told["boxes"], told["words"]) == ("glanced", 0, 0)
    assert text.TextReader(glance=False).read(meadow()).as_dict()["examined"] == "detected"
    assert text.TextReader().read(page("PARJANYA")).as_dict()["examined"] == "recognised"
