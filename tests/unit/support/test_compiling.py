"""Each process of the tests begins with other files, and none leaves any out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.compiling import modules, turned

MODULES = [f"test_{number}" for number in range(10)]


@pytest.mark.parametrize("of", [1, 3, 4, 16])
def test_each_process_imports_all_of_them(of: int) -> None:
    for number in range(of):
        assert sorted(turned(MODULES, number, of)) == MODULES


def test_together_they_begin_with_all_of_them() -> None:
    begun = [turned(MODULES, number, 4)[:3] for number in range(4)]
    assert {module for part in begun for module in part} == set(MODULES)


def test_what_lies_outside_the_checkout_is_left_to_pytest(tmp_path: Path) -> None:
    inside, outside = tmp_path / "tests", tmp_path.parent / "test_elsewhere.py"
    inside.mkdir()
    for file in (inside / "test_one.py", inside / "helper.py"):
        file.touch()
    config: Any = SimpleNamespace(
        args=["tests", "tests/test_one.py::test_it", str(outside)],
        invocation_params=SimpleNamespace(dir=tmp_path),
        rootpath=tmp_path,
    )
    assert set(modules(config)) == {"tests.test_one"}
