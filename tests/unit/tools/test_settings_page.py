from __future__ import annotations

from pathlib import Path

from parjanya_dagster.settings import Settings
from tools.settings_page import page

ROOT = Path(__file__).parents[3]


def test_the_page_of_settings_is_the_one_that_the_settings_print() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == page()


def test_every_setting_says_what_it_is() -> None:
    assert [n for n, field in Settings.model_fields.items() if not field.description] == []
