"""Text in pictures: what it says, and where it is."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gpu_ops.embedded.text import MAX_PLACES, TextReader, place_of
from gpu_ops.embedded.text_detector import pixels_of


def test_what_is_read_has_a_place_in_shares_of_the_picture() -> None:
    page = Image.new("RGB", (800, 400), "white")
    font = ImageFont.load_default(60)
    ImageDraw.Draw(page).text((400, 220), "PARJANYA", fill="black", font=font)
    left, top, right, bottom = ImageDraw.Draw(page).textbbox((400, 220), "PARJANYA", font=font)
    told = TextReader().read(np.asarray(page)).as_dict()
    assert [line["text"] for line in told["lines"]] == ["PARJANYA"]
    place = told["places"][told["lines"][0]["place"]]
    across, down = place[::2], place[1::2]
    assert np.allclose((min(across), max(across)), (left / 800, right / 800), atol=0.04)
    assert np.allclose((min(down), max(down)), (top / 400, bottom / 400), atol=0.06)
    assert len(told["places"]) == told["boxes"] <= MAX_PLACES


def test_a_place_stays_inside_the_picture() -> None:
    corners = [[-3.0, 10.0], [120.0, 10.0], [120.0, 30.0], [-3.0, 30.0]]
    assert place_of(corners, 100, 40) == (0.0, 0.25, 1.0, 0.25, 1.0, 0.75, 0.0, 0.75)


def test_the_detector_sees_the_numbers_that_rapidocr_would_make() -> None:
    from rapidocr_onnxruntime.ch_ppocr_det.utils import DetPreProcess

    image = np.random.default_rng(7).integers(0, 256, (50, 110, 3), dtype=np.uint8)
    theirs = DetPreProcess(32, "min", [0.5] * 3, [0.5] * 3)(image)
    assert np.array_equal(pixels_of(image), theirs)
