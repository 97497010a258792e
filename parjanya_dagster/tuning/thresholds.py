"""Thresholds that agree best with people: an exhaustive scan of the values that were observed.

Pure. What is minimised is the cost of verdicts: a wrong one costs 1, a review costs what a person's
look is worth in wrong verdicts (Chow 1970, the reject option). So a value is decided without a
person only where that goes wrong less often than this cost.

Nothing is concluded about values that nobody decided on: no threshold leaves the observed range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

ACCEPT, REVIEW, REJECT = 0, 1, 2  # from the weakest to the strongest
PASSES: Final = 10  # over all rules, until none moves any more
_LEAST: Final = 1e-9  # a cost that is smaller than this is no gain

Floats = NDArray[np.float64]
Ranks = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a rule fires, and from where it asks a person. `review_from` None: there is no band."""

    threshold: float
    review_from: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleValues:
    """What one rule saw of each image. Arrays have the shape (n,)."""

    operator: str  # below, above, at_least, at_most
    rejects: bool  # whether it rejects where it fires; else it reviews
    cut: Cut  # as it is published
    value: Floats  # NaN: unknown, so the rule asks for a review whatever its thresholds
    softened: NDArray[np.bool_]  # doubt, or a part that is missing, makes a review of its reject
    applies: NDArray[np.bool_]  # the other parts of its condition allow that it speaks

    @property
    def rising(self) -> bool:
        return self.operator in ("above", "at_least")

    def verdicts(self, cut: Cut) -> Ranks:
        """What the rule says of each image with this cut."""
        weak = cut.threshold if cut.review_from is None else cut.review_from
        ranks = np.full(len(self.value), ACCEPT, dtype=np.int64)
        ranks[self._beyond(weak)] = REVIEW
        if self.rejects:
            ranks[self._beyond(cut.threshold) & ~self.softened] = REJECT
        ranks[np.isnan(self.value)] = REVIEW
        ranks[~self.applies] = ACCEPT
        return ranks

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where the threshold decides what the rule says."""
        return np.asarray(~np.isnan(self.value) & self.applies, dtype=np.bool_)

    def _beyond(self, threshold: float) -> NDArray[np.bool_]:
        tests: dict[str, Any] = {
            "below": np.less, "at_most": np.less_equal,
            "above": np.greater, "at_least": np.greater_equal,
        }  # fmt: skip
        with np.errstate(invalid="ignore"):
            return np.asarray(tests[self.operator](self.value, threshold), dtype=np.bool_)

    def only(self, chosen: NDArray[Any]) -> RuleValues:
        return replace(
            self,
            value=self.value[chosen],
            softened=self.softened[chosen],
            applies=self.applies[chosen],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Decided images, and what a policy says of them. Arrays have the shape (n,)."""

    people: Ranks  # ACCEPT or REJECT
    fixed: Ranks  # the strongest verdict of whatever cannot be tuned
    rules: Mapping[str, RuleValues]  # those that can, by id
    review_cost: float  # of a review, in wrong verdicts

    def only(self, chosen: NDArray[Any]) -> Problem:
        rules = {name: rule.only(chosen) for name, rule in self.rules.items()}
        return replace(self, people=self.people[chosen], fixed=self.fixed[chosen], rules=rules)

    @property
    def published(self) -> dict[str, Cut]:
        return {name: rule.cut for name, rule in self.rules.items()}

    def verdicts(self, cuts: Mapping[str, Cut], without: str = "") -> Ranks:
        """The policy's verdicts: the strongest of its rules'."""
        ranks = self.fixed
        for name, rule in self.rules.items():
            if name != without:
                ranks = np.maximum(ranks, rule.verdicts(cuts[name]))
        return ranks

    def costs(self, verdicts: Ranks) -> Floats:
        """What each verdict costs, in wrong verdicts."""
        wrong = (verdicts != self.people).astype(np.float64)
        return np.where(verdicts == REVIEW, self.review_cost, wrong)


