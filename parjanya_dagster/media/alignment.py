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
    """The part of a picture in a window, as (samples, samples); of several, (n, cells, cells)."""
    left, top, right, bottom = window
    count = cells.shape[-1]
    rows = _axis(count, round(top, 4), round(bottom, 4), samples)
    columns = _axis(count, round(left, 4), round(right, 4), samples)
    return rows @ cells @ columns.T


def correlation(one: Any, other: Any) -> float:
    """Of two arrays of one shape: 1 for the same up to brightness and contrast."""
    a, b = (each.ravel() - each.sum() / each.size for each in (one, other))
    return float(a @ b) / sqrt(float(a @ a) * float(b @ b) + 1e-3)


def align(
    one: Any, other: Any, windows: Sequence[Window], its_windows: Sequence[Window]
) -> tuple[Window, Window]:
    """The windows under which two pictures agree best, starting from some of these."""
    # Shifted to a mean of nothing, so that little is lost where squares are subtracted.
    one, other = one - one.mean(), other - other.mean()
    starts = [(mine, its) for mine in windows for its in its_windows]
    searched = [_searched(one, other, *start) for start in starts]
    _, mine, its = max(searched, key=lambda found: found[0])
    return _refined(one, other, mine, its)


def _searched(one: Any, other: Any, mine: Window, its: Window) -> tuple[float, Window, Window]:
    """Along each axis either one of them is cropped or the other; one axis after the other."""
    crops, (of_a, of_b) = _crops(), _options()
    a_rows, b_rows = _ways(len(one), mine[1], mine[3]), _ways(len(other), its[1], its[3])
    a_columns, b_columns = _ways(len(one), mine[0], mine[2]), _ways(len(other), its[0], its[2])
    x, y, score = -1, 0, 0.0
    for _again in range(3):
        a, b = a_rows.matrices[of_a[y]] @ one, b_rows.matrices[of_b[y]] @ other
        at_x, _ = _best(a_columns, a.T, b_columns, b.T)
        if at_x == x:
            break  # what follows from it is known
        x = at_x
        a, b = one @ a_columns.matrices[of_a[x]].T, other @ b_columns.matrices[of_b[x]].T
        at_y, score = _best(a_rows, a, b_rows, b)
        if at_y == y:
            break
        y = at_y
    return (
        score,
        _inner(mine, crops[of_a[x]], crops[of_a[y]]),
        _inner(its, crops[of_b[x]], crops[of_b[y]]),
    )


@dataclass(frozen=True, slots=True)
class _View:
    """A picture through a window."""

    cells: Any
    window: Window
    across: Any  # (samples, cells): the rows are resampled, the columns are not
    down: Any  # (samples, cells): the columns are resampled and come first, the rows are not
    samples: Any  # (samples, samples), rows first, less their mean
    size: float  # the sum of their squares

    @classmethod
    def of(cls, cells: Any, window: Window) -> _View:
        left, top, right, bottom = window
        across = _way(len(cells), top, bottom).matrices[0] @ cells
        columns = _way(len(cells), left, right).matrices[0]
        samples = across @ columns.T
        samples -= samples.sum() / samples.size
        size = float(samples.ravel() @ samples.ravel())
        return cls(cells, window, across, columns @ cells.T, samples, size)


@dataclass(frozen=True, slots=True)
class _Axis:
    """How a picture agrees with another while its window changes along one axis."""

    cells: int
    product: Any
    mean: Any
    squares: Any
    size: float  # of the other

    @classmethod
    def of(cls, moving: _View, fixed: _View, sideways: bool) -> _Axis:
        import numpy as np

        part = moving.across if sideways else moving.down
        whole = fixed.samples.T if sideways else fixed.samples
        squares = np.take(part.T @ part, _near(part.shape[1], _FINE))
        product, mean = (whole @ part).ravel(), part.sum(axis=0) / len(part)
        return cls(part.shape[1], product, mean, squares, fixed.size)

    def agreement(self, low: float, high: float) -> float:
        """As `correlation`, if the window reached from `low` to `high`."""
        way = _way(self.cells, low, high)
        mean = float(way.means[0] @ self.mean)
        size = float(way.squares[0] @ self.squares) - _FINE * _FINE * mean * mean
        return float(way.flat[0] @ self.product) / sqrt(max(size, 0.0) * self.size + 1e-3)


