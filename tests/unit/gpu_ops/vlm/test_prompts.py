"""Prompt files, and what a described image becomes as evidence."""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from typing import Any

import pytest

from gpu_ops import LABELS
from gpu_ops.vlm import description, evidence, prompts

EVEN = dict.fromkeys(LABELS, 1 / len(LABELS))
GOOD = {
    "caption": "A heron stands in a river.",
    "tags": ["bird", "river"],
    "visible_text": "No fishing\nby order",
    "objects": ["heron", "sign"],
}


def test_every_prompt_file_loads_and_its_hash_is_in_its_identity() -> None:
    for name in prompts.names():
        raw = resources.files(prompts).joinpath(f"{name}.yaml").read_bytes()
        assert prompts.load(name).identity == f"{name}+sha256:{hashlib.sha256(raw).hexdigest()}"


def test_the_published_prompt_has_not_been_edited() -> None:
    """A new wording is a new version: recorded evidence points at this hash."""
    published = "3bf1e2354f48ad63bcfc96002a5a1044ab7f88bffbf06be1a8bd29db13b5261e"
    assert prompts.load("default@1").sha256 == published


def test_the_question_letters_the_labels_in_the_order_asked() -> None:
    question = prompts.load().category_question(("slide", "photo", "social_card"))
    assert "A slide, B photo, C social card." in question


def test_an_unknown_prompt_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no prompt 'poem@1'; choose .*default@1"):
        prompts.load("poem@1")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("{options}", "", "needs {options}"),
        ("    poster: poster\n", "", "names must be given for exactly"),
        ("orders: 8", "orders: 9", "at most 8"),
        ("max_tokens: 192", "max_tokens: 0", "max_tokens"),
        ("system:", "sistem:", "sistem"),
    ],
)
def test_a_mistake_in_a_prompt_file_is_told(old: str, new: str, complaint: str) -> None:
    raw = resources.files(prompts).joinpath("default@1.yaml").read_text()
    assert old in raw
    with pytest.raises(ValueError, match=complaint):
        prompts.parse("mine@1", raw.replace(old, new).encode())


def evidence_of(raw: str | None, mass: float = 1.0) -> dict[str, Any]:
    return evidence.body(
        engine="e",
        prompt="default@1",
        probabilities=EVEN,
        calibration="none",
        answer_mass=mass,
        raw=raw,
    )


def test_a_description_becomes_caption_tags_text_and_objects() -> None:
    body = evidence_of(json.dumps(GOOD))
    assert body["caption"] == GOOD["caption"]
    assert body["caption_source"] == "model"
    assert body["tags"] == [{"name": n, "confidence": None} for n in ("bird", "river")]
    assert body["text"]["words"] == 4
    assert [line["text"] for line in body["text"]["lines"]] == ["No fishing", "by order"]
    assert body["objects"] == GOOD["objects"]
    assert "description_raw" not in body


def test_the_evidence_holds_what_policies_read() -> None:
    from parjanya_dagster.policy import builtin, lacking

    for mass in (1.0, 0.0):  # an unknown category is an answer too: nobody need ask again
        body = evidence_of(None, mass)
        for policy in builtin().values():
            assert lacking(policy, "enriched", body) == ()


def test_the_schema_is_closed_and_every_length_in_it_is_bounded() -> None:
    schema = description.json_schema()
    assert schema["additionalProperties"] is False
    assert schema["required"] == list(schema["properties"])
    for field in schema["properties"].values():
        assert "maxLength" in field or ("maxItems" in field and "maxLength" in field["items"])
