"""Aligns two pictures of which one may be a crop of the other, or have a border.

Pictures are square arrays of cells. A window is the part of a picture that is compared: its left,
top, right and bottom as shares of the sides. Mirroring is tried by the caller. What follows from
one picture alone is made once, and kept with it.
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


class Picture:
    """A picture that is aligned with others: cells (cells, cells), and where its content may be."""

    def __init__(self, cells: Any, windows: Sequence[Window]) -> None:
        # Shifted to a mean of nothing, so that little is lost where squares are subtracted.
        self.cells = cells - cells.mean()
        self.windows = windows
        self._uncropped: dict[tuple[Window, bool], _Part] = {}

    def part(self, window: Window, sideways: bool, crop: int) -> _Part:
        """What crops of the columns choose from, if `sideways`, or else of the rows.

        The other axis is cropped already, in a way that the number `crop` tells.
        """
        if crop == 0 and (window, sideways) in self._uncropped:
            return self._uncropped[window, sideways]
        across = self.ways(window, not sideways).matrices[crop]
        cells = (across @ self.cells).T if sideways else self.cells @ across.T
        part = _Part.of(self.ways(window, sideways), cells)
        if crop == 0:
            self._uncropped[window, sideways] = part
        return part

    def ways(self, window: Window, sideways: bool) -> _Ways:
        return _ways(len(self.cells), *_ends(window, sideways))


def align(one: Picture, other: Picture) -> tuple[Window, Window]:
    """The windows under which two pictures agree best, starting from some of theirs."""
    starts = [(mine, its) for mine in one.windows for its in other.windows]
    searched = [_searched(one, other, *start) for start in starts]
    _, mine, its = max(searched, key=lambda found: found[0])
    return _refined(one, other, mine, its)


def _searched(
    one: Picture, other: Picture, mine: Window, its: Window
) -> tuple[float, Window, Window]:
    """Along each axis either one of them is cropped or the other; one axis after the other."""
    crops, (of_a, of_b) = _crops(), _options()

    def best(sideways: bool, across: int) -> tuple[int, float]:
        return _best(
            one.ways(mine, sideways),
            one.part(mine, sideways, of_a[across]),
            other.ways(its, sideways),
            other.part(its, sideways, of_b[across]),
        )

    x, y, score = -1, 0, 0.0
    for _again in range(3):
        at_x, _ = best(True, y)
        if at_x == x:
            break  # what follows from it is known
        x = at_x
        at_y, score = best(False, x)
        if at_y == y:
            break
        y = at_y
    return (
        score,
        _inner(mine, crops[of_a[x]], crops[of_a[y]]),
        _inner(its, crops[of_b[x]], crops[of_b[y]]),
    )


class _View:
    """A picture through a window."""

    def __init__(self, cells: Any, window: Window, samples: Any = None) -> None:
        self.cells, self.window = cells, window
        self._parts: dict[bool, Any] = {}
        if samples is None:
            samples = self.moved(window, sideways=False)
        self.samples = samples - samples.sum() / samples.size  # (samples, samples), rows first
        flat = self.samples.ravel()
        self.size = float(flat @ flat)

    def moved(self, window: Window, *, sideways: bool) -> Any:
        """(samples, samples), the moving axis first: through a window that differs along it."""
        if sideways not in self._parts:  # what stays as it is while that axis moves
            across = _axis(len(self.cells), *_ends(self.window, not sideways), _FINE)
            self._parts[sideways] = (across @ self.cells).T if sideways else self.cells @ across.T
        return _axis(len(self.cells), *_ends(window, sideways), _FINE) @ self._parts[sideways]

    def through(self, window: Window, samples: Any, *, sideways: bool) -> _View:
        """What `moved` has shown, as a view."""
        view = _View(self.cells, window, samples.T if sideways else samples)
        view._parts[sideways] = self._parts[sideways]
        return view

    def agreement(self, samples: Any, *, sideways: bool) -> float:
        """As `correlation` with what `moved` shows of another view."""
        flat, mine = samples.ravel(), (self.samples.T if sideways else self.samples).ravel()
        total = float(flat @ _ones(flat.size))
        size = float(flat @ flat) - total * total / flat.size
        return float(flat @ mine) / sqrt(max(size, 0.0) * self.size + 1e-3)


def _refined(one: Picture, other: Picture, mine: Window, its: Window) -> tuple[Window, Window]:
    """Move each edge of one of them by small steps while that helps."""
    a, b = _View(one.cells, mine), _View(other.cells, its)
    best = a.agreement(b.samples, sideways=False)
    tried = {(mine, its)}  # windows that are no better, or were left for better ones
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
                    pair = (window, b.window) if of_a else (a.window, window)
                    if pair in tried:
                        continue
                    tried.add(pair)
                    moving, fixed = (a, b) if of_a else (b, a)
                    samples = moving.moved(window, sideways=sideways)
                    found = fixed.agreement(samples, sideways=sideways)
                    if found > best + 1e-6:
                        best = found
                        view = moving.through(window, samples, sideways=sideways)
                        a, b = (view, b) if of_a else (a, view)
            if best == before:
                break
    return a.window, b.window


def _moved(window: Window, edge: int, move: float) -> Window | None:
    to = [*window]
    to[edge] = round(to[edge] + move, 4)
    return (to[0], to[1], to[2], to[3]) if 0 <= to[edge] <= 1 else None


def _ends(window: Window, sideways: bool) -> tuple[float, float]:
    """Where a window begins and ends along one axis."""
    return (window[0], window[2]) if sideways else (window[1], window[3])


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


@dataclass(frozen=True, slots=True)
class _Part:
    """Cells (cells, samples) of which an axis is cropped in several ways, and their figures."""

    cells: Any
    uncropped: Any  # (samples, samples)
    means: Any  # (crops,)
    sizes: Any  # (crops,): roots of the sums of squares, less the mean

    @classmethod
    def of(cls, ways: _Ways, part: Any) -> _Part:
        import numpy as np

        cells, samples = part.shape
        squares = ways.squares @ np.take(part @ part.T, _near(cells, samples))
        means = ways.means @ (part.sum(axis=1) / samples)
        sizes = np.sqrt(np.maximum(squares - samples * samples * means * means, 0))
        return cls(part, ways.matrices[0] @ part, means, sizes)


@cache
def _ones(count: int) -> Any:
    """A sum is a product with these: sooner made than asked for."""
    import numpy as np

    return np.ones(count)


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


@lru_cache(maxsize=48)  # three quarters of a megabyte each
def _ways(cells: int, low: float, high: float) -> _Ways:
    import numpy as np

    before, behind = np.array(_crops()).T
    size = high - low
    return _Ways.of(_matrices(cells, low + before * size, high - behind * size, _COARSE))


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

    at, behind = _places(cells)
    # To the last bit as `linspace` has it, which takes longer than all the rest.
    edges = np.arange(samples + 1.0) * ((high - low) / samples)[:, None] + low[:, None]
    edges[:, -1] = high
    edges *= cells
    first = np.maximum(edges[:, :-1] - 0.5, edges[:, :1])[..., None]
    last = np.minimum(edges[:, 1:] + 0.5, edges[:, -1:])[..., None]
    shares = np.minimum(last, behind)
    shares -= np.maximum(first, at)
    np.maximum(shares, 0, out=shares)
    shares /= np.add.reduce(shares, axis=2, keepdims=True)
    return shares


@cache
def _places(cells: int) -> tuple[Any, Any]:
    """Where each cell begins and ends. No whole numbers: those would be converted each time."""
    import numpy as np

    at = np.arange(float(cells))
    return at, at + 1


def _best(a_ways: _Ways, a: _Part, b_ways: _Ways, b: _Part) -> tuple[int, float]:
    """Of pairs of crops of two parts, the one that correlates best; the first of equals."""
    import numpy as np

    # Whole against each part, and each part against whole: every pair has one of the two.
    samples = _COARSE * _COARSE
    products = a_ways.flat @ (b.uncropped @ a.cells.T).ravel()
    its_products = b_ways.flat @ (a.uncropped @ b.cells.T).ravel()
    products -= samples * float(b.means[0]) * a.means
    its_products -= samples * float(a.means[0]) * b.means
    scores = products / (a.sizes * float(b.sizes[0]) + 1e-3)
    its_scores = its_products / (b.sizes * float(a.sizes[0]) + 1e-3)
    scores = np.round(np.concatenate([scores, its_scores[1:]]), 9)
    best = int(scores.argmax())
    return best, float(scores[best])
