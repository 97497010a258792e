"""Each process of the tests begins with other files, and none leaves any out."""

from __future__ import annotations

import pytest

from tests.support.compiling import turned

MODULES = [f"test_{number}" for number in range(10)]


@pytest.mark.parametrize("of", [1, 3, 4, 16])
def test_each_process_imports_all_of_them(of: int) -> None:
    for number in range(of):
        assert sorted(turned(MODULES, number, of)) == MODULES


def test_together_they_begin_with_all_of_them() -> None:
    begun = [turned(MODULES, number, 4)[:3] for number in range(4)]
    assert {module for part in begun for module in part} == set(MODULES)
