"""The shortcuts of the search for an alignment give what the plain computation gives."""

from __future__ import annotations

import numpy as np
import pytest

from parjanya_dagster.media import alignment
from parjanya_dagster.media.alignment import _FINE, WHOLE, Picture, _View, correlation, resample

INNER = (0.06, 0.0, 0.98, 0.914)


def pictures() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(7)
    one = draw.uniform(0, 255, (64, 64)).cumsum(axis=0).cumsum(axis=1)
    return one / one.max() * 255, draw.uniform(0, 255, (64, 64))


def smooth(seed: int) -> np.ndarray:
    """A picture of soft waves, so that an edge that moves a little changes it a little."""
    draw, at = np.random.default_rng(seed), np.linspace(0, 1, 128)
    waves = [np.sin(2 * np.pi * (draw.uniform(0, 4, (2, 1)) * at + draw.uniform(size=(2, 1))))]
    waves += [np.cos(2 * np.pi * (draw.uniform(0, 9, (2, 1)) * at + draw.uniform(size=(2, 1))))]
    return 128 + 60 * sum(np.outer(*wave) for wave in waves)


def test_the_best_pair_of_crops_is_the_one_that_correlates_best() -> None:
    one, other = pictures()
    ways = alignment._ways(64, 0.0, 1.0)
    parts = [each @ ways.matrices[0].T for each in (one, other)]
    cropped = [[matrix @ part for matrix in ways.matrices] for part in parts]
    expected = [correlation(a, cropped[1][0]) for a in cropped[0]]
    expected += [correlation(cropped[0][0], b) for b in cropped[1][1:]]
    a, b = (alignment._Part.of(ways, part) for part in parts)
    best, score = alignment._best(ways, a, ways, b)
    assert best == int(np.argmax(np.round(expected, 9)))
    assert score == pytest.approx(max(expected), abs=1e-8)


@pytest.mark.parametrize("window", [(0.07, 0.0, 0.98, 0.914), (0.06, 0.004, 0.98, 0.914)])
def test_a_moved_edge_agrees_as_the_picture_seen_anew(window: alignment.Window) -> None:
    one, other = pictures()
    sideways = window[1::2] == INNER[1::2]
    moved = _View(one, INNER).moved(window, sideways=sideways)
    found = _View(other, WHOLE).agreement(moved, sideways=sideways)
    seen = correlation(resample(one, window, _FINE), resample(other, WHOLE, _FINE))
    assert found == pytest.approx(seen, abs=1e-9)


def plainly(one: np.ndarray, other: np.ndarray, mine: alignment.Window, its: alignment.Window):
    """Edges moved while that helps, both pictures seen anew each time."""

    def agreement(mine: alignment.Window, its: alignment.Window) -> float:
        return correlation(resample(one, mine, _FINE), resample(other, its, _FINE))

    best = agreement(mine, its)
    for step in alignment._MOVES:
        for _ in range(3):
            for edge in range(4):
                for move in (-step, step):
                    to = alignment._moved(mine, edge, move), its
                    if to[0] is None:
                        to = mine, alignment._moved(its, edge, -move)
                    if None not in to and (found := agreement(*to)) > best + 1e-6:
                        best, (mine, its) = found, to
    return mine, its


@pytest.mark.parametrize("mine", [(0.06, 0.1, 0.94, 0.9), WHOLE])
@pytest.mark.parametrize("seed", range(6))
def test_edges_end_where_the_plain_search_moves_them(seed: int, mine: alignment.Window) -> None:
    draw, whole = np.random.default_rng(seed), smooth(seed)
    left, top = draw.integers(0, 20, 2)
    crop = whole[top : 120 - top, left : 110 - left]
    one, other = (each[np.ix_(*(np.arange(64) * n // 64 for n in each.shape))]
                  for each in (whole, crop))  # fmt: skip
    its = (0.08, 0.0312, 1.0, 0.96)
    found = alignment._refined(Picture(one, (mine,)), Picture(other, (its,)), mine, its)
    assert found == plainly(one, other, mine, its)
    assert found != (mine, its)


@pytest.mark.parametrize("count", [1, 64])
def test_matrices_are_those_of_linspace_to_the_last_bit(count: int) -> None:
    draw, at = np.random.default_rng(count), np.arange(64)
    for samples in (8, 16, 32, 48):
        low, high = draw.uniform(0, 0.4, count).round(4), draw.uniform(0.5, 1, count).round(4)
        edges = np.linspace(low, high, samples + 1, axis=1)[..., None] * 64
        first = np.maximum(edges[:, :-1] - 0.5, edges[:, :1])
        last = np.minimum(edges[:, 1:] + 0.5, edges[:, -1:])
        shares = np.clip(np.minimum(last, at + 1) - np.maximum(first, at), 0, None)
        plain = shares / shares.sum(axis=2, keepdims=True)
        assert alignment._matrices(64, low, high, samples).tobytes() == plain.tobytes()
