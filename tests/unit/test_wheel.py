"""What `pip install parjanya` gives: a wheel that works without the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("parjanya_dagster", "gpu_ops")
DESCRIBED = ("pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, since a build writes beside the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in DESCRIBED:
        shutil.copy(ROOT / name, source)
    for name in PACKAGES:
        left_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=left_out)
    build = ["pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", *build, str(source)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_it_has_every_file_of_the_packages(wheel: Path) -> None:
    """Templates, weights, prompts, policies and static files too."""
    here = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as opened:
        packed = {name for name in opened.namelist() if name.startswith(PACKAGES)}
    assert packed == here


def test_its_command_makes_a_home_far_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    installed, home = tmp_path / "installed", tmp_path / "home"
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(installed)
    environment = {**os.environ, "PYTHONPATH": str(installed), "PARJANYA_HOME": str(home)}

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = "import parjanya_dagster, gpu_ops; print(parjanya_dagster.__file__, gpu_ops.__file__)"
    assert all(path.startswith(str(installed)) for path in run("-c", where).split())
    run("-m", "parjanya_dagster.cli", "migrate")
    run("-m", "parjanya_dagster.cli", "tenant", "add", "acme")
    assert "default@2" in run("-m", "parjanya_dagster.cli", "policy", "list")
