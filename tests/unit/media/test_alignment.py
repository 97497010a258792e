"""The shortcuts of the search for an alignment give what the plain computation gives."""

from __future__ import annotations

import numpy as np
import pytest

from parjanya_dagster.media import alignment
from parjanya_dagster.media.alignment import _FINE, WHOLE, _Axis, _View, correlation, resample

INNER = (0.06, 0.0, 0.98, 0.914)


def pictures() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(7)
    one = draw.uniform(0, 255, (64, 64)).cumsum(axis=0).cumsum(axis=1)
    return one / one.max() * 255, draw.uniform(0, 255, (64, 64))


def test_the_best_pair_of_crops_is_the_one_that_correlates_best() -> None:
    one, other = pictures()
    ways = alignment._ways(64, 0.0, 1.0)
    parts = [each @ ways.matrices[0].T for each in (one, other)]
    cropped = [[matrix @ part for matrix in ways.matrices] for part in parts]
    expected = [correlation(a, cropped[1][0]) for a in cropped[0]]
    expected += [correlation(cropped[0][0], b) for b in cropped[1][1:]]
    best, score = alignment._best(ways, parts[0], ways, parts[1])
    assert best == int(np.argmax(np.round(expected, 9)))
    assert score == pytest.approx(max(expected), abs=1e-8)


@pytest.mark.parametrize("window", [(0.07, 0.0, 0.98, 0.914), (0.06, 0.004, 0.98, 0.914)])
def test_a_moved_edge_agrees_as_the_picture_seen_anew(window: alignment.Window) -> None:
    one, other = pictures()
    sideways = window[1::2] == INNER[1::2]
    axis = _Axis.of(_View.of(one, INNER), _View.of(other, WHOLE), sideways)
    low, high = window[0::2] if sideways else window[1::2]
    seen = correlation(resample(one, window, _FINE), resample(other, WHOLE, _FINE))
    assert axis.agreement(low, high) == pytest.approx(seen, abs=1e-9)
