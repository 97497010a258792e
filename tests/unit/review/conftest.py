from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from parjanya_dagster.truth.sql import open_store
from parjanya_dagster.truth.store import Store


@pytest.fixture
def store(empty_truth: Path, tmp_path: Path) -> Iterator[Store]:
    path = tmp_path / "truth.db"
    shutil.copy(empty_truth, path)
    store = open_store(f"sqlite:///{path}")
    yield store
    store.close()
