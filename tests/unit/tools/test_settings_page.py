from __future__ import annotations

from pathlib import Path

from parjanya_dagster.settings.names import FIELDS
from tools.settings_page import page

ROOT = Path(__file__).parents[3]


def test_the_page_of_settings_is_the_one_that_the_settings_print() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == page()


def test_every_setting_is_on_the_page_and_says_what_it_is() -> None:
    said = page()
    for lane in ("EMBEDDED", "CPU", "GPU"):
        said += said.replace("<LANE>", lane)
    assert [name for name, field in FIELDS.items() if f"| `{name}` |" not in said] == []
    assert [name for name, field in FIELDS.items() if not field.description] == []
