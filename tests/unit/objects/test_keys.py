"""The one rule of names: what is taken in, set aside or refused, and how a name is told."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from parjanya_dagster.objects.keys import refusal, set_aside, shown
from tests.support.names import TELLABLE


def test_only_controls_line_separators_and_what_is_no_utf8_are_refused() -> None:
    refused = {c for c in map(chr, range(sys.maxunicode + 1)) if refusal(f"incoming/a{c}b.jpg")}
    kinds = {unicodedata.category(character) for character in refused}
    assert kinds == {"Cc", "Cs", "Zl", "Zp"}
    assert len(refused) == 65 + 2048 + 1 + 1


@pytest.mark.parametrize("name", TELLABLE)
def test_names_that_people_have_are_taken_in(name: str) -> None:
    assert refusal(f"incoming/{name}") is None
    assert set_aside(f"incoming/{name}") is None


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("incoming/a.xmp", "sidecar"),
        ("incoming/IMG_1.AAE", "sidecar"),
        ("incoming/IMG_1.jpg.supplemental-metadata.json", "sidecar"),
        ("incoming/clip.MOV", "film"),
        ("incoming/2024/Thumbs.db", "system file"),
        ("incoming/Icon\r", "system file"),
        ("incoming/.DS_Store", "hidden"),
        ("incoming/._a.jpg", "hidden"),
        ("incoming/.trash/a.jpg", "hidden"),
        ("incoming/a.jpg", None),
        ("incoming/json", None),
        ("incoming/films.mov/a.jpg", None),
        ("incoming/../a.jpg", None),
    ],
)
def test_what_is_no_image_by_its_name_is_set_aside(key: str, what: str | None) -> None:
    assert set_aside(key) == what


def test_a_name_is_told_in_one_line_that_no_character_turns_around() -> None:
    assert shown("a\u202egpj.exe") == "a\\u202egpj.exe"
    assert shown("a\n\u2028\x1b[0m\udcff.jpg") == "a\\n\\u2028\\x1b[0m\\udcff.jpg"
    assert shown("写真 ü.jpg") == "写真 ü.jpg"
