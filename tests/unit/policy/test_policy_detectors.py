"""The rules of docs/detectors.md: what is not known is reviewed, not guessed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from parjanya_dagster.policy import evaluate, load

PAGE = Path(__file__).parents[3] / "docs" / "detectors.md"
HEAD = "name: house\nversion: 1\ndescription: As the page has it.\n"
NOBODY = {"count": 0, "doubtful": 0, "largest": 0.0}


def policy() -> Any:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return load(HEAD + block)


def language(code: str | None, letters: int) -> dict[str, Any]:
    return {"code": code, "probability": code and 0.9, "letters": letters}


@pytest.mark.parametrize(
    ("enriched", "rules"),
    [
        ({}, ["no_objection"]),
        ({"language": language(None, 0)}, ["no_objection"]),  # no text at all
        ({"language": language(None, 12)}, ["no_objection"]),  # too little of it
        ({"language": language("en", 60)}, ["no_objection"]),
        ({"language": language("fr", 60)}, ["other_language"]),
        ({"language": language(None, 60)}, ["other_language"]),  # enough, and not sure
        ({"faces": {**NOBODY, "count": 1}}, ["people_in_it"]),
        ({"faces": {**NOBODY, "doubtful": 1}}, ["people_in_it"]),
        ({"nsfw": {"probability": 0.7}}, ["not_safe_for_work"]),
        ({"faces": None}, ["people_in_it"]),  # the detector did not look
    ],
)
def test_a_rule_over_a_detector_knows_what_it_does_not_know(
    enriched: dict[str, Any], rules: list[str]
) -> None:
    seen = {"language": language(None, 0), "faces": NOBODY, "nsfw": {"probability": 0.01}}
    decision = evaluate(policy(), {"enriched": {**seen, **enriched}})
    assert [reason.rule for reason in decision.reasons] == rules
