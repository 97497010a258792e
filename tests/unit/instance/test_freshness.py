"""What makes a process stale that stands by, and what does not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import gpu_ops
from parjanya_dagster.instance.standby.freshness import signature
from parjanya_dagster.settings import ENV_FILE, Settings


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package in the place of `gpu_ops`, and a folder of installed packages."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (tmp_path / "site-packages").mkdir()
    monkeypatch.setattr(gpu_ops, "__file__", str(package / "__init__.py"))
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site-packages")])
    return package


def test_bytecode_that_python_writes_makes_nothing_stale(package: Path, tmp_path: Path) -> None:
    before = signature(Settings(home=tmp_path))
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "a.pyc").write_bytes(b"x")
    (tmp_path / "site-packages" / "__pycache__").mkdir()
    assert signature(Settings(home=tmp_path)) == before


@pytest.mark.parametrize(
    "file", ["package/new.py", "package/__init__.py", ENV_FILE, "site-packages/a-1.0.dist-info"]
)
def test_code_packages_and_settings_make_it_stale(package: Path, tmp_path: Path, file: str) -> None:
    before = signature(Settings(home=tmp_path))
    (tmp_path / file).write_text("changed")
    assert signature(Settings(home=tmp_path)) != before
