"""What differs between two documents, and between two sets of decisions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from parjanya_dagster.policy import builtin, compare, diff, evaluate, load

Build = Callable[..., dict[str, Any]]
FIRST, SECOND = builtin()["default@1"], builtin()["default@2"]


def test_a_threshold_change_is_one_change_and_needs_no_new_evidence() -> None:
    moved = load(FIRST.text.replace("below: 20,", "below: 25,").replace("version: 1", "version: 3"))
    found = diff(FIRST, moved)
    assert list(map(str, found.changes)) == ["~ rules.poor_quality.when.below: 20.0 → 25.0"]
    assert found.threshold_only
    assert (found.a, found.b) == ("default@1", "default@3")


def test_rules_are_told_apart_by_id_wherever_they_stand() -> None:
    fields = {change.field: change.kind for change in diff(FIRST, SECOND).changes}
    assert fields["rules.not_a_photograph"] == "added"
    assert fields["order"] == "changed"
    assert "rules.poor_quality" not in fields
    back = {change.field: change.kind for change in diff(SECOND, FIRST).changes}
    assert back["rules.not_a_photograph"] == "removed"


def test_new_needs_are_named_in_one_direction_only() -> None:
    needs = diff(FIRST, SECOND).needs
    assert set(needs) == {"validated", "enriched"}
    assert needs["validated"] == ("likeness.views",)
    assert diff(SECOND, FIRST).needs == {}


def test_a_policy_does_not_differ_from_itself() -> None:
    assert diff(SECOND, SECOND).changes == ()
    json.dumps(diff(FIRST, SECOND).body())


def test_flips_are_counted_with_their_rules_and_examples(evidence: Build) -> None:
    images = {f"img-{n}": evidence(graphic=0.95) for n in range(7)}
    images |= {f"maybe-{n}": evidence(graphic=0.6, confidence=0.6) for n in range(2)}
    images |= {"small": evidence(side=10), "good": evidence()}
    before = {i: evaluate(FIRST, found) for i, found in images.items()}
    after = {i: evaluate(SECOND, found).body() for i, found in reversed(images.items())}
    found = compare(before, after, examples=3)
    assert [(f.before, f.after, f.images, f.examples) for f in found.flips] == [
        ("accept", "reject", 7, ("img-0", "img-1", "img-2")),
        ("accept", "review", 2, ("maybe-0", "maybe-1")),
    ]
    assert found.flips[0].rules == {"not_a_photograph": 7}
    assert (found.compared, found.same_verdict, found.identical) == (11, 2, 0)
    json.dumps(found.body())


def test_images_that_one_side_alone_decided_are_not_compared(evidence: Build) -> None:
    one = evaluate(FIRST, evidence())
    found = compare({"a": one, "b": one}, {"b": one, "c": one, "d": one})
    assert (found.compared, found.identical, found.only_a, found.only_b) == (1, 1, 1, 2)
    assert found.flips == ()
