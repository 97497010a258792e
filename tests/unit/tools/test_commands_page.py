from __future__ import annotations

from pathlib import Path

from tools.commands_page import page

ROOT = Path(__file__).parents[3]


def test_the_page_of_commands_is_the_one_that_the_command_line_prints() -> None:
    assert (ROOT / "docs" / "commands.md").read_text() == page()


def test_every_option_says_what_it_is() -> None:
    assert [line for line in page().splitlines() if line.endswith("|  |")] == []
