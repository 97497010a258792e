"""What holds for any policy and any evidence."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from parjanya_dagster.policy import (
    STAGES,
    Duplicate,
    Policy,
    boundary,
    compare,
    diff,
    evaluate,
    lacking,
    load,
)
from tests.support.examples import examples

STRONGEST_FIRST = ("reject", "review", "accept")
LABELS = ("photo", "screenshot", "slide", "poster")
NUMBER_PATHS = (
    "validated.technical.shorter_side",
    "validated.technical.noise",
    "validated.exif.iso",
    "enriched.probabilities.photo",
    "enriched.confidence",
    "enriched.group_confidence",
    "enriched.text.words",
    "scored.quality",
    "scored.metrics.piqe.value",
)
WORD_PATHS = ("validated.format", "enriched.category")
NEEDS = {
    "validated": ["technical.shorter_side", "technical.noise", "exif.iso", "format"],
    "enriched": {"taxonomy": list(LABELS), "fields": ["text.words", "group_confidence"]},
    "scored": {"metrics": ["piqe"]},
}

# Few numbers, so that values meet thresholds and each other.
near = st.sampled_from([0.0, 0.25, 0.5, 0.75, 0.9, 1.0, 30.0, 31.0])
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
odd = [0, 30, "gif", "slide", None, True, float("nan"), float("inf"), 1e300, 10**400, -0.0]
values = st.sampled_from(odd) | junk

# Strategies are made once. Made while they draw, they took as long as the drawing.
zero_to = [st.integers(0, most) for most in range(10)]
either = st.booleans()
words = st.lists(st.sampled_from(["gif", *LABELS]), min_size=1, max_size=3)
labels = st.lists(st.sampled_from(LABELS), min_size=1, max_size=4, unique=True)
number_paths, word_paths = st.sampled_from(NUMBER_PATHS), st.sampled_from(WORD_PATHS)
operators = st.sampled_from(["below", "above", "at_least", "at_most"])
widths = st.sampled_from([0.1, 0.4])
kinds = st.sampled_from(["all_of", "any_of"])
verdicts = st.sampled_from(["reject", "review"])
duplicate_rules = st.sampled_from(
    [
        {},
        {"exact": "reject"},
        {"exact": "review", "near": {"verdict": "review", "distance": 6}},
        {"near": {"verdict": "reject", "distance": 2, "review_from": 8}},
    ]
)
confidences = st.sampled_from([{}, {"enriched": 0.5}])
stages = st.sampled_from(["validated", "enriched", "scored"])
distinctions = st.sampled_from([[[x] for x in LABELS], [["photo"], list(LABELS[1:])], None]) | junk


@st.composite
def comparisons(draw: st.DrawFn, banded: bool) -> dict[str, Any]:
    if draw(zero_to[4]) == 0:
        return {"evidence": draw(word_paths), "in": draw(words)}
    subject: dict[str, Any] = {"evidence": draw(number_paths)}
    if draw(either):
        subject = {"sum_of": draw(labels)}
    operator = draw(operators)
    threshold = draw(near)
    subject[operator] = threshold
    if banded and draw(either):
        width = draw(widths)
        subject["review_from"] = threshold + (width if operator in ("below", "at_most") else -width)
    return subject


def conditions(banded: bool) -> st.SearchStrategy[dict[str, Any]]:
    def several(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
        parts = st.lists(inner, min_size=1, max_size=3)
        return st.builds(lambda kind, found: {kind: found}, kinds, parts)

    return st.recursive(comparisons(banded), several, max_leaves=4)


conditions_of = {"reject": conditions(banded=True), "review": conditions(banded=False)}


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    rules = []
    for index in range(draw(zero_to[4])):
        verdict = draw(verdicts)
        when = draw(conditions_of[verdict])
        rules.append({"id": f"r{index}", "verdict": verdict, "when": when, "reason": "It fired."})
    document: dict[str, Any] = {"name": "any", "version": 1, "description": "Any.", "needs": NEEDS}
    document["rules"] = rules
    document["duplicates"] = draw(duplicate_rules)
    if any(stage in json.dumps(rules) for stage in ('"enriched.', '"sum_of"')):
        document["confidence"] = draw(confidences)
    return load(json.dumps(document, indent=1))  # JSON is YAML


@st.composite
def evidences(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {
        "validated": {"sha256": "00", "likeness": {"views": []}, "exif": {}, "technical": {}},
        "enriched": {"probabilities": {}, "text": {}},
        "scored": {"metrics": {"piqe": {}}},
    }
    for path in (*NUMBER_PATHS, *WORD_PATHS, *(f"enriched.probabilities.{x}" for x in LABELS)):
        if draw(zero_to[6]):
            *parents, leaf = path.split(".")
            at = found
            for step in parents:
                at = at[step]
            at[leaf] = draw(near if draw(zero_to[2]) else values)
    found["enriched"]["distinguishes"] = draw(distinctions)
    if draw(zero_to[9]) == 0:
        found[draw(stages)] = draw(junk)
    return found


duplicates = st.none() | st.builds(
    Duplicate, st.sampled_from(["exact", "near"]), st.just("img-1"), st.integers(0, 64)
)


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return value


def places(value: Any, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(value, dict):
        return []
    return [p for key in value for p in [(*at, key), *places(value[key], (*at, key))]]


@given(policies(), evidences() | st.dictionaries(st.sampled_from(STAGES), junk), duplicates)
@settings(max_examples=examples(150), deadline=None)
def test_a_decision_is_pure_total_and_plain_json(
    policy: Policy, evidence: dict[str, Any], duplicate: Duplicate | None
) -> None:
    before = copy.deepcopy(evidence)
    decision = evaluate(policy, evidence, duplicate)
    assert repr(evidence) == repr(before)
    assert evaluate(policy, before, duplicate).canonical() == decision.canonical()
    assert json.loads(json.dumps(decision.body(), allow_nan=False)) == decision.body()
    assert decision.reasons
    verdicts = [reason.verdict for reason in decision.reasons]
    assert decision.verdict == verdicts[0] == next(v for v in STRONGEST_FIRST if v in verdicts)
    assert all(reason.message for reason in decision.reasons)
    assert boundary(policy, evidence if all(map(is_mapping, evidence.values())) else {}) in STAGES


def is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


@given(policies(), evidences(), duplicates)
@settings(max_examples=examples(60), deadline=None)
def test_the_order_of_keys_does_not_matter(
    policy: Policy, evidence: dict[str, Any], duplicate: Duplicate | None
) -> None:
    turned = evaluate(policy, shuffled(evidence), duplicate)
    assert turned.canonical() == evaluate(policy, evidence, duplicate).canonical()


@given(policies(), evidences(), st.data())
@settings(max_examples=examples(150), deadline=None)
def test_losing_evidence_never_turns_anything_into_a_reject(
    policy: Policy, evidence: dict[str, Any], data: st.DataObject
) -> None:
    full = evaluate(policy, evidence)
    *parents, leaf = data.draw(st.sampled_from(places(evidence)))
    at = evidence
    for step in parents:
        at = at[step]
    del at[leaf]
    poorer = evaluate(policy, evidence)
    assert poorer.verdict != "reject" or full.verdict == "reject"
    assert poorer.verdict != "accept" or full.verdict == "accept"


@given(policies(), policies(), st.lists(evidences(), max_size=4))
@settings(max_examples=examples(60), deadline=None)
def test_a_regrade_there_and_back_is_the_identity(
    a: Policy, b: Policy, found: list[dict[str, Any]]
) -> None:
    images = {f"img-{n}": evidence for n, evidence in enumerate(found)}
    first = {i: evaluate(a, evidence) for i, evidence in images.items()}
    there = {i: evaluate(b, evidence) for i, evidence in images.items()}
    back = {i: evaluate(a, evidence) for i, evidence in reversed(images.items())}
    assert {i: d.canonical() for i, d in back.items()} == {
        i: d.canonical() for i, d in first.items()
    }
    out, home = compare(first, there), compare(there, back)
    assert {(f.before, f.after, f.images) for f in out.flips} == {
        (f.after, f.before, f.images) for f in home.flips
    }
    assert out.identical == home.identical


@given(policies(), policies())
@settings(max_examples=examples(50), deadline=None)
def test_policies_are_equal_when_nothing_differs_between_them(a: Policy, b: Policy) -> None:
    assert (diff(a, b).changes == ()) == (a.hash == b.hash)
    again = load(json.dumps(a.content(), indent=1))
    assert again.hash == a.hash


@given(policies(), evidences())
@settings(max_examples=examples(50), deadline=None)
def test_no_stage_before_the_boundary_lacks_anything(
    policy: Policy, evidence: dict[str, Any]
) -> None:
    index = {stage: body for stage, body in evidence.items() if isinstance(body, dict)}
    start = STAGES.index(boundary(policy, index))
    assert all(not lacking(policy, stage, index.get(stage)) for stage in STAGES[:start])
    if start < 3:
        assert lacking(policy, STAGES[start], index.get(STAGES[start]))


@given(policies(), evidences(), st.none() | st.builds(Duplicate, st.just("near"), st.just("a")))
def test_only_the_stages_that_a_policy_names_are_looked_at(
    policy: Policy, evidence: dict[str, Any], duplicate: Duplicate | None
) -> None:
    """So a decision needs no more of Truth than these: the rest may be left unread."""
    some = {stage: body for stage, body in evidence.items() if stage in policy.stages}
    whole = evaluate(policy, evidence, duplicate)
    assert evaluate(policy, some, duplicate).canonical() == whole.canonical()
