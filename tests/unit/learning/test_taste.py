"""A taste is learned from people's decisions, the same for the same ones, and knows its limits."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from parjanya_dagster.errors import TasteBroken, TooFewDecisions
from parjanya_dagster.learning import logistic, trees
from parjanya_dagster.learning.calibration import bins
from parjanya_dagster.learning.features import numbers, tabled
from parjanya_dagster.learning.taste import read
from parjanya_dagster.learning.teaching import greedy
from parjanya_dagster.learning.training import train
from tests.unit.learning.world import SPACE, bodies, decision, keeps, learned


def test_it_agrees_with_people_on_pictures_that_it_never_saw() -> None:
    seen = [bodies(n) for n in range(1000, 1400)]
    said = learned().opinions(seen)
    sure = [(opinion.accept, keeps(one)) for opinion, one in zip(said, seen, strict=True)
            if opinion.accept is not None and not 0.1 <= opinion.accept < 0.9]  # fmt: skip
    assert len(sure) > 200
    assert sum((accept > 0.5) == kept for accept, kept in sure) / len(sure) > 0.95
    assert learned().held_out["agreement"]["share"] > 0.9
    assert learned().held_out["agreement"]["n"] == 300


def test_the_same_decisions_in_any_order_give_the_same_bytes() -> None:
    mixed = random.Random(3).sample(range(300), 300)
    again = train("acme", [decision(n) for n in mixed])
    assert again.data == learned().data
    assert again.hash == learned().hash == read(learned().data).hash
    changed = [decision(n) if n else decision(0, accepted=not keeps(bodies(0))) for n in mixed]
    assert train("acme", changed).hash != learned().hash


def test_what_is_missing_or_unlike_or_not_borne_out_is_unknown() -> None:
    lost = bodies(1)
    del lost["validated"]["technical"]["brightness"]
    strange = bodies(1)
    strange["validated"]["technical"]["colourfulness"] = 5000.0
    whole, without, unlike = learned().opinions([bodies(1), lost, strange])
    assert whole.accept is not None
    assert without.accept is None
    assert without.unknown == "missing: validated.technical.brightness"
    assert unlike.accept is None
    assert "unlike what people decided on: validated.technical.colourfulness" in unlike.unknown
    assert bins(np.array([0.05] * 9), np.zeros(9))[0].reached is False
    assert bins(np.array([0.05] * 30), np.zeros(30))[0].reached is True
    assert bins(np.array([0.05] * 30), np.ones(30))[0].reached is False


def test_decisions_by_chance_are_borne_out_nowhere_that_decides() -> None:
    chance = random.Random(9)
    taste = train("acme", [decision(n, accepted=chance.random() < 0.5) for n in range(200)])
    assert not taste.held_out["sure"]["hits"]
    assert 0.3 < taste.held_out["agreement"]["share"] < 0.7


def test_vectors_are_learned_from_where_a_space_is_named() -> None:
    def vector(n: int) -> Any:
        return np.random.default_rng(n).normal(size=4)

    decisions = [decision(n, accepted=bool(vector(n)[2] > 0), vector=vector(n)) for n in range(150)]
    taste = train("acme", [*decisions, decision(999, accepted=True)], SPACE)
    assert taste.learned_from["left_out"] == 1, "it has no vector"
    assert taste.held_out["agreement"]["share"] > 0.85
    assert read(taste.data).hash == taste.hash
    few = [replace(one, vector=one.vector if n < 40 else None) for n, one in enumerate(decisions)]
    assert train("acme", few, SPACE).space is None, "too few have one"
    without, strong = taste.opinions([bodies(1), bodies(1)], [None, np.array([0, 0, 1.5, 0])])
    assert without.unknown == "missing: its vector"
    assert strong.accept is None or strong.accept > 0.5


def test_few_decisions_teach_nothing_and_damaged_bytes_are_refused() -> None:
    with pytest.raises(TooFewDecisions, match="40 decisions"):
        train("acme", [decision(n) for n in range(40)])
    with pytest.raises(TooFewDecisions, match="0 rejects"):
        train("acme", [decision(n, accepted=True) for n in range(90)])
    with pytest.raises(TasteBroken):
        read(learned().data[:-20])
    with pytest.raises(TasteBroken, match="format"):
        read(b'{"format": 99}')
    body = json.loads(learned().data)
    design = {**body["design"], "scales": None}
    for wrong in ({"learned_from": 5}, {"space": 5}, {"design": design}, {"calibration": []}):
        with pytest.raises(TasteBroken):
            read(json.dumps({**body, **wrong}).encode())


def test_trees_tell_two_things_at_once_from_either_alone() -> None:
    """Accepted is what has one of two marks and not both: no sum of what each says can tell it."""

    def wanted(n: int) -> bool:
        light = bodies(n)["validated"]["technical"]
        return bool((light["brightness"] < 0.5) != (light["colourfulness"] < 60))

    taste = train("acme", [decision(n, accepted=wanted(n)) for n in range(300)])
    assert taste.trees is not None
    said = taste.opinions([bodies(n) for n in range(1000, 1200)])
    sure = [(one.accept > 0.5) == wanted(n) for n, one in enumerate(said, 1000) if one.accept]
    assert len(sure) > 100
    assert sum(sure) / len(sure) > 0.9
    again = read(taste.data)
    assert again.hash == taste.hash
    assert again.opinions([bodies(7)]) == taste.opinions([bodies(7)])


def test_a_tree_asks_what_parts_best_and_leaves_no_leaf_with_few() -> None:
    chance = np.random.default_rng(5)
    table = np.concatenate([chance.normal(size=(120, 3)), np.ones((120, 1))], axis=1)
    target = (table[:, 2] > 0.3).astype(float)
    grown = trees.fit(table, target, 30)
    assert grown.features[0, 0] == 2
    assert abs(grown.thresholds[0, 0] - 0.3) < 0.2
    stated = grown.logits(table)
    losses = [logistic.log_loss(one, target) for one in stated.T]
    assert losses == sorted(losses, reverse=True), "each tree comes closer"
    assert losses[-1] < 0.1
    first = table[:, 2] > grown.thresholds[0, 0]
    assert min(first.sum(), (~first).sum()) >= trees.LEAST
    alone = trees.fit(np.ones((20, 2)), np.array([0.0, 1.0] * 10), 2)
    assert np.allclose(alone.logits(np.ones((1, 2))), 0.0), "nothing to ask"


def test_a_taste_of_before_is_read_as_it_was_written() -> None:
    taste = learned()
    columns = taste.design.columns(tabled([numbers(bodies(1))], taste.features))
    old = replace(taste, trees=None, weights=np.ones(columns.shape[1] + 1), penalty=4.0)
    assert old.body()["format"] == 1
    assert read(old.data).hash == old.hash
    assert read(old.data).opinions([bodies(1)]) == old.opinions([bodies(1)])


def test_damaged_trees_are_refused() -> None:
    grown = trees.fit(np.array([[n, -n] for n in range(40)], float), np.array([0.0, 1.0] * 20), 2)
    whole = replace(learned(), trees=grown, weights=None, penalty=None, space=None)
    body = json.loads(whole.data)
    for wrong in (
        {"features": [[0, 1, 99]] * 2}, {"features": [[0, 1]] * 2}, {"leaves": [[1.0] * 4]},
        {"thresholds": [[0.0] * 2] * 2}, {"start": None}, {"features": []},
    ):  # fmt: skip
        with pytest.raises(TasteBroken):
            read(json.dumps({**body, "trees": {**body["trees"], **wrong}}).encode())


def test_the_regression_is_where_its_slope_is_flat() -> None:
    chance = np.random.default_rng(2)
    columns = chance.normal(size=(80, 3))
    target = (columns[:, 0] + chance.normal(size=80) > 0).astype(float)
    weights = logistic.fit(columns, target, penalty=2.0)
    p = logistic.sigmoid(columns @ weights[:-1] + weights[-1])
    slope = columns.T @ (p - target) + 2.0 * weights[:-1]
    assert np.abs(slope).max() < 1e-6
    assert abs(p.mean() - target.mean()) < 1e-6


def test_what_teaches_most_is_uncertain_and_unlike_what_was_chosen_before() -> None:
    columns = np.array([[0.0], [0.1], [9.0], [5.0]])
    assert greedy(np.array([1.0, 0.99, 0.9, 0.05]), columns) == [0, 2, 3, 1]


def test_accepts_that_all_look_alike_are_held_out_together_and_hurt_nothing() -> None:
    """Models that are asked about them have seen no accept at all."""
    alike = {"phash": "00" * 8}
    taste = train(
        "acme",
        [decision(n, accepted=True, **alike) for n in range(12)]
        + [decision(n, accepted=False) for n in range(12, 80)],
    )
    assert read(taste.data).hash == taste.hash
    grown = trees.fit(np.arange(20.0).reshape(10, 2), np.zeros(10), 3)
    assert np.isfinite(grown.logits(np.zeros((1, 2)))).all()
