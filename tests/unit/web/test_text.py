"""Names and facts as pages show them."""

from __future__ import annotations

from typing import Any

import pytest

from parjanya_dagster.web.text import fact, visible


def test_a_name_cannot_hide_or_reorder_its_characters() -> None:
    shown = visible("photo\u202egpj.exe\x00\ud800")
    assert shown == "photo⟨U+202E⟩gpj.exe⟨U+0000⟩⟨U+D800⟩"
    shown.encode()
    assert visible("Blüte & キウイ.jpg") == "Blüte & キウイ.jpg"


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "yes"), (1234567, "1,234,567"), (0.123456, "0.1235"), (["a", 1], "a, 1")],
)
def test_facts_read_as_people_write_them(value: Any, text: str) -> None:
    assert fact(value) == text
