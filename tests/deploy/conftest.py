"""What the tests of images share."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "deploy" / "images"


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The check as it lies in an image: beside the pins, in a folder of its own."""
    for file in (IMAGES / "build_check.py", IMAGES / "requirements.py", ROOT / "constraints.txt",
                 ROOT / "pyproject.toml"):  # fmt: skip
        shutil.copy(file, tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    spec = importlib.util.spec_from_file_location("build_check", tmp_path / "build_check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("requirements", None)
