"""Engines that make vectors: of unit length, the same again, near for the same picture."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from gpu_ops import engines
from gpu_ops.embedded import tags
from gpu_ops.embedded.descriptor import DIMENSION
from gpu_ops.interface import InvalidImage
from tests.support.pictures import gradient, noise


def halves(image: np.ndarray) -> np.ndarray:
    """The image at half its size."""
    height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    quads = image[:height, :width].reshape(height // 2, 2, width // 2, 2, 3)
    return quads.mean(axis=(1, 3)).astype(np.uint8)


def test_a_vector_has_unit_length_whatever_the_picture() -> None:
    embedder = engines.embedder()
    flat = [np.full((h, w, 3), level, np.uint8) for h, w, level in
            ((1, 1, 0), (1, 1, 255), (3, 900, 128), (768, 1024, 0))]  # fmt: skip
    vectors = embedder.embed([*flat, noise(64, 48), gradient(90, 160)])
    assert vectors.shape == (6, DIMENSION)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert embedder.embed([]).shape == (0, DIMENSION)
    with pytest.raises(InvalidImage):
        embedder.embed([np.zeros((4, 4), np.uint8)])


def test_the_same_picture_is_nearer_than_others() -> None:
    embedder = engines.embedder()
    pictures = [gradient(120, 160), gradient(160, 120).transpose(1, 0, 2), halves(noise(240, 320))]
    pictures[1] = 255 - pictures[1]
    vectors = embedder.embed(pictures)
    smaller = embedder.embed([halves(picture) for picture in pictures])
    likeness = smaller @ vectors.T
    assert likeness.argmax(axis=1).tolist() == [0, 1, 2]
    np.testing.assert_array_equal(embedder.embed(pictures), vectors)


@pytest.mark.skipif(
    importlib.util.find_spec(tags.PACKAGE) is None, reason="pip install 'parjanya[tags]'"
)
def test_the_features_of_lite0_are_a_space_of_their_own() -> None:
    lite0, descriptor = engines.embedder("embedded-lite0"), engines.embedder()
    lite0.check()
    vectors = lite0.embed([noise(64, 48), gradient(90, 160), gradient(45, 80)])
    assert vectors.shape == (3, lite0.dimension) == (3, 1280)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert vectors[1] @ vectors[2] > vectors[1] @ vectors[0]
    assert lite0.identity.revision != descriptor.identity.revision
