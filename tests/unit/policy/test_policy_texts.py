"""Rules about words: in text, tags, captions and recognised lines."""

from __future__ import annotations

from typing import Any

import pytest

from parjanya_dagster.policy import Policy, PolicyError, evaluate, load
from parjanya_dagster.policy.texts import TOLD

FIELDS = "[caption, visible_text, tags, objects, text.lines]"


def rule(when: str) -> Policy:
    return load(
        "name: words\nversion: 1\ndescription: d\n"
        f"needs: {{enriched: {{fields: {FIELDS}}}}}\n"
        f'rules: [{{id: said, verdict: reject, reason: "It says so.", when: {when}}}]\n'
    )


def verdict(when: str, **enriched: Any) -> str:
    return evaluate(rule(when), {"enriched": enriched}).verdict


@pytest.mark.parametrize(
    ("text", "phrases", "found"),
    [
        ("Summer SALE today", "[sale]", True),
        ("wholesale", "[sale]", False),
        ("sale-price", "[sale]", True),
        ("no\n  fishing  here", "[No  Fishing]", True),
        ("a gun", "[knife, gun]", True),
        ("STRASSE", "[straße]", True),
        ("ＳＡＬＥ", "[sale]", True),
        ("冬の大特価セール中", "[セール]", True),
        ("uses C++ only", "[c++]", True),
        ("a.b", "['a?b']", False),
        ("", "[sale]", False),
    ],
)
def test_phrases_are_whole_words_in_any_case(text: str, phrases: str, found: bool) -> None:
    when = f"{{evidence: enriched.visible_text, contains: {phrases}}}"
    assert verdict(when, visible_text=text) == ("reject" if found else "accept")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("tags", [{"name": "red", "confidence": None}, {"name": "carpet"}]),
        ("objects", ["red", "carpet"]),
        ("text.lines", [{"text": "red", "confidence": 0.9}, {"text": "carpet"}]),
    ],
)
def test_of_a_list_each_item_is_looked_at_by_itself(path: str, value: Any) -> None:
    body: dict[str, Any] = {"text": {"lines": value}} if path == "text.lines" else {path: value}
    for said, found in (("red", "reject"), ("carpet", "reject"), ("red carpet", "accept")):
        assert verdict(f"{{evidence: enriched.{path}, contains: [{said}]}}", **body) == found
    assert verdict(f"{{evidence: enriched.{path}, matches: '^car.et$'}}", **body) == "accept"
    assert verdict(f"{{evidence: enriched.{path}, matches: '(?m)^car.et$'}}", **body) == "reject"


@pytest.mark.parametrize("value", [None, 7, [7], [{"label": "gun"}], {"name": "gun"}])
def test_what_is_no_text_is_reviewed_and_an_empty_list_says_nothing(value: Any) -> None:
    when = "{evidence: enriched.tags, contains: [gun]}"
    assert verdict(when, tags=value) == "review"
    assert verdict(when, tags=[]) == "accept"
    assert verdict(f"{{any_of: [{when}, {{evidence: enriched.caption, contains: [gun]}}]}}",
                   tags=value, caption="a gun") == "reject"  # fmt: skip


def test_a_pattern_takes_no_time_whatever_was_written_in_the_picture() -> None:
    """A backtracking engine would need 2^40 steps."""
    hostile = "a" * 40 + "!"
    assert verdict("{evidence: enriched.caption, matches: '^(a+)+$'}", caption=hostile) == "accept"
    assert verdict("{evidence: enriched.caption, matches: '(?i)^A+!'}", caption=hostile) == "reject"


def test_a_decision_keeps_the_beginning_of_a_long_text() -> None:
    policy = rule("{evidence: enriched.visible_text, contains: [end]}")
    decision = evaluate(policy, {"enriched": {"visible_text": "word " * 1000 + "end"}})
    assert decision.verdict == "reject"
    for kept in (decision.reasons[0].evidence, decision.used):
        assert len(kept["enriched.visible_text"]) == TOLD


@pytest.mark.parametrize(
    ("test", "complaint"),
    [
        ("matches: '('", "no pattern of RE2"),
        ("matches: '(a)\\1'", "no pattern of RE2"),
        ("contains: []", "contains"),
        ("contains: [' ']", "contains"),
        ("contains: [gun], above: 3", "put other tests into all_of"),
    ],
)
def test_a_mistake_is_told_when_the_policy_is_loaded(test: str, complaint: str) -> None:
    with pytest.raises(PolicyError, match=complaint):
        rule(f"{{evidence: enriched.caption, {test}}}")


def test_a_phrase_has_a_word() -> None:
    """U+001C is a blank to whoever splits words, and none to whoever strips texts."""
    with pytest.raises(PolicyError, match="a phrase without a word"):
        rule('{evidence: enriched.caption, contains: [sale, "\\x1c"]}')
