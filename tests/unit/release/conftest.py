"""A tenant whose pictures are decided: made once, and copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from parjanya_dagster.platform import Platform
from tests.support.clock import Clock
from tests.support.releases import make_home, platform_in


@pytest.fixture(scope="session")
def decided_home(empty_truth: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(empty_truth, tmp_path_factory.mktemp("decided") / "home", Clock())


@pytest.fixture
def decided(decided_home: Path, tmp_path: Path, clock: Clock) -> Iterator[Platform]:
    """A platform with pictures that are decided, on SQLite and folders."""
    home = tmp_path / "home"
    shutil.copytree(decided_home, home)
    with platform_in(home, clock) as platform:
        yield platform
