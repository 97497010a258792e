"""The nearest of many vectors: what comes and goes, and how near codes come to exact search."""

from __future__ import annotations

import numpy as np
import pytest

from parjanya_dagster.embeddings import nearest
from parjanya_dagster.embeddings.nearest import Nearest

D = 96


def vectors(n: int, seed: int = 0) -> np.ndarray:
    """Unit vectors in clumps on one side of the origin, as those of pictures lie."""
    rng = np.random.default_rng(seed)
    clumps = rng.normal(size=(20, D)) + 3.0
    found = clumps[rng.integers(20, size=n)] + 0.6 * rng.normal(size=(n, D))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def names(n: int, first: int = 0) -> list[str]:
    return [f"{first + at:024x}" for at in range(n)]


def brute(matrix: np.ndarray, vector: np.ndarray, n: int) -> list[int]:
    likeness = matrix.astype(np.float16).astype(np.float32) @ vector
    return np.argsort(-likeness, kind="stable")[:n].tolist()


def test_what_is_there_is_found_in_its_order() -> None:
    matrix, index = vectors(300), Nearest(D)
    assert index.near(matrix[0], 5) == []
    for at in range(0, 300, 100):
        index.put(f"block {at}", names(100, at), matrix[at : at + 100].astype(np.float16))
    found = index.near(matrix[7], 10)
    assert [int(name, 16) for name, _ in found] == brute(matrix, matrix[7], 10)
    assert found[0][1] == pytest.approx(1.0, abs=1e-3)
    assert len(index.near(matrix[7], 1000)) == 300


def test_a_block_that_changes_takes_the_place_of_what_it_was() -> None:
    matrix, index = vectors(6000), Nearest(D)
    for _ in range(4):  # so often that room is made
        index.put("a", names(3000), matrix[:3000].astype(np.float16))
    index.put("b", names(3000, 3000), matrix[3000:].astype(np.float16))
    assert len(index) == len(index.near(matrix[0], 10_000)) == 6000
    slot = 2 * D + 24 + 1 + 16  # bytes: the vector, its name, whether it is live, its code
    assert index.nbytes < 2 * 6000 * slot
    index.drop("a")
    index.drop("a")
    assert [int(name, 16) - 3000 for name, _ in index.near(matrix[9], 5)] == brute(
        matrix[3000:], matrix[9], 5
    )


def test_codes_find_nearly_all_that_exact_search_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "EXACT", 500)
    monkeypatch.setattr(nearest, "CANDIDATES", 600)
    matrix, index = vectors(8000), Nearest(D)
    index.put("gone", names(2000, 8000), matrix[:2000].astype(np.float16))
    index.put("a", names(5000), matrix[:5000].astype(np.float16))
    index.near(matrix[0], 1)  # gives codes to what is there
    index.drop("gone")
    index.put("b", names(3000, 5000), matrix[5000:].astype(np.float16))
    hits = 0
    for at in range(0, 8000, 200):
        found = [int(name, 16) for name, _ in index.near(matrix[at], 10)]
        assert max(found) < 8000  # nothing that is gone
        hits += len(set(found) & set(brute(matrix, matrix[at], 10)))
    assert hits / 400 >= 0.95
