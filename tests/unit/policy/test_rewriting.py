"""Other thresholds in an author's own words."""

from __future__ import annotations

import pytest

from parjanya_dagster.policy import Policy, diff, load, newest
from parjanya_dagster.policy.rewriting import with_thresholds

BLOCK = """name: house
version: 4
description: Our own. # and its comment
rules:
  - id: dim
    verdict: reject
    when:
      evidence: validated.technical.brightness
      below: 0.2  # dark
      review_from: 0.3
    reason: Dark {value}, under {threshold}.
  - id: grey
    verdict: review
    when:
      evidence: validated.technical.colourfulness
      below: 5
    reason: Grey.
needs:
  validated: [technical.brightness, technical.colourfulness]
"""


@pytest.mark.parametrize("policy", [newest(), load(BLOCK)], ids=["flow", "block"])
def test_only_the_thresholds_change_and_comments_stay(policy: Policy) -> None:
    rule = policy.document.rules[0]
    kept = with_thresholds(policy, "mine", 1, {rule.id: (0.00001, 0.25)})
    assert kept.ref == "mine@1"
    assert {change.field for change in diff(policy, kept).changes} == {
        f"rules.{rule.id}.when.below",
        f"rules.{rule.id}.when.review_from",
    }
    assert kept.document.rules[0].when.below == 0.00001
    assert policy.text.count("#") == kept.text.count("#") > 0


def test_a_band_goes_and_comes() -> None:
    policy = load(BLOCK)
    changed = with_thresholds(policy, "house", 5, {"dim": (0.25, None), "grey": (7.5, None)})
    assert changed.document.rules[0].when.review_from is None
    assert "review_from" not in changed.text
    again = with_thresholds(changed, "house", 6, {"dim": (0.25, 0.5)})
    assert again.document.rules[0].when.review_from == 0.5
    flow = with_thresholds(newest(), "mine", 1, {"too_small": (250, None)})
    assert flow.document.rules[0].when.review_from is None
    assert "# A white ground" in flow.text


def test_of_a_conjunction_one_threshold_changes_and_its_neighbour_stays() -> None:
    policy = newest()
    moved = with_thresholds(policy, "mine", 1, {"poor_quality": (25.0, 40.0), "dark": (30.0, None)})
    poor, dark = (rule.when.all_of for rule in moved.document.rules if rule.when.all_of)
    assert (poor[0].below, poor[0].review_from, poor[1].at_least) == (25.0, 40.0, 0.2)
    assert (dark[0].below, dark[1].below) == (30.0, 0.2)
    assert diff(policy, moved).threshold_only
    assert moved.text.count("#") == policy.text.count("#")


def test_text_that_cannot_be_edited_is_written_anew() -> None:
    policy = load(BLOCK)
    lost = Policy(policy.document, policy.hash, text="")
    changed = with_thresholds(lost, "house", 5, {"dim": (0.1, 0.2)})
    assert changed.document.rules[0].when.below == 0.1