def fit(problem: Problem, least: int = 1) -> dict[str, Cut]:
    """Cuts of lower cost than the published ones: rule after rule, until none moves any more.

    Rules with fewer than `least` known values keep theirs.
    """
    cuts = problem.published
    for _ in range(PASSES):
        before = dict(cuts)
        for name, rule in problem.rules.items():
            if np.count_nonzero(rule.known) >= least:
                others = problem.verdicts(cuts, without=name)
                cuts[name] = _best(problem, rule, others, cuts[name])
        if cuts == before:
            break
    return cuts


def held_out(problem: Problem, fold: Ranks, least: int = 1) -> Ranks:
    """The verdicts of cuts that were found without the fold that they are used on."""
    verdicts = problem.verdicts(problem.published)
    for part in np.unique(fold):
        learned = fit(problem.only(fold != part), least)
        verdicts[fold == part] = problem.only(fold == part).verdicts(learned)
    return verdicts


def _best(problem: Problem, rule: RuleValues, others: Ranks, cut: Cut) -> Cut:
    """The cut of least cost, the others' verdicts being what they are. A tie keeps what is."""
    known = rule.known
    signed = rule.value[known] if rule.rising else -rule.value[known]
    observed, where = np.unique(signed, return_inverse=True)
    reject = np.where(rule.softened | (not rule.rejects), np.maximum(others, REVIEW), REJECT)
    # Sums of costs before each place between two observed values, under each of three verdicts.
    silent, asked, fired = (
        np.concatenate(
            [[0.0], np.cumsum(np.bincount(where, problem.costs(ranks)[known], len(observed)))]
        )
        for ranks in (others, np.maximum(others, REVIEW), reject)
    )
    strict = rule.operator in ("above", "below")
    sign = 1.0 if rule.rising else -1.0

    def place(threshold: float) -> int:
        return int(np.searchsorted(observed, sign * threshold, "right" if strict else "left"))

    now = (place(cut.threshold if cut.review_from is None else cut.review_from),
           place(cut.threshold))  # fmt: skip
    weak, strong = _places(silent, asked, fired, now, banded=rule.rejects)

    def cost(weak: int, strong: int) -> float:
        return float(silent[weak] + asked[strong] - asked[weak] + fired[-1] - fired[strong])

    if cost(weak, strong) > cost(*now) - _LEAST:
        return cut
    spelled = {place(cut.threshold): cut.threshold}
    if cut.review_from is not None:
        spelled.setdefault(place(cut.review_from), cut.review_from)

    def value(at: int) -> float:
        return spelled[at] if at in spelled else sign * between(observed, at)

    return Cut(value(strong), None if weak == strong else value(weak))


def _places(
    silent: Floats, asked: Floats, fired: Floats, now: tuple[int, int], banded: bool
) -> tuple[int, int]:
    """The two places of least cost, weak before strong; of equal ones those nearest to now."""
    every = np.arange(len(silent))
    if not banded:
        total = silent + fired[-1] - fired
        best = every[total <= total.min() + _LEAST]
        place = int(best[np.argmin(np.abs(best - now[1]))])
        return place, place
    weak_part = silent - asked
    lowest = np.minimum.accumulate(weak_part)
    total = lowest + asked + fired[-1] - fired
    best = every[total <= total.min() + _LEAST]
    strong = int(best[np.argmin(np.abs(best - now[1]))])
    best = every[: strong + 1][weak_part[: strong + 1] <= lowest[strong] + _LEAST]
    return int(best[np.argmin(np.abs(best - now[0]))]), strong


def between(observed: Sequence[float] | Floats, at: int) -> float:
    """The number of fewest digits between two neighbours of sorted values, or just outside them."""
    lowest, highest = float(observed[0]), float(observed[-1])
    margin = (highest - lowest) / 20 or max(abs(lowest), 1.0) / 20
    below = float(observed[at - 1]) if at > 0 else lowest - margin
    above = float(observed[at]) if at < len(observed) else highest + margin
    middle = (below + above) / 2
    for digits in range(1, 18):
        rounded = float(f"{middle:.{digits}g}")
        if below < rounded < above:
            return rounded
    return middle
