"""Boosted trees of four leaves, for log loss. Pure, and without chance: equal tables give equal
trees.

Each tree corrects what those before it state (Friedman, "Greedy function approximation", 2001).
It asks two questions in a row, so it can tell "dark and of strong colour" from either alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from parjanya_dagster.learning.logistic import Floats, sigmoid

RATE: Final = 0.1  # share of its correction that a tree adds
LEAST: Final = 8  # decisions in a leaf
PENALTY: Final = 1.0  # on the square of a leaf's correction
CUTS: Final = 31  # values of a feature at which a question may be asked: its quantiles
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """A row for each tree. A question is whether a feature is greater than a threshold: the first,
    then one for those that are not, and one for those that are.
    """

    start: float  # the logit before any tree
    features: Ints  # (trees, 3)
    thresholds: Floats  # (trees, 3)
    leaves: Floats  # (trees, 4): no no, no yes, yes no, yes yes

    def logits(self, table: Floats) -> Floats:
        """What is stated after each tree. `table`: (n, features). Shape: (n, trees + 1)."""
        first = table[:, self.features[:, 0]] > self.thresholds[:, 0]
        feature = np.where(first, self.features[:, 2], self.features[:, 1])
        threshold = np.where(first, self.thresholds[:, 2], self.thresholds[:, 1])
        second = np.take_along_axis(table, feature, axis=1) > threshold
        added = self.leaves[np.arange(len(self.leaves)), 2 * first + second]
        start = np.full((len(table), 1), self.start)
        return np.asarray(np.concatenate([start, added], axis=1).cumsum(axis=1))


def fit(table: Floats, target: Floats, count: int) -> Trees:
    """So many trees. `table`: (n, features), none missing; `target`: 0 or 1."""
    cuts = [np.unique(column) for column in np.quantile(table, _SHARES, axis=0).T]
    codes = np.stack(
        [np.searchsorted(cut, column) for cut, column in zip(cuts, table.T, strict=True)], axis=1
    )
    ones = float(target.sum())  # half a decision more of each: there may be none of one kind
    start = float(np.log((ones + 0.5) / (len(target) - ones + 0.5)))
    stated = np.full(len(table), start)
    features, thresholds, leaves = [], [], []
    for _ in range(count):
        p = sigmoid(stated)
        slope, bend = p - target, p * (1 - p)
        root, place = _question(codes, slope, bend)
        high = codes[:, root] > place
        asked, at, added = [root], [place], np.zeros(4)
        for side, rows in enumerate((np.flatnonzero(~high), np.flatnonzero(high))):
            feature, cut = _question(codes[rows], slope[rows], bend[rows])
            beyond = codes[rows, feature] > cut
            for leaf, chosen in enumerate((rows[~beyond], rows[beyond])):
                step = -slope[chosen].sum() / (bend[chosen].sum() + PENALTY)
                added[2 * side + leaf] = RATE * step
                stated[chosen] += RATE * step
            asked.append(feature)
            at.append(cut)
        features.append(asked)
        thresholds.append([_threshold(cuts[f], place) for f, place in zip(asked, at, strict=True)])
        leaves.append(added)
    return Trees(
        start=start,
        features=np.array(features, dtype=np.int64).reshape(count, 3),
        thresholds=np.array(thresholds, dtype=np.float64).reshape(count, 3),
        leaves=np.array(leaves, dtype=np.float64).reshape(count, 4),
    )


_SHARES: Final = np.arange(1, CUTS + 1) / (CUTS + 1)
_NOWHERE: Final = CUTS  # a place beyond every value: nothing is parted
_ALIKE: Final = 1e-9  # gains that differ by less count as equal: the first is taken


def _threshold(cuts: Floats, place: int) -> float:
    return float(cuts[place]) if place < len(cuts) else float(np.finfo(np.float64).max)


def _question(codes: Ints, slope: Floats, bend: Floats) -> tuple[int, int]:
    """The feature and the place that part these rows best; (0, `_NOWHERE`) if none does."""
    width, columns = CUTS + 1, codes.shape[1]
    flat = (codes + width * np.arange(columns)).ravel()

    def below(values: Floats | None) -> Any:
        """Sums up to each place, by feature."""
        weights = None if values is None else np.repeat(values, columns)
        sums = np.bincount(flat, weights, minlength=width * columns)
        return sums.reshape(columns, width).cumsum(axis=1)[:, :CUTS]

    n, left, curve = below(None), below(slope), below(bend)
    whole, over = slope.sum(), bend.sum()
    gain = (
        left**2 / (curve + PENALTY)
        + (whole - left) ** 2 / (over - curve + PENALTY)
        - whole**2 / (over + PENALTY)
    )
    gain[(n < LEAST) | (len(codes) - n < LEAST)] = 0.0
    best = float(gain.max()) if len(codes) else 0.0
    if best <= _ALIKE:
        return 0, _NOWHERE
    feature, place = divmod(int(np.argmax(gain >= best * (1 - _ALIKE))), CUTS)
    return feature, place
