"""A store of its own for each simulation."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from parjanya_dagster.truth.sql import SqlStore, open_store


@pytest.fixture(scope="session")
def template(empty_truth: Path) -> Path:
    return empty_truth


@pytest.fixture
def store(template: Path, tmp_path: Path) -> Iterator[SqlStore]:
    path = tmp_path / "truth.db"
    shutil.copy(template, path)
    store = open_store(f"sqlite:///{path}", batch_size=3, rng=random.Random(1))
    yield store
    store.close()
