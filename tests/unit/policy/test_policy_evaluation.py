"""What a policy decides, and what it tells people about it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from parjanya_dagster.policy import Duplicate, Policy, builtin, evaluate, load

Build = Callable[..., dict[str, Any]]
FIRST, SECOND, THIRD = (builtin()[f"default@{version}"] for version in (1, 2, 3))


def policy(when: str, *, verdict: str = "reject", extra: str = "") -> Policy:
    """A policy of one rule, over anything a test here asks for."""
    return load(
        f"""
name: one
version: 1
description: One rule.
needs:
  validated: [technical.shorter_side, format, exif.iso, animated]
  enriched: {{taxonomy: [photo, screenshot, slide], fields: [text.words]}}
  scored: {{metrics: [piqe]}}
rules:
  - {{id: rule, verdict: {verdict}, when: {when}, reason: It fired.}}
{extra}
"""
    )


def test_a_good_photograph_is_accepted_with_a_reason_and_what_was_looked_at(
    evidence: Build,
) -> None:
    decision = evaluate(SECOND, evidence())
    assert decision.verdict == "accept"
    (reason,) = decision.reasons
    assert (reason.rule, reason.message) == ("no_objection", "No rule objected.")
    assert reason.evidence["scored.quality"] == 70
    assert reason.evidence["validated.technical.shorter_side"] == 900


@pytest.mark.parametrize(
    ("side", "verdict"), [(199, "reject"), (200, "review"), (319, "review"), (320, "accept")]
)
def test_size_rejects_below_and_asks_for_review_near_the_threshold(
    evidence: Build, side: int, verdict: str
) -> None:
    assert evaluate(FIRST, evidence(side=side)).verdict == verdict


@pytest.mark.parametrize(
    ("quality", "verdict"),
    [(0, "reject"), (19.99, "reject"), (20, "review"), (34.99, "review"), (35, "accept")],
)
def test_quality_rejects_below_and_asks_for_review_near_the_threshold(
    evidence: Build, quality: float, verdict: str
) -> None:
    assert evaluate(FIRST, evidence(quality=quality)).verdict == verdict


@pytest.mark.parametrize(
    ("graphic", "verdict"),
    [(0.95, "reject"), (0.9, "reject"), (0.89, "review"), (0.5, "review"), (0.49, "accept")],
)
def test_a_graphic_is_rejected_when_sure_and_reviewed_when_doubtful(
    evidence: Build, graphic: float, verdict: str
) -> None:
    found = evidence(graphic=graphic, confidence=max(graphic, 1 - graphic))
    assert evaluate(SECOND, found).verdict == verdict
    assert evaluate(FIRST, found).verdict == "accept"


@pytest.mark.parametrize(
    ("quality", "brightness", "white", "rules", "verdict"),
    [
        (10, 0.5, 0.0, ["poor_quality"], "reject"),
        (10, 0.05, 0.0, ["dark"], "review"),
        (30, 0.05, 0.0, ["dark"], "review"),
        (70, 0.05, 0.0, ["no_objection"], "accept"),
        (70, 0.8, 0.15, ["blown_out"], "review"),
        (10, 0.8, 0.3, ["poor_quality", "blown_out"], "reject"),
        (None, 0.05, 0.0, ["dark"], "review"),
    ],
)
def test_the_dark_and_the_blown_out_are_for_a_person(
    evidence: Build,
    quality: float | None,
    brightness: float,
    white: float,
    rules: list[str],
    verdict: str,
) -> None:
    found = evidence(quality=quality)
    found["validated"]["technical"] |= {"brightness": brightness, "clipped_bright": white}
    decision = evaluate(THIRD, found)
    assert (decision.verdict, [r.rule for r in decision.reasons]) == (verdict, rules)


def test_low_confidence_is_reviewed_whatever_the_probabilities_say(evidence: Build) -> None:
    for graphic in (0.05, 0.99):
        decision = evaluate(SECOND, evidence(graphic=graphic, confidence=0.2))
        assert decision.verdict == "review"
        assert "confidence.enriched" in [reason.rule for reason in decision.reasons]


def test_being_sure_of_a_group_is_enough_where_the_engine_cannot_name_the_label(
    evidence: Build,
) -> None:
    found = evidence(graphic=0.98, confidence=0.14)
    assert evaluate(SECOND, found).verdict == "review"
    found["enriched"]["group_confidence"] = 0.98
    assert evaluate(SECOND, found).verdict == "reject"
    found["enriched"]["group_confidence"] = 0.4
    (_, reason) = evaluate(SECOND, found).reasons
    assert reason.message == "The category is too uncertain to decide by (0.4, under 0.5)."


def test_low_confidence_does_not_save_an_image_that_is_surely_too_small(evidence: Build) -> None:
    assert evaluate(SECOND, evidence(side=10, confidence=0.2)).verdict == "reject"


def test_every_reason_that_fired_is_listed_the_strongest_first(evidence: Build) -> None:
    decision = evaluate(SECOND, evidence(side=250, quality=5, graphic=0.6, confidence=0.6))
    assert [(r.rule, r.verdict) for r in decision.reasons] == [
        ("poor_quality", "reject"),
        ("too_small", "review"),
        ("not_a_photograph", "review"),
    ]


def test_a_reason_says_the_value_and_holds_the_evidence_it_read(evidence: Build) -> None:
    (reason,) = evaluate(FIRST, evidence(quality=12.3456)).reasons
    assert reason.message == "The quality is 12.35 of 100."
    assert reason.evidence == {"scored.quality": 12.3456}


@pytest.mark.parametrize("stage", ["validated", "enriched", "scored"])
def test_a_stage_without_evidence_is_reviewed_and_named(evidence: Build, stage: str) -> None:
    found = evidence()
    del found[stage]
    decision = evaluate(SECOND, found)
    assert decision.verdict == "review"
    assert any(stage in reason.message for reason in decision.reasons)


@pytest.mark.parametrize(
    "value", [None, "12", True, float("nan"), float("inf"), 10**400, [], {"a": 1}]
)
def test_a_value_that_is_no_number_is_reviewed_and_named(evidence: Build, value: Any) -> None:
    found = evidence()
    found["scored"]["quality"] = value
    decision = evaluate(FIRST, found)
    assert decision.verdict == "review"
    assert "Cannot be judged: scored.quality " in decision.reasons[0].message
    json.dumps(decision.body(), allow_nan=False)


def test_a_rule_that_needs_finer_categories_than_the_engine_knows_only_reviews(
    evidence: Build,
) -> None:
    screenshots = policy("{sum_of: [screenshot], at_least: 0.9}")
    found = evidence()
    found["enriched"]["probabilities"] |= {"photo": 0.0, "screenshot": 0.95, "slide": 0.05}
    found["enriched"]["distinguishes"] = [["photo"], ["screenshot"], ["slide"]]
    assert evaluate(screenshots, found).verdict == "reject"
    found["enriched"]["distinguishes"] = [["photo"], ["screenshot", "slide"]]
    decision = evaluate(screenshots, found)
    assert decision.verdict == "review"
    assert "cannot tell these categories apart" in decision.reasons[0].message
    both = policy("{sum_of: [slide, screenshot], at_least: 0.9}")
    assert evaluate(both, found).verdict == "reject"


@pytest.mark.parametrize("groups", [None, "photo", [["photo"]], [[["photo"]]], 3])
def test_without_knowing_what_the_engine_tells_apart_no_category_rejects(
    evidence: Build, groups: Any
) -> None:
    found = evidence(graphic=0.99, confidence=0.99)
    found["enriched"]["distinguishes"] = groups
    assert evaluate(SECOND, found).verdict == "review"


def test_the_category_itself_is_no_better_than_the_groups_it_comes_from(evidence: Build) -> None:
    named = policy("{evidence: enriched.category, in: [screenshot]}")
    found = evidence(graphic=0.99)
    assert evaluate(named, found).verdict == "review"
    found["enriched"]["distinguishes"] = [["screenshot"], ["photo"]]
    assert evaluate(named, found).verdict == "reject"


@pytest.mark.parametrize(
    ("when", "verdict"),
    [
        ("{evidence: validated.format, equals: gif}", "reject"),
        ("{evidence: validated.format, equals: jpeg}", "accept"),
        ("{evidence: validated.format, in: [bmp, gif]}", "reject"),
        ("{evidence: validated.animated, equals: true}", "reject"),
        ("{evidence: validated.animated, equals: 1}", "accept"),
        ("{evidence: validated.technical.shorter_side, above: 900}", "accept"),
        ("{evidence: validated.technical.shorter_side, at_least: 900}", "reject"),
        ("{evidence: validated.technical.shorter_side, at_most: 900}", "reject"),
        ("{evidence: validated.technical.shorter_side, above: 800, below: 900}", "accept"),
        ("{evidence: validated.technical.shorter_side, above: 800, below: 901}", "reject"),
        ("{evidence: validated.exif.iso, above: 100}", "review"),
    ],
)
def test_operators(evidence: Build, when: str, verdict: str) -> None:
    found = evidence()
    found["validated"] |= {"format": "gif", "animated": True}
    assert evaluate(policy(when), found).verdict == verdict


MISSING = "{evidence: validated.exif.iso, above: 100}"
TRUE = "{evidence: validated.technical.shorter_side, at_least: 1}"
FALSE = "{evidence: validated.technical.shorter_side, below: 1}"
BAND = "{evidence: validated.technical.shorter_side, below: 1, review_from: 5000}"


@pytest.mark.parametrize(
    ("when", "verdict"),
    [
        (f"{{all_of: [{TRUE}, {TRUE}]}}", "reject"),
        (f"{{all_of: [{TRUE}, {FALSE}]}}", "accept"),
        (f"{{any_of: [{FALSE}, {TRUE}]}}", "reject"),
        (f"{{any_of: [{FALSE}, {FALSE}]}}", "accept"),
        (f"{{all_of: [{MISSING}, {FALSE}]}}", "accept"),
        (f"{{all_of: [{MISSING}, {TRUE}]}}", "review"),
        (f"{{any_of: [{MISSING}, {TRUE}]}}", "reject"),
        (f"{{any_of: [{MISSING}, {FALSE}]}}", "review"),
        (f"{{all_of: [{BAND}, {TRUE}]}}", "review"),
        (f"{{all_of: [{BAND}, {FALSE}]}}", "accept"),
        (f"{{any_of: [{BAND}, {TRUE}]}}", "reject"),
        (f"{{all_of: [{BAND}, {MISSING}]}}", "review"),
    ],
)
def test_what_is_missing_matters_only_where_the_answer_depends_on_it(
    evidence: Build, when: str, verdict: str
) -> None:
    assert evaluate(policy(when), evidence()).verdict == verdict


def test_a_review_rule_never_rejects(evidence: Build) -> None:
    assert evaluate(policy(TRUE, verdict="review"), evidence()).verdict == "review"


@pytest.mark.parametrize(
    ("duplicates", "found", "verdict"),
    [
        ("{exact: reject}", Duplicate("exact", "img-1"), "reject"),
        ("{exact: review}", Duplicate("exact", "img-1"), "review"),
        ("{exact: ignore}", Duplicate("exact", "img-1"), "accept"),
        ("{exact: reject}", Duplicate("near", "img-1", 2), "accept"),
        ("{near: {verdict: review, distance: 6}}", Duplicate("near", "img-1", 6), "review"),
        ("{near: {verdict: review, distance: 6}}", Duplicate("near", "img-1", 7), "accept"),
        ("{near: {verdict: ignore, distance: 6}}", Duplicate("near", "img-1", 0), "accept"),
        (
            "{near: {verdict: reject, distance: 2, review_from: 8}}",
            Duplicate("near", "img-1", 2),
            "reject",
        ),
        (
            "{near: {verdict: reject, distance: 2, review_from: 8}}",
            Duplicate("near", "img-1", 8),
            "review",
        ),
        ("{exact: reject, near: {verdict: reject, distance: 2}}", None, "accept"),
    ],
)
def test_duplicates(
    evidence: Build, duplicates: str, found: Duplicate | None, verdict: str
) -> None:
    decision = evaluate(policy(FALSE, extra=f"duplicates: {duplicates}"), evidence(), found)
    assert decision.verdict == verdict
    if verdict != "accept":
        assert "img-1" in decision.reasons[0].message
        assert decision.reasons[0].evidence["duplicate.of"] == "img-1"


def test_an_image_without_a_hash_cannot_be_called_unique(evidence: Build) -> None:
    found = evidence()
    del found["validated"]["sha256"]
    decision = evaluate(FIRST, found)
    assert decision.verdict == "review"
    assert "validated.sha256" in decision.reasons[0].message


def test_a_mirror_image_is_told_as_such(evidence: Build) -> None:
    asked = policy(FALSE, extra="duplicates: {near: {verdict: review, distance: 6}}")
    (reason,) = evaluate(asked, evidence(), Duplicate("near", "img-1", 4, mirrored=True)).reasons
    assert "mirror image" in reason.message
    assert reason.evidence["duplicate.mirrored"] is True


def test_near_duplicates_are_searched_as_far_as_the_policy_looks() -> None:
    def near(text: str) -> int | None:
        return policy(FALSE, extra=f"duplicates: {{near: {text}}}").near_distance

    assert near("{verdict: review, distance: 6}") == 6
    assert near("{verdict: reject, distance: 2, review_from: 8}") == 8
    assert near("{verdict: ignore, distance: 6}") is None
    assert FIRST.near_distance is None


def test_the_body_is_the_curated_evidence_and_plain_json(evidence: Build) -> None:
    body = evaluate(SECOND, evidence(side=10), Duplicate("exact", "img-1")).body()
    assert list(body) == ["verdict", "policy", "policy_hash", "reasons"]
    assert {key for reason in body["reasons"] for key in reason} == {
        "rule",
        "verdict",
        "message",
        "evidence",
    }
    assert json.loads(json.dumps(body, allow_nan=False)) == body
    assert (body["policy"], body["policy_hash"]) == ("default@2", SECOND.hash)


def test_the_bytes_do_not_depend_on_how_a_store_spells_numbers(evidence: Build) -> None:
    whole, spelled = evidence(quality=12), evidence(quality=12.0)
    spelled["validated"]["technical"]["shorter_side"] = 900.0
    assert evaluate(FIRST, whole).canonical() == evaluate(FIRST, spelled).canonical()


def test_evidence_is_left_as_it_was(evidence: Build) -> None:
    found = evidence()
    before = copy.deepcopy(found)
    evaluate(SECOND, found).body()["reasons"][0]["evidence"].clear()
    assert found == before
