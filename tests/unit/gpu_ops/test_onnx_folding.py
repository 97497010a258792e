"""The networks of the text reader in fewer steps: they answer the same."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from gpu_ops.embedded import text
from gpu_ops.onnx_folding import folded
from gpu_ops.onnx_graph import Graph
from gpu_ops.onnx_session import one_thread

SIZES = {text.DETECTOR: (128, 64), text.RECOGNISER: (150, 48)}  # small: borders are much of it


@pytest.fixture(scope="module", params=SIZES)
def networks(request: pytest.FixtureRequest) -> tuple[str, bytes, bytes]:
    before = (text.weights_folder() / request.param).read_bytes()
    return request.param, before, folded(before)


def test_a_folded_network_answers_as_before(networks: tuple[str, bytes, bytes]) -> None:
    name, before, after = networks
    there, here = (_answer(data, _written(SIZES[name])) for data in (before, after))
    assert there.shape == here.shape
    assert there.max() > 0.5  # it says something
    assert np.abs(there - here).max() < 1e-4


def test_nothing_is_scaled_or_bent_beside_its_convolution(
    networks: tuple[str, bytes, bytes],
) -> None:
    name, before, after = networks
    was, now = (Counter(step.op_type for step in Graph(data).steps) for data in (before, after))
    bent = {text.DETECTOR: 24, text.RECOGNISER: 28}[name]
    assert was["Clip"] == bent
    assert now["Clip"] == 0
    assert now["Div"] == was["Div"] - bent
    # Of each of them, what scales and shifts before and after it: four steps.
    assert was["Add"] - now["Add"] >= 3 * bent
    assert now["Conv"] - was["Conv"] < bent


def test_what_a_network_says_of_itself_stays(networks: tuple[str, bytes, bytes]) -> None:
    _, before, after = networks
    there, here = (one_thread(data).get_modelmeta() for data in (before, after))
    assert here.custom_metadata_map == there.custom_metadata_map


def test_bytes_that_are_no_network_are_told() -> None:
    with pytest.raises(ValueError, match="no network"):
        folded(b"\xff\xff\xff")


def _written(size: tuple[int, int]) -> Any:
    """A word, as the networks take it."""
    picture = Image.new("RGB", size, "white")
    font = ImageFont.load_default(32)
    ImageDraw.Draw(picture).text((8, 4), "WORD 7", fill="black", font=font)
    return (np.asarray(picture, dtype=np.float32).transpose(2, 0, 1)[None] - 127.5) / 127.5


def _answer(network: bytes, pixels: Any) -> Any:
    session = one_thread(network)
    return session.run(None, {session.get_inputs()[0].name: pixels})[0]
