"""Decides whether two images show the same picture, by comparing their small pictures.

It knows nothing of hashes. `likeness` records what is compared here. The thresholds were chosen by
measurements: see `docs/duplicates.md`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import cache, cached_property, lru_cache
from typing import Any

from .alignment import WHOLE, Picture, Window, align, correlation, resample
from .likeness import SIDE, TINTS

_PAGE, _PHOTOGRAPH, _TINT, _ROUGH = 48, 32, 8, 12
"""Samples per axis: of the comparison of pages, of photographs, of colours, before any crop."""
_PLAIN = 0.35  # share of one tone from which a picture is a page
_ALIGNED = 0.97
"""Correlation from which two pages lie over each other already: no crop explains what differs. So
the thousandth page of one layout costs no search for each of the others."""
_OFF = 12  # grey levels by which a marked cell differs
_KEPT = 192  # small pictures, with what was made of them: up to a fifth of a megabyte each
_LOGO, _CORNER = 0.05, 3
"""Of a photograph, what the box around a logo covers at most, and cells between it and a corner."""


class Match:
    """How well two small pictures lie over each other, after their tones were made equal.

    A figure is made when it is asked for: most pairs are told apart by the first ones.
    """

    def __init__(self, a: _Small, b: _Small, mine: Window, its: Window, *, mirrored: bool) -> None:
        self.mirrored = mirrored
        self._pair, self._windows = (a, b), (mine, its)

    @cached_property
    def page(self) -> bool:
        """Both are mostly of one tone, as pages, drawings and objects on paper are."""
        return min(_plain(cells) for cells in self._luma(_PAGE)) >= _PLAIN

    @cached_property
    def correlation(self) -> float:
        """Of luma, 1 for the same."""
        return correlation(*self._toned)

    @cached_property
    def detail(self) -> float:
        """The same, of what a blur takes away."""
        return correlation(*(_sharp(cells) for cells in self._toned))

    @cached_property
    def odd(self) -> float:
        """Of pages the largest difference of a cell, in shares of the contrast around it."""
        return _odd(*_toned(*self._luma(_PAGE))) if self.page else 0.0

    @cached_property
    def marked(self) -> float:
        """Share of the cells that differ by more than a few grey levels."""
        return float((abs(self._change) > _OFF).mean())

    @cached_property
    def one_way(self) -> float:
        """Share of those that all became lighter, or all darker."""
        off = abs(self._change) > _OFF
        lighter = float((self._change[off] > 0).mean()) if off.any() else 1.0
        return max(lighter, 1 - lighter)

    @property
    def logo(self) -> float:
        """Share of a photograph that lies under a logo in a corner, and was left out."""
        if self._logo is None:
            return 0.0
        one, _ = self._luma(_PHOTOGRAPH)
        return float(one[self._logo].size / one.size)

    @cached_property
    def colours(self) -> bool:
        """Whether colours agree, or one of the two has none."""
        each = zip(self._pair, self._windows, strict=True)
        return _same_colours(*(resample(small.chroma, window, _TINT) for small, window in each))

    def figures(self) -> dict[str, bool | float]:
        names = ("same", "mirrored", "page", "correlation", "detail", "odd", "marked")
        return {name: getattr(self, name) for name in (*names, "one_way", "logo", "colours")}

    @property
    def same(self) -> bool:
        """Whether both show one picture.

        A page is another as soon as anything in it is: a number, a name. A photograph may bear a
        mark, a small one of any kind or a larger one that only lightens or only darkens it. A
        logo in a corner is left out, and everything else must agree.
        """
        if self.correlation < (0.9 if self.page else 0.94) or not self.colours:
            return False
        if self.page:
            return self.odd <= 0.14
        if self.detail < 0.88:
            return False
        return self.marked <= 0.02 or (self.marked <= 0.12 and self.one_way >= 0.9)

    def _luma(self, samples: int) -> tuple[Any, Any]:
        (a, b), (mine, its) = self._pair, self._windows
        return a.through(mine, samples), b.through(its, samples)

    @cached_property
    def _logo(self) -> tuple[slice, slice] | None:
        return None if self.page else _logo(*self._luma(_PHOTOGRAPH))

    @cached_property
    def _toned(self) -> tuple[Any, Any]:
        one, other = self._luma(_PHOTOGRAPH)
        if self._logo is not None:
            other = other.copy()
            other[self._logo] = one[self._logo]
        return _toned(one, other)

    @cached_property
    def _change(self) -> Any:
        one, other = self._toned
        return one - other


def alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> Match:
    """Compare what `likeness` recorded of two images. The order of the two does not matter."""
    first, second = sorted((one, other), key=lambda seen: str(seen["thumbnail"]))
    a, b = _Small.of(first), _Small.of(second)
    if a.side != b.side:  # evidence of an older version has fewer cells
        side = min(a.side, b.side)
        a, b = a.reduced(side), b.reduced(side)
    match = Match(a, b, WHOLE, WHOLE, mirrored=False)
    if match.same:
        return match
    mirrored = _rough(a, b.mirror) > _rough(a, b)
    if mirrored:
        b = b.mirror
        match = Match(a, b, WHOLE, WHOLE, mirrored=True)
    if match.same or (match.page and match.correlation >= _ALIGNED):
        return match
    return Match(a, b, *align(a.aligned, b.aligned), mirrored=mirrored)


def first_alike(
    one: Mapping[str, Any], others: Sequence[Mapping[str, Any]]
) -> tuple[int, bool] | None:
    """The place of the first of others that shows the same picture, and whether it is mirrored."""
    for place, other in enumerate(others):
        if (match := alike(one, other)).same:
            return place, match.mirrored
    return None


class _Small:
    """A small picture: luma, chroma around 0, and where it may have its content.

    What is made of it for one comparison is kept for the next.
    """

    def __init__(self, luma: Any, chroma: Any, windows: tuple[Window, ...]) -> None:
        self.luma, self.chroma, self.windows = luma, chroma, windows
        self._seen: dict[tuple[Window, int], Any] = {}

    @classmethod
    def of(cls, seen: Mapping[str, Any]) -> _Small:
        box = seen.get("content")
        return _small(str(seen["thumbnail"]), None if box is None else tuple(box))

    @property
    def side(self) -> int:
        return len(self.luma)

    def reduced(self, side: int) -> _Small:
        step = self.side // side
        luma = self.luma.reshape(side, step, side, step).mean(axis=(1, 3))
        return _Small(luma, self.chroma, self.windows)

    @cached_property
    def mirror(self) -> _Small:
        windows = tuple(
            (1 - right, top, 1 - left, bottom) for left, top, right, bottom in self.windows
        )
        return _Small(self.luma[:, ::-1], self.chroma[..., ::-1], windows)

    @cached_property
    def aligned(self) -> Picture:
        return Picture(self.luma, self.windows)

    def through(self, window: Window, samples: int) -> Any:
        """Luma as (samples, samples)."""
        if (window, samples) in self._seen:
            return self._seen[window, samples]
        seen = resample(self.luma, window, samples)
        if window in self.windows:
            self._seen[window, samples] = seen
        return seen


@lru_cache(maxsize=_KEPT)
def _small(thumbnail: str, content: tuple[int, ...] | None) -> _Small:
    import numpy as np

    data = np.frombuffer(base64.b64decode(thumbnail), dtype=np.uint8)
    tints = 2 * TINTS * TINTS
    luma, chroma = data[:-tints].astype(np.float64), data[-tints:].astype(np.float64)
    side = round(len(luma) ** 0.5)
    windows = (WHOLE,) if content is None else (WHOLE, _window(content))
    shape = (2, TINTS, TINTS)
    return _Small(luma.reshape(side, side), chroma.reshape(shape) - 128.0, windows)


def _window(box: Any) -> Window:
    left, top, right, bottom = (edge / (2 * SIDE) for edge in box)
    return left, top, right, bottom


def _rough(a: _Small, b: _Small) -> float:
    """How alike two are before any crop: enough to see which way round they are."""
    return max(
        correlation(a.through(mine, _ROUGH), b.through(its, _ROUGH))
        for mine in a.windows
        for its in b.windows
    )


def _logo(one: Any, other: Any) -> tuple[slice, slice] | None:
    """The one box in a corner outside of which no cell differs, if there is such a box.

    It is looked for before tones are made equal: a logo of other tones than the picture's would
    spoil that. So a copy that was made lighter as well is judged as a whole.
    """
    import numpy as np

    rows, columns = np.nonzero(abs(one - other) > _OFF)
    if not rows.size:
        return None
    box = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    gaps = [min(side.start, len(one) - side.stop) for side in box]
    small = one[box].size <= _LOGO * one.size
    return box if small and max(gaps) <= _CORNER else None


def _plain(cells: Any) -> float:
    """Share of the cells that have the most frequent tone, within two levels."""
    import numpy as np

    counts = np.bincount(np.round(cells).astype(np.int64).ravel(), minlength=256)
    return float(np.convolve(counts, np.ones(5)).max() / cells.size)


def _toned(one: Any, other: Any) -> tuple[Any, Any]:
    """Both, one of them with the tones of the other: a change of brightness may burn tones out.

    So the one that has more of them takes those of the other.
    """
    import numpy as np

    tones, its = (np.sort(each, axis=None)[_ranks(each.size)] for each in (one, other))
    found = []
    for a, b, of_a, of_b in ((one, other, tones, its), (other, one, its, tones)):
        toned = np.interp(a, *_rising(of_a, of_b))
        found.append((float(((toned - b) ** 2).mean()), toned, b))
    _, a, b = min(found, key=lambda each: each[0])
    return a, b


@cache
def _ranks(count: int) -> Any:
    """The places of 65 among so many values."""
    import numpy as np

    return np.linspace(0, count - 1, 65).astype(np.int64)


def _rising(tones: Any, its: Any) -> tuple[Any, Any]:
    """The curve with one point for each tone: where there are several, their mean."""
    import numpy as np

    which = np.round(tones).astype(np.int64)
    counts = np.bincount(which)
    there = counts.nonzero()[0]
    means = [np.bincount(which, each)[there] / counts[there] for each in (tones, its)]
    return means[0], means[1]


def _odd(one: Any, other: Any) -> float:
    import numpy as np

    contrast = 20 + np.maximum(_contrast(one), _contrast(other))
    return float((abs(one - other) / contrast).max())


def _contrast(cells: Any) -> Any:
    """Of each cell, the lightest less the darkest of the five by five around it."""
    import numpy as np

    return _around(np.maximum, cells) - _around(np.minimum, cells)


def _around(most: Any, cells: Any) -> Any:
    for _ in range(2):  # along one axis, then along the other
        most_of = cells.copy()
        for step in (1, 2):
            most(most_of[step:], cells[:-step], out=most_of[step:])
            most(most_of[:-step], cells[step:], out=most_of[:-step])
        cells = most_of.T
    return cells


def _sharp(cells: Any) -> Any:
    blur = _blur(len(cells))
    return cells - blur @ cells @ blur.T


@cache
def _blur(count: int) -> Any:
    import numpy as np

    at = np.arange(count)
    weights = np.exp(-(((at[:, None] - at) / 2) ** 2) / 2)
    return weights / weights.sum(axis=1, keepdims=True)


def _same_colours(one: Any, other: Any) -> bool:
    import numpy as np

    if min(abs(one).max(), abs(other).max()) < 3:
        return True
    size, its = float((one * one).sum()), float((other * other).sum())
    gain = float(np.clip(np.sqrt((size + 1) / (its + 1)), 0.6, 1.6))
    apart = float(abs(one - gain * other).mean())
    agree = float((one * other).sum()) / float(np.sqrt(size * its + 1e-3))
    return apart <= 4 or (apart <= 10 and agree >= 0.9)
