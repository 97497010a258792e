"""A taste as evidence of a policy."""

from __future__ import annotations

import pytest

from parjanya_dagster.policy import PolicyError, boundary, evaluate, load

NEEDS = """needs:
  taste: {tenant: acme, version: 3, hash: "sha256:%s"}
"""
TEXT = """name: tasteful
version: 1
description: Keeps what people would accept.
needs:
  taste: {tenant: acme, version: 3, hash: "sha256:%s"}
rules:
  - id: not_to_taste
    verdict: reject
    when: {evidence: taste.accept, below: 0.1, review_from: 0.9}
    reason: People would accept it with probability {value}.
"""
POLICY = load(TEXT % ("a" * 64))


def test_it_is_read_as_any_evidence_and_unknown_asks_a_person() -> None:
    said = {"accept": 0.95, "reject": 0.05, "review": 0.5}
    assert {v: evaluate(POLICY, {"taste": {"accept": p}}).verdict for v, p in said.items()} == {
        verdict: verdict for verdict in said
    }
    unknown = evaluate(POLICY, {"taste": {"accept": None, "unknown": "it is another tenant's"}})
    assert unknown.verdict == "review"
    assert unknown.reasons[0].message == "Cannot be judged: taste.accept is missing."


def test_another_taste_is_another_policy_that_replays_the_decision_alone() -> None:
    other = load(TEXT % ("b" * 64))
    assert other.hash != POLICY.hash
    assert POLICY.stages == {"validated", "enriched", "scored"}, "a taste is read from all of them"
    assert boundary(other, {}) == "curated"


@pytest.mark.parametrize(
    ("mistake", "says"),
    [
        (TEXT.replace(NEEDS, ""), "add needs.taste"),
        (TEXT.replace("evidence: taste.accept", "evidence: taste.reject"), "there is taste.accept"),
        (TEXT.replace("sha256:%s", "%s"), "needs.taste.hash"),
    ],
)
def test_mistakes_are_told(mistake: str, says: str) -> None:
    with pytest.raises(PolicyError, match=says):
        load(mistake % ("a" * 64) if "%s" in mistake else mistake)
