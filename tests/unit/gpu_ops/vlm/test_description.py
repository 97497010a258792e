"""What of an answer can be used, however it was cut, fenced or spoilt."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gpu_ops.interface import LABELS
from gpu_ops.vlm import description, evidence

WHOLE = {
    "caption": "A field.",
    "tags": ["soft", "green"],
    "visible_text": "EXIT\nhere",
    "objects": ["field"],
}
RAW = json.dumps(WHOLE)


def body(raw: str | None) -> dict[str, Any]:
    return evidence.body(
        engine="e",
        prompt="p@1",
        probabilities=dict.fromkeys(LABELS, 0.125),
        calibration="none",
        answer_mass=1.0,
        raw=raw,
    )


@pytest.mark.parametrize(
    "raw",
    [
        RAW,
        f"```json\n{RAW}\n```",
        f"```\n{RAW}\n```\n",
        f"<think>It is a field.</think>\n\n{RAW}",
        f"\n\n  {RAW}\n ",
    ],
    ids=["plain", "fenced", "fenced without a name", "thought first", "blank around it"],
)
def test_a_whole_answer_is_read_whatever_it_is_wrapped_in(raw: str) -> None:
    found = body(raw)
    assert (found["caption"], found["objects"]) == ("A field.", ["field"])
    assert "description_raw" not in found


@pytest.mark.parametrize(
    ("cut", "fields"),
    [
        ("", set()),
        ('{"caption": "A fie', set()),
        (RAW[: RAW.index(', "tags"')], {"caption"}),
        (RAW[: RAW.index(', "green"') + 6], {"caption", "tags"}),
        (RAW[: RAW.index("XIT")], {"caption", "tags"}),
        (RAW[: RAW.index(', "objects"')], {"caption", "tags", "visible_text"}),
        ("```json\n" + RAW[: RAW.index(', "objects"')], {"caption", "tags", "visible_text"}),
        (RAW[: RAW.index(', "objects"')] + "," + "\n" * 50, {"caption", "tags", "visible_text"}),
    ],
)
def test_what_was_complete_before_the_cut_is_kept(cut: str, fields: set[str]) -> None:
    assert description.salvage(cut).keys() == fields
    found = body(cut)
    assert found["description_raw"] == cut
    assert found["caption"] == ("A field." if "caption" in fields else None)
    assert found["caption_source"] == ("model" if "caption" in fields else "none")
    assert found["text"]["words"] == (2 if "visible_text" in fields else None)


def test_a_field_that_is_not_valid_costs_that_field_alone() -> None:
    wrong = WHOLE | {
        "caption": "",
        "tags": ["soft", 7, "", "x" * 41, *"abcdefghij"],
        "mood": "calm",
    }
    found = description.salvage(json.dumps(wrong))
    assert "caption" not in found
    assert found["tags"] == ["soft", *"abcdefg"]  # those that are valid, eight at most
    assert found["objects"] == ["field"]
    assert "mood" not in found


@pytest.mark.parametrize("raw", ["A field.", "[1, 2]", "null", '"caption"', "{]", "\ud800"])
def test_what_is_no_object_gives_nothing(raw: str) -> None:
    assert description.salvage(raw) == {}
    found = body(raw)
    assert found["caption"] is None
    json.dumps(found, ensure_ascii=False).encode()  # every store can take it
