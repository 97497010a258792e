"""Clusters, outliers and the nearest: pure functions of vectors."""

from __future__ import annotations

import numpy as np
import pytest

from parjanya_dagster.embeddings import clusters
from parjanya_dagster.embeddings.clusters import cluster, nearest_of, outliers


def around(centre: int, n: int, seed: int, spread: float = 0.05) -> np.ndarray:
    """Vectors of 16 numbers near an axis."""
    found = np.random.default_rng(seed).normal(0, spread, (n, 16))
    found[:, centre] += 1
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def vectors() -> np.ndarray:
    """Three heaps of 40, 25 and 10, mixed; and one that lies by itself, at the end."""
    heaps = np.concatenate([around(0, 40, 1), around(1, 25, 2), around(2, 10, 3)])
    mixed = heaps[np.random.default_rng(4).permutation(len(heaps))]
    return np.concatenate([mixed, around(9, 1, 5)])


def test_heaps_are_found_and_counted_the_largest_first(vectors: np.ndarray) -> None:
    found = cluster(vectors, 4)
    assert found.sizes == [40, 25, 10, 1]
    for number, axis in enumerate((0, 1, 2, 9)):
        members = found.members(number)
        assert (vectors[members].argmax(axis=1) == axis).all()
        assert (np.diff(found.similarity[members]) <= 0).all()
    again = cluster(vectors.astype(np.float16), 4)
    np.testing.assert_array_equal(cluster(vectors, 4).labels, found.labels)
    np.testing.assert_array_equal(again.labels, found.labels)  # as they are kept


def test_what_lies_alone_is_the_first_outlier_even_beside_its_own_copies(
    vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    twice = np.concatenate([vectors, vectors[-1:]])
    exact = outliers(twice, cluster(twice, 4), 3)
    assert {place for place, _ in exact[:2]} == {75, 76}
    apart = np.sort(twice @ twice[75])[::-1]
    assert exact[0][1] == pytest.approx(apart[clusters.NEIGHBOUR], abs=1e-2)
    monkeypatch.setattr(clusters, "CHUNK", 7)
    monkeypatch.setattr(clusters, "CANDIDATES", 30)
    assert {place for place, _ in outliers(twice, cluster(twice, 3), 2)} == {75, 76}
    assert outliers(vectors[:1], cluster(vectors[:1], 4), 3) == []
    two = vectors[:2]
    assert len(outliers(two, cluster(two, 1), 3)) == 2


def test_a_sample_finds_the_same_heaps(
    vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "SAMPLE", 80)
    many = np.concatenate([vectors[:75], vectors[:75]])
    assert cluster(many, 3).sizes == [80, 50, 20]


def test_equal_vectors_are_one_cluster_and_none_are_none() -> None:
    assert cluster(np.repeat(around(0, 1, 1), 9, axis=0), 4).sizes == [9]
    assert cluster(np.zeros((0, 16), np.float32), 4).sizes == []


def test_the_nearest_of_others(vectors: np.ndarray) -> None:
    places, similarity = nearest_of(vectors, vectors[10:20])
    exact = vectors @ vectors[10:20].T
    np.testing.assert_array_equal(places[10:20], np.arange(10))
    np.testing.assert_allclose(similarity, exact.max(axis=1), atol=5e-3)
    with pytest.raises(ValueError, match="nothing to compare"):
        nearest_of(vectors, vectors[:0])
