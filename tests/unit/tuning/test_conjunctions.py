"""A rule of several conditions: what tuning thinks that it says is what the policy says."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from parjanya_dagster.policy import (
    allowed_by,
    evaluate,
    load,
    movable,
    moved_comparison,
    newest,
    read_by,
    softened,
)
from parjanya_dagster.tuning.judged import RANK, Judged, JudgedImage
from parjanya_dagster.tuning.thresholds import fit

POLICY = load(
    """name: house
version: 1
description: Rules of several conditions.
needs:
  validated: [technical.brightness, technical.shorter_side]
  scored: {metrics: [piqe]}
rules:
  - id: murky
    verdict: reject
    when:
      all_of:
        - {evidence: validated.technical.brightness, below: 0.5}
        - {evidence: scored.quality, below: 20, review_from: 35}
        - any_of:
            - {evidence: validated.technical.shorter_side, below: 300, review_from: 500}
            - {evidence: validated.technical.brightness, below: 0.2}
    reason: Murky.
"""
)


def judged_image(quality: Any, brightness: Any, side: Any, person: str = "accept") -> JudgedImage:
    bodies = {
        "validated": {"technical": {"brightness": brightness, "shorter_side": side}},
        "scored": {"quality": quality, "metrics": {"piqe": {"value": 9.0}}},
    }
    (rule,) = POLICY.document.rules
    decision = evaluate(POLICY, bodies)
    row: Any = SimpleNamespace(person_verdict=person, image_id=f"{quality} {brightness} {side}")
    return JudgedImage(
        row=row,
        spoke={reason.rule: reason.verdict for reason in decision.reasons},
        values={rule.id: read_by(rule, bodies)},
        softened=frozenset([rule.id] if softened(POLICY, rule, bodies) else []),
        allowed={rule.id: allowed_by(rule, bodies)},
    )


def test_the_rule_says_what_the_policy_says_whatever_is_missing() -> None:
    cases = itertools.product((10, 30, 50, None), (0.1, 0.3, 0.7, None), (200, 400, 900, None))
    judged = Judged(images=[judged_image(*case) for case in cases])
    problem = judged.problem(POLICY, 0.1)
    (rule,) = problem.rules.values()
    said = judged.said("murky")
    np.testing.assert_array_equal(rule.verdicts(rule.cut), said)
    assert set(said.tolist()) == set(RANK.values())
    assert not problem.fixed.any()


def test_the_threshold_with_a_band_moves_and_only_where_the_others_allow_it() -> None:
    """People reject what is of a quality under 40, and the rule only speaks of what is dark."""
    judged = Judged(
        images=[
            judged_image(q, dark, 200, "reject" if dark < 0.5 and q < 40 else "accept")
            for q in range(0, 100, 2)
            for dark in (0.1, 0.9)
        ]
    )
    cut = fit(judged.problem(POLICY, 0.1))["murky"]
    assert 38 < cut.threshold <= 40
    assert cut.review_from is None


def test_which_comparison_is_moved() -> None:
    rules = {rule.id: rule for rule in [*newest().document.rules, *POLICY.document.rules]}
    places = {name: movable(rule) for name, rule in rules.items()}
    assert places["murky"] == 1
    assert (places["poor_quality"], places["dark"], places["too_small"]) == (0, 0, 0)
    assert moved_comparison(rules["dark"]).evidence == "scored.quality"
    either = load(POLICY.text.replace("all_of", "any_of", 1)).document.rules[0]
    assert movable(either) is None
    with pytest.raises(ValueError, match="no threshold"):
        moved_comparison(either)
