"""Thresholds are those of an exhaustive scan, and never leave what was observed."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from parjanya_dagster.tuning.thresholds import Cut, Problem, RuleValues, between, fit, held_out


def problem(
    values: list[float],
    people: list[int],
    *,
    operator: str = "below",
    cut: Cut = Cut(20.0, 35.0),
    rejects: bool = True,
    fixed: list[int] | None = None,
    softened: list[bool] | None = None,
    applies: list[bool] | None = None,
) -> Problem:
    n = len(values)
    rule = RuleValues(
        operator=operator,
        rejects=rejects,
        cut=cut,
        value=np.array(values, dtype=float),
        softened=np.array(softened or [False] * n),
        applies=np.array(applies or [True] * n),
    )
    return Problem(
        people=np.array(people),
        fixed=np.array(fixed or [0] * n),
        rules={"rule": rule},
        review_cost=0.2,
    )


def cost(posed: Problem, cut: Cut) -> float:
    return float(posed.costs(posed.verdicts({"rule": cut})).sum())


@pytest.mark.parametrize("operator", ["below", "at_most", "above", "at_least"])
@pytest.mark.parametrize("seed", range(4))
def test_no_pair_of_thresholds_costs_less(operator: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    values = random.integers(0, 12, 40).astype(float)
    values[random.random(40) < 0.1] = np.nan
    odds = values / 12 if operator in ("above", "at_least") else 1 - values / 12
    rising = operator in ("above", "at_least")
    posed = problem(
        list(values),
        list(np.where(random.random(40) < np.nan_to_num(odds, nan=0.5), 2, 0)),
        operator=operator,
        cut=Cut(8.0, 5.0) if rising else Cut(5.0, 8.0),
        fixed=list(random.choice([0, 0, 1, 2], 40)),
        softened=list(random.random(40) < 0.2),
        applies=list(random.random(40) < 0.8),
    )
    places = [place / 2 - 0.25 for place in range(-1, 27)]
    best = min(
        cost(posed, Cut(strong, None if weak == strong else weak))
        for weak, strong in itertools.product(places, places)
        if (weak <= strong if rising else weak >= strong)
    )
    assert cost(posed, fit(posed)["rule"]) == pytest.approx(best)


def test_people_who_keep_what_is_asked_about_end_the_band_and_move_nothing_that_nobody_saw() -> (
    None
):
    seen: Any = [21.0, 23.0, 25.0, 28.0, 31.0, 34.0] * 4
    learned = fit(problem(seen, [0] * len(seen)))["rule"]
    assert learned == Cut(20.0), "nobody decided on anything under it"


def test_thresholds_that_are_as_good_stay() -> None:
    posed = problem([10.0, 12.0, 40.0, 50.0], [2, 2, 0, 0])
    assert fit(posed) == posed.published
    assert fit(posed, least=5) == posed.published


def test_what_is_unknown_is_for_review_whatever_the_thresholds() -> None:
    posed = problem([np.nan, 5.0], [0, 2])
    assert list(posed.verdicts({"rule": Cut(0.0)})) == [1, 0]


def test_held_out_verdicts_are_not_learned_from_their_own_decisions() -> None:
    """People decide by chance: what fits all of them is right on none that it did not see."""
    random = np.random.default_rng(5)
    values, people = random.random(60) * 40, random.choice([0, 2], 60)
    posed = problem(list(values), list(people))
    own = posed.costs(posed.verdicts(fit(posed))).mean()
    assert posed.costs(held_out(posed, np.arange(60) % 5)).mean() > own


def test_a_threshold_is_spelled_with_the_fewest_digits() -> None:
    assert between([0.11, 0.19], 1) == 0.15
    assert between([28.9, 31.4], 1) == 30.0
    assert 28.0 < between([28.9, 31.4], 0) < 28.9
