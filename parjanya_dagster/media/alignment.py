"""Aligns two pictures of which one may be a crop of the other, or have a border.

Pictures are square arrays of cells. A window is the part of a picture that is compared: its left,
top, right and bottom as shares of the sides. Mirroring is tried by the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

Window = tuple[float, float, float, float]

WHOLE: Window = (0.0, 0.0, 1.0, 1.0)
_COARSE, _FINE = 16, 32  # samples per axis: of the search, of its refinement
_STEP, _MOST = 0.02, 0.14  # crops that are tried: share of the side, per edge
_MOVES = (0.01, 0.004, 0.001)  # by which edges are moved at last


def resample(cells: Any, window: Window, samples: int) -> Any:
    """The part of a picture in a window, as (samples, samples)."""
    left, top, right, bottom = window
    count = len(cells)
    rows, columns = _axis(count, top, bottom, samples), _axis(count, left, right, samples)
    return rows @ cells @ columns.T


def correlation(one: Any, other: Any) -> float:
    """Of two arrays of one shape: 1 for the same up to brightness and contrast."""
    import numpy as np

    a, b = one - one.mean(), other - other.mean()
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-3))


def align(
    one: Any, other: Any, windows: Sequence[Window], its_windows: Sequence[Window]
) -> tuple[Window, Window]:
    """The windows under which two pictures agree best, starting from some of these."""
    starts = [(mine, its) for mine in windows for its in its_windows]
    searched = [_searched(one, other, *start) for start in starts]
    _, mine, its = max(searched, key=lambda found: found[0])
    return _refined(one, other, mine, its)


def _searched(one: Any, other: Any, mine: Window, its: Window) -> tuple[float, Window, Window]:
    """Along each axis either one of them is cropped or the other; one axis after the other."""
    crops = _crops()
    options = [(n, 0) for n in range(len(crops))] + [(0, n) for n in range(1, len(crops))]
    of_a, of_b = ([pair[k] for pair in options] for k in (0, 1))
    a_rows, b_rows = _stack(len(one), mine[1], mine[3]), _stack(len(other), its[1], its[3])
    a_columns, b_columns = _stack(len(one), mine[0], mine[2]), _stack(len(other), its[0], its[2])
    x = y = 0
    score = 0.0
    for _ in range(3):
        a, b = a_rows[of_a[y]] @ one, b_rows[of_b[y]] @ other
        at_x, score = _best(a @ a_columns.swapaxes(1, 2), b @ b_columns.swapaxes(1, 2), of_a, of_b)
        a, b = one @ a_columns[of_a[at_x]].T, other @ b_columns[of_b[at_x]].T
        at_y, score = _best(a_rows @ a, b_rows @ b, of_a, of_b)
        settled, x, y = (x, y) == (at_x, at_y), at_x, at_y
        if settled:
            break
    return (
        score,
        _inner(mine, crops[of_a[x]], crops[of_a[y]]),
        _inner(its, crops[of_b[x]], crops[of_b[y]]),
    )


def _refined(one: Any, other: Any, mine: Window, its: Window) -> tuple[Window, Window]:
    """Move each edge of one of them by small steps while that helps."""
    best = correlation(resample(one, mine, _FINE), resample(other, its, _FINE))
    for step in _MOVES:
        for _ in range(3):
            before = best
            for edge in range(4):
                for move in (-step, step):
                    a, b = _moved(mine, edge, move), its
                    if a is None:
                        a, b = mine, _moved(its, edge, -move) or its
                    found = correlation(resample(one, a, _FINE), resample(other, b, _FINE))
                    if found > best + 1e-6:
                        best, mine, its = found, a, b
            if best == before:
                break
    return mine, its


def _moved(window: Window, edge: int, move: float) -> Window | None:
    to = [*window]
    to[edge] = round(to[edge] + move, 4)
    return (to[0], to[1], to[2], to[3]) if 0 <= to[edge] <= 1 else None


@cache
def _crops() -> list[tuple[float, float]]:
    """Shares that are cut off before and behind. The first is none."""
    steps = round(_MOST / _STEP) + 1
    return [(before * _STEP, behind * _STEP) for before in range(steps) for behind in range(steps)]


def _inner(window: Window, x: tuple[float, float], y: tuple[float, float]) -> Window:
    left, top, right, bottom = window
    width, height = right - left, bottom - top
    inner = left + x[0] * width, top + y[0] * height, right - x[1] * width, bottom - y[1] * height
    return (round(inner[0], 4), round(inner[1], 4), round(inner[2], 4), round(inner[3], 4))


@cache
def _stack(cells: int, low: float, high: float) -> Any:
    import numpy as np

    size = high - low
    spans = [(low + before * size, high - behind * size) for before, behind in _crops()]
    return np.stack([_matrix(cells, *span, _COARSE) for span in spans])


def _axis(cells: int, low: float, high: float, samples: int) -> Any:
    return _matrix(cells, round(low, 4), round(high, 4), samples)


@cache
def _matrix(cells: int, low: float, high: float, samples: int) -> Any:
    """A matrix (samples, cells) that resamples an axis between two places.

    A sample reaches half a cell beyond its own, so that crops between cells compare well, but not
    beyond the window: there is a border, or what the other picture does not have.
    """
    import numpy as np

    at = np.arange(cells)[None]
    edges = np.linspace(low, high, samples + 1) * cells
    first = np.maximum(edges[:-1, None] - 0.5, edges[0])
    last = np.minimum(edges[1:, None] + 0.5, edges[-1])
    shares = np.clip(np.minimum(last, at + 1) - np.maximum(first, at), 0, None)
    return shares / shares.sum(axis=1, keepdims=True)


def _best(one: Any, other: Any, of_a: list[int], of_b: list[int]) -> tuple[int, float]:
    """Of pairs of pictures (n, h, w), the one that correlates best; the first of equals."""
    import numpy as np

    a, b = (each.reshape(len(each), -1) for each in (one, other))
    a, b = (each - each.mean(axis=1, keepdims=True) for each in (a, b))
    size_a, size_b = (np.sqrt((each * each).sum(axis=1)) for each in (a, b))
    # Whole against each part, and each part against whole: every pair has one of the two.
    products = np.concatenate([a @ b[0], b[1:] @ a[0]])
    scores = np.round(products / (size_a[of_a] * size_b[of_b] + 1e-3), 9)
    best = int(np.argmax(scores))
    return best, float(scores[best])
