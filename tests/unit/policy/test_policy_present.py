"""Rules about whether a file says a fact at all."""

from __future__ import annotations

from typing import Any

import pytest

from parjanya_dagster.policy import Policy, PolicyError, boundary, evaluate, load

MODEL = "validated.exif.camera_model"


def rule(when: str, needs: str = "[exif.camera_model, technical.shorter_side]") -> Policy:
    return load(
        "name: cameras\nversion: 1\ndescription: d\n"
        f"needs: {{validated: {needs}}}\n"
        f'rules: [{{id: asked, verdict: reject, reason: "It holds.", when: {when}}}]\n'
    )


@pytest.mark.parametrize(
    ("validated", "absent", "present"),
    [
        ({"exif": {"camera_model": "X100"}}, "accept", "reject"),
        ({"exif": {"camera_model": ""}}, "accept", "reject"),
        ({"exif": {"camera_model": ["X100"]}}, "accept", "reject"),  # no plain value, but there
        ({"exif": {"camera_model": float("nan")}}, "accept", "reject"),
        ({"exif": {"iso": 100}}, "reject", "accept"),
        ({"exif": {}}, "reject", "accept"),
        ({"exif": {"camera_model": None}}, "reject", "accept"),
        ({"exif": None}, "review", "review"),  # nobody looked
        ({"exif": "camera_model"}, "review", "review"),
        ({}, "review", "review"),
    ],
)
def test_a_fact_is_there_or_not_said_or_was_not_looked_for(
    validated: dict[str, Any], absent: str, present: str
) -> None:
    for asked, verdict in (("false", absent), ("true", present)):
        policy = rule(f"{{evidence: {MODEL}, present: {asked}}}")
        assert evaluate(policy, {"validated": validated}).verdict == verdict


def test_what_was_not_looked_for_is_named_and_what_is_not_said_is_no_fault() -> None:
    when = (
        "{all_of: [{evidence: validated.technical.shorter_side, below: 100},"
        f" {{evidence: {MODEL}, present: false}}]}}"
    )
    lacking_both = evaluate(rule(when), {"validated": {}}).reasons[0].message
    assert lacking_both == (
        "Cannot be judged: validated.technical.shorter_side is missing,"
        " validated.exif.camera_model is missing."
    )
    lacking_size = evaluate(rule(when), {"validated": {"exif": {}}}).reasons[0].message
    assert lacking_size == "Cannot be judged: validated.technical.shorter_side is missing."


def test_any_other_comparison_with_a_fact_that_is_not_said_asks_a_person() -> None:
    decided = evaluate(rule(f"{{evidence: {MODEL}, equals: X100}}"), {"validated": {"exif": {}}})
    assert decided.reasons[0].verdict == "review"
    assert decided.reasons[0].message == "Cannot be judged: validated.exif.camera_model is missing."


def test_it_lets_a_camera_s_picture_pass_a_rule_over_probabilities() -> None:
    policy = load(
        "name: cameras\nversion: 1\ndescription: d\n"
        "needs: {validated: [exif.camera_model], enriched: {taxonomy: [photo, poster]}}\n"
        "rules:\n- id: graphic\n  verdict: reject\n  reason: A graphic.\n  when:\n    all_of:\n"
        "    - {sum_of: [poster], at_least: 0.9, review_from: 0.35}\n"
        f"    - {{evidence: {MODEL}, present: false}}\n"
    )

    def verdict(poster: float, **exif: str) -> str:
        enriched = {
            "probabilities": {"photo": 1 - poster, "poster": poster},
            "distinguishes": [["photo"], ["poster"]],
        }
        return evaluate(policy, {"validated": {"exif": exif}, "enriched": enriched}).verdict

    assert [verdict(p) for p in (0.2, 0.5, 0.95)] == ["accept", "review", "reject"]
    assert [verdict(p, camera_model="X100") for p in (0.2, 0.5, 0.95)] == ["accept"] * 3


def test_a_fact_that_is_not_said_is_not_looked_for_again() -> None:
    policy = rule(f"{{evidence: {MODEL}, present: false}}", "[exif.camera_model]")
    assert boundary(policy, {"validated": {"exif": {}}}) == "curated"
    assert boundary(policy, {"validated": {"technical": {}}}) == "validated"


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("{evidence: validated.technical.shorter_side, present: true}", "present is for facts"),
        ("{evidence: validated.exif, present: true}", "present is for facts"),
        ("{sum_of: [poster], present: true}", "a sum is compared"),
        (f"{{evidence: {MODEL}, present: true, equals: X100}}", "present stands alone"),
        (f"{{evidence: {MODEL}, present: true, above: 3}}", "present stands alone"),
        (f"{{evidence: {MODEL}, present: true, review_from: 3}}", "review_from needs"),
        (f"{{evidence: {MODEL}, present: maybe}}", "boolean"),
        (f"{{any_of: [{{evidence: {MODEL}, equals: a}}], present: true}}", "move the comparison"),
    ],
)
def test_present_that_says_nothing_is_a_mistake_that_is_told(when: str, told: str) -> None:
    with pytest.raises(PolicyError, match=told):
        rule(when)
