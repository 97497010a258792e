"""Numbers that a taste is learned from: facts, measures, probabilities, metrics, and a vector where
there is one. Pure.

A feature is a dotted path inside recorded evidence. Missing stays missing: nothing is filled in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
STAGES: Final = ("validated", "enriched", "scored")
_GROUPS: Final = (
    "validated.technical",
    "enriched.probabilities",
    "enriched.text",
    "scored.metrics",
)
_ALONE: Final = ("enriched.confidence", "scored.quality")
_LEFT_OUT: Final = ("weights", "lower_better")
KNOTS: Final = (1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6)  # quantiles between which a slope may change
PRINCIPAL: Final = 32  # directions that are kept of vectors
COMMON: Final = 0.98  # share of decisions that must have a feature
_SPREAD: Final = 1e-9  # features that vary less say nothing


def numbers(bodies: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """The features of an image, by path. `bodies`: stage -> what it recorded."""
    found: dict[str, float] = {}
    for path in (*_GROUPS, *_ALONE):
        for leaf, value in _leaves(_at(bodies, path), path):
            found[leaf] = value
    return found


def _at(bodies: Any, path: str) -> Any:
    for step in path.split("."):
        bodies = bodies.get(step) if isinstance(bodies, Mapping) else None
    return bodies


def _leaves(value: Any, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for name in sorted(value):
            if name not in _LEFT_OUT:
                yield from _leaves(value[name], f"{path}.{name}")
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and np.isfinite(value):
        yield path, float(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Images in a table. Rows are images."""

    paths: Sequence[str]
    table: Floats  # (n, len(paths)); NaN: missing
    vectors: Floats | None  # (n, dimension); a row of NaN: missing

    def only(self, chosen: NDArray[Any]) -> Examples:
        vectors = None if self.vectors is None else self.vectors[chosen]
        return Examples(paths=self.paths, table=self.table[chosen], vectors=vectors)

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Which rows miss nothing. Shape: (n,)."""
        lost = np.isnan(self.table).sum(axis=1)
        if self.vectors is not None:
            lost = lost + np.isnan(self.vectors).sum(axis=1)
        return np.asarray(lost == 0)


def common_paths(images: Sequence[Mapping[str, float]]) -> list[str]:
    """The features that nearly all of these images have, in the order of their names."""
    counts: dict[str, int] = {}
    for image in images:
        for path in image:
            counts[path] = counts.get(path, 0) + 1
    return sorted(path for path, count in counts.items() if count >= COMMON * len(images))


def tabled(
    images: Sequence[Mapping[str, float]],
    paths: Sequence[str],
    vectors: Sequence[NDArray[Any] | None] | None = None,
    dimension: int = 0,
) -> Examples:
    """Images as a table of these features, and their vectors where a dimension is given."""
    table = np.array(
        [[image.get(path, np.nan) for path in paths] for image in images], dtype=np.float64
    ).reshape(len(images), len(paths))
    if not dimension:
        return Examples(paths=paths, table=table, vectors=None)
    matrix = np.full((len(images), dimension), np.nan)
    for row, vector in enumerate(vectors or ()):
        if vector is not None:
            matrix[row] = vector
    return Examples(paths=paths, table=table, vectors=matrix)


def varying(examples: Examples) -> Examples:
    """The same without features that are alike in all of them: they teach nothing."""
    kept = np.flatnonzero(np.ptp(examples.table, axis=0) > _SPREAD)
    paths = [examples.paths[int(at)] for at in kept]
    return Examples(paths=paths, table=examples.table[:, kept], vectors=examples.vectors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """How examples become the columns that a model weighs.

    A feature becomes a line with bends at its quantiles (linear splines), so "dark" and "strong
    colour" may each have their own threshold. Beyond the values that were seen, a line is level.
    Of vectors, principal components are taken.
    """

    paths: Sequence[str]
    lows: Floats  # (features,) the range that was seen
    highs: Floats
    knots: Floats  # (features, len(KNOTS))
    principal: Floats | None  # (directions, dimension)
    offset: Floats | None  # (dimension,) the mean vector
    centers: Floats  # (columns,)
    scales: Floats  # (columns,)
    farthest: float  # the greatest distance of an example from the middle

    def columns(self, examples: Examples) -> Floats:
        """Shape: (n, columns), each of mean 0 and deviation 1 over what it was fitted to."""
        return (self._raw(examples) - self.centers) / self.scales

    def plain(self, examples: Examples) -> Floats:
        """Features without bends, within the range that was seen. Shape: (n, columns)."""
        return np.clip(examples.table, self.lows, self.highs)

    def distances(self, examples: Examples) -> Floats:
        """How far each example lies from the middle of what was seen: root mean square of its
        deviations, feature by feature. Shape: (n,).
        """
        with np.errstate(over="ignore"):
            deviations = (_tamed(examples.table, self.lows, self.highs)) ** 2
        return np.asarray(np.sqrt(deviations.mean(axis=1)))

    def strangest(self, row: Floats) -> str:
        """The feature of one image that lies farthest out."""
        deviations = np.abs(_tamed(row[np.newaxis, :], self.lows, self.highs))[0]
        return str(self.paths[int(np.argmax(deviations))])

    def _raw(self, examples: Examples) -> Floats:
        table = np.clip(examples.table, self.lows, self.highs)
        bends = np.maximum(table[:, :, np.newaxis] - self.knots[np.newaxis], 0.0)
        parts = [table, bends.reshape(len(table), -1)]
        if self.principal is not None:
            assert examples.vectors is not None
            assert self.offset is not None
            parts.append((examples.vectors - self.offset) @ self.principal.T)
        return np.concatenate(parts, axis=1)


def _tamed(table: Floats, lows: Floats, highs: Floats) -> Floats:
    """Values with the range that was seen as -1 to 1."""
    half = np.maximum((highs - lows) / 2, _SPREAD)
    return np.asarray((table - (lows + highs) / 2) / half)


def design(examples: Examples) -> Design:
    """The design that fits these examples. None of them may miss anything."""
    table = examples.table
    lows, highs = table.min(axis=0), table.max(axis=0)
    principal = offset = None
    if examples.vectors is not None:
        principal, offset = _principal(examples.vectors)
    unscaled = Design(
        paths=examples.paths,
        lows=lows,
        highs=highs,
        knots=np.quantile(table, KNOTS, axis=0).T,
        principal=principal,
        offset=offset,
        centers=np.zeros(1),
        scales=np.ones(1),
        farthest=0.0,
    )
    raw = unscaled.columns(examples)
    deviations = raw.std(axis=0)
    return Design(
        paths=examples.paths,
        lows=lows,
        highs=highs,
        knots=unscaled.knots,
        principal=principal,
        offset=offset,
        centers=raw.mean(axis=0),
        # A column that does not vary is divided by infinity, which makes it 0.
        scales=np.where(deviations > _SPREAD, deviations, np.inf),
        farthest=float(unscaled.distances(examples).max()),
    )


def _principal(vectors: Floats) -> tuple[Floats, Floats]:
    """The directions in which vectors differ most, each with its largest part positive."""
    offset = vectors.mean(axis=0)
    centred = vectors - offset
    _, directions = np.linalg.eigh(centred.T @ centred)
    kept = directions.T[::-1][: min(PRINCIPAL, len(vectors) - 1)]
    signs = np.sign(kept[np.arange(len(kept)), np.abs(kept).argmax(axis=1)])
    return kept * signs[:, np.newaxis], offset