def _refined(one: Any, other: Any, mine: Window, its: Window) -> tuple[Window, Window]:
    """Move each edge of one of them by small steps while that helps."""
    a, b = _View.of(one, mine), _View.of(other, its)
    best = float(a.samples.ravel() @ b.samples.ravel()) / sqrt(a.size * b.size + 1e-3)
    axes: dict[tuple[bool, bool], _Axis] = {}
    for step in _MOVES:
        for _ in range(3):
            before = best
            for edge in range(4):
                sideways = edge in (0, 2)
                for move in (-step, step):
                    of_a = True
                    window = _moved(a.window, edge, move)
                    if window is None:
                        of_a, window = False, _moved(b.window, edge, -move)
                    if window is None:
                        continue
                    if (axis := axes.get((of_a, sideways))) is None:
                        moving, fixed = (a, b) if of_a else (b, a)
                        axis = axes[of_a, sideways] = _Axis.of(moving, fixed, sideways)
                    low, high = window[0::2] if sideways else window[1::2]
                    found = axis.agreement(low, high)
                    if found > best + 1e-6:
                        best = found
                        axes.clear()
                        a, b = (_View.of(one, window), b) if of_a else (a, _View.of(other, window))
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


@dataclass(frozen=True, slots=True)
class _Ways:
    """Some crops of a window's axis.

    Of what a crop leaves of a part (cells, samples), three figures decide how it correlates: its
    product with another picture, its mean, and its square. Each is linear in something small, so
    no cropped part has to be made: the part itself, its mean, and its products with itself, of
    which only those of cells that fall into one sample count.
    """

    matrices: Any  # (crops, samples, cells): what resamples the axis
    flat: Any  # the same, (crops, samples × cells)
    means: Any  # (crops, cells): the mean of all samples
    squares: Any  # (crops, near cells): of the products of cells `_near` each other

    @classmethod
    def of(cls, matrices: Any) -> _Ways:
        import numpy as np

        crops, samples, cells = matrices.shape
        squares = [
            (1 if apart == 0 else 2)
            * np.einsum("nsc,nsc->nc", matrices[..., : cells - apart], matrices[..., apart:])
            for apart in range(_reach(cells, samples))
        ]
        flat, means = matrices.reshape(crops, -1), matrices.sum(axis=1) / samples
        return cls(matrices, flat, means, np.concatenate(squares, axis=1))

    def figures(self, part: Any, whole: Any) -> tuple[Any, Any, Any]:
        """Of each crop of a part: its product with `whole` (samples, samples), mean, and square."""
        import numpy as np

        cells, samples = part.shape
        squares = self.squares @ np.take(part @ part.T, _near(cells, samples))
        means = self.means @ (part.sum(axis=1) / samples)
        return self.flat @ (whole @ part.T).ravel(), means, squares


def _reach(cells: int, samples: int) -> int:
    """Of so many cells in a row, two can fall into one sample."""
    return -(-cells // samples) + 2


@cache
def _near(cells: int, samples: int) -> Any:
    """Where products of near cells are in an array (cells, cells), flat."""
    import numpy as np

    at = np.arange(cells)
    reach = range(_reach(cells, samples))
    return np.concatenate([at[: cells - apart] * (cells + 1) + apart for apart in reach])


@lru_cache(maxsize=32)  # three quarters of a megabyte each
def _ways(cells: int, low: float, high: float) -> _Ways:
    import numpy as np

    before, behind = np.array(_crops()).T
    size = high - low
    return _Ways.of(_matrices(cells, low + before * size, high - behind * size, _COARSE))


@lru_cache(maxsize=2048)  # 18 kB each
def _way(cells: int, low: float, high: float) -> _Ways:
    import numpy as np

    return _Ways.of(_matrices(cells, np.array([low]), np.array([high]), _FINE))


@lru_cache(maxsize=2048)  # 16 kB each
def _axis(cells: int, low: float, high: float, samples: int) -> Any:
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


def _best(a_ways: _Ways, a: Any, b_ways: _Ways, b: Any) -> tuple[int, float]:
    """Of pairs of crops of two parts, the one that correlates best; the first of equals."""
    import numpy as np

    # Whole against each part, and each part against whole: every pair has one of the two.
    products, means, squares = a_ways.figures(a, b_ways.matrices[0] @ b)
    its_products, its_means, its_squares = b_ways.figures(b, a_ways.matrices[0] @ a)
    samples = _COARSE * _COARSE
    products -= samples * float(its_means[0]) * means
    its_products -= samples * float(means[0]) * its_means
    sizes, its_sizes = (
        np.sqrt(np.maximum(square - samples * mean * mean, 0))
        for square, mean in ((squares, means), (its_squares, its_means))
    )
    scores = products / (sizes * float(its_sizes[0]) + 1e-3)
    its_scores = its_products / (its_sizes * float(sizes[0]) + 1e-3)
    scores = np.round(np.concatenate([scores, its_scores[1:]]), 9)
    best = int(scores.argmax())
    return best, float(scores[best])
