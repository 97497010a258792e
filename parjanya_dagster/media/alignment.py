"""Aligns two pictures of which one may be a crop of the other, or have a border.

Pictures are square arrays of cells. A window is the part of a picture that is compared: its left,
top, right and bottom as shares of the sides. Mirroring is tried by the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from math import sqrt
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
    crops, (of_a, of_b) = _crops(), _options()
    a_rows, b_rows = _stack(len(one), mine[1], mine[3]), _stack(len(other), its[1], its[3])
    a_columns, b_columns = _stack(len(one), mine[0], mine[2]), _stack(len(other), its[0], its[2])
    x = y = 0
    score = 0.0
    for _ in range(3):
        a, b = a_rows[of_a[y]] @ one, b_rows[of_b[y]] @ other
        at_x, score = _best(_each(a_columns, a.T), _each(b_columns, b.T))
        a, b = one @ a_columns[of_a[at_x]].T, other @ b_columns[of_b[at_x]].T
        at_y, score = _best(_each(a_rows, a), _each(b_rows, b))
        settled, x, y = (x, y) == (at_x, at_y), at_x, at_y
        if settled:
            break
    return (
        score,
        _inner(mine, crops[of_a[x]], crops[of_a[y]]),
        _inner(its, crops[of_b[x]], crops[of_b[y]]),
    )


@dataclass(frozen=True, slots=True)
class _View:
    """A picture through a window, with what stays when one edge of the window moves."""

    cells: Any
    window: Window
    columns: Any
    across: Any  # the rows are resampled, the columns are not yet
    centred: Any  # all samples in a row, less their mean
    size: float  # the sum of their squares

    @classmethod
    def of(cls, cells: Any, window: Window) -> _View:
        rows = _axis(len(cells), window[1], window[3], _FINE)
        columns = _axis(len(cells), window[0], window[2], _FINE)
        return cls._seen(cells, window, columns, rows @ cells)

    @classmethod
    def _seen(cls, cells: Any, window: Window, columns: Any, across: Any) -> _View:
        samples = (across @ columns.T).ravel()
        centred = samples - samples.mean()
        return cls(cells, window, columns, across, centred, float(centred @ centred))

    def through(self, window: Window) -> _View:
        """The same picture through another window."""
        left, top, right, bottom = window
        across, columns = self.across, self.columns
        if (top, bottom) != (self.window[1], self.window[3]):
            across = _axis(len(self.cells), top, bottom, _FINE) @ self.cells
        if (left, right) != (self.window[0], self.window[2]):
            columns = _axis(len(self.cells), left, right, _FINE)
        return self._seen(self.cells, window, columns, across)

    def agreement(self, other: _View) -> float:
        """As `correlation`."""
        return float(self.centred @ other.centred) / sqrt(self.size * other.size + 1e-3)


def _refined(one: Any, other: Any, mine: Window, its: Window) -> tuple[Window, Window]:
    """Move each edge of one of them by small steps while that helps."""
    a, b = _View.of(one, mine), _View.of(other, its)
    best = a.agreement(b)
    for step in _MOVES:
        for _ in range(3):
            before = best
            for edge in range(4):
                for move in (-step, step):
                    at_a, at_b = a, b
                    if (window := _moved(a.window, edge, move)) is not None:
                        at_a = a.through(window)
                    elif (window := _moved(b.window, edge, -move)) is not None:
                        at_b = b.through(window)
                    found = at_a.agreement(at_b)
                    if found > best + 1e-6:
                        best, a, b = found, at_a, at_b
            if best == before:
                break
    return a.window, b.window


def _moved(window: Window, edge: int, move: float) -> Window | None:
    to = [*window]
    to[edge] = round(to[edge] + move, 4)
    return (to[0], to[1], to[2], to[3]) if 0 <= to[edge] <= 1 else None


@cache
def _crops() -> list[tuple[float, float]]:
    """Shares that are cut off before and behind. The first is none."""
    steps = round(_MOST / _STEP) + 1
    return [(before * _STEP, behind * _STEP) for before in range(steps) for behind in range(steps)]


@cache
def _options() -> tuple[Any, Any]:
    """Pairs of crops that are tried, as two arrays of places: one of each pair is no crop."""
    import numpy as np

    count = len(_crops())
    crop, none = np.arange(count), np.zeros(count, dtype=np.int64)
    return np.concatenate([crop, none[1:]]), np.concatenate([none, crop[1:]])


def _inner(window: Window, x: tuple[float, float], y: tuple[float, float]) -> Window:
    left, top, right, bottom = window
    width, height = right - left, bottom - top
    inner = left + x[0] * width, top + y[0] * height, right - x[1] * width, bottom - y[1] * height
    return (round(inner[0], 4), round(inner[1], 4), round(inner[2], 4), round(inner[3], 4))


@lru_cache(maxsize=32)  # half a megabyte each
def _stack(cells: int, low: float, high: float) -> Any:
    """Matrices (crops, samples, cells) that resample what each crop leaves of a window's axis."""
    import numpy as np

    before, behind = np.array(_crops()).T
    size = high - low
    return _matrices(cells, low + before * size, high - behind * size, _COARSE)


def _axis(cells: int, low: float, high: float, samples: int) -> Any:
    return _matrix(cells, round(low, 4), round(high, 4), samples)


@lru_cache(maxsize=2048)  # 16 kB each
def _matrix(cells: int, low: float, high: float, samples: int) -> Any:
    import numpy as np

    return _matrices(cells, np.array([low]), np.array([high]), samples)[0]


def _matrices(cells: int, low: Any, high: Any, samples: int) -> Any:
    """Matrices (n, samples, cells) that resample an axis between two places, n of each.

    A sample reaches half a cell beyond its own, so that crops between cells compare well, but not
    beyond the window: there is a border, or what the other picture does not have.
    """
    import numpy as np

    at = np.arange(cells)
    edges = np.linspace(low, high, samples + 1, axis=1)[..., None] * cells
    first = np.maximum(edges[:, :-1] - 0.5, edges[:, :1])
    last = np.minimum(edges[:, 1:] + 0.5, edges[:, -1:])
    shares = np.clip(np.minimum(last, at + 1) - np.maximum(first, at), 0, None)
    return shares / shares.sum(axis=2, keepdims=True)


def _each(stack: Any, part: Any) -> Any:
    """A part (cells, samples) resampled along its first axis in each of the ways of a stack."""
    return (stack.reshape(-1, stack.shape[-1]) @ part).reshape(len(stack), -1)


def _best(a: Any, b: Any) -> tuple[int, float]:
    """Of pairs of pictures, each a row, the one that correlates best; the first of equals."""
    import numpy as np

    of_a, of_b = _options()
    a, b = (each - each.mean(axis=1, keepdims=True) for each in (a, b))
    size_a, size_b = (np.sqrt(np.einsum("ij,ij->i", each, each)) for each in (a, b))
    # Whole against each part, and each part against whole: every pair has one of the two.
    products = np.concatenate([a @ b[0], b[1:] @ a[0]])
    scores = np.round(products / (size_a[of_a] * size_b[of_b] + 1e-3), 9)
    best = int(np.argmax(scores))
    return best, float(scores[best])
