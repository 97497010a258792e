from __future__ import annotations

from tests.pins import broken

PYPROJECT = """
[project]
dependencies = ["six>=1.16"]
[project.optional-dependencies]
more = ["packaging<99"]
"""


def test_pins_that_satisfy_what_is_asked_for_are_fine() -> None:
    assert broken(PYPROJECT, "six==1.17.0\npackaging==25.0\n") == []


def test_a_pin_outside_the_asked_range_is_named() -> None:
    assert broken(PYPROJECT, "six==1.10.0\npackaging==25.0\n") == [
        "pyproject.toml asks for six>=1.16, the pin is 1.10.0"
    ]


def test_a_requirement_of_an_extra_without_a_pin_is_named() -> None:
    assert broken(PYPROJECT, "six==1.17.0\n") == [
        "pyproject.toml asks for packaging<99, which has no pin"
    ]


def test_what_a_pinned_package_asks_for_in_turn_needs_a_pin_too() -> None:
    asks = '[project]\ndependencies = ["rich"]\n[project.optional-dependencies]\n'
    problems = broken(asks, "rich==15.0.0\n")
    assert any("pygments" in problem for problem in problems)
