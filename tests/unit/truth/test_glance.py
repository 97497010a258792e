"""A glance at an embedded Truth says that all is well, or nothing."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from parjanya_dagster.truth import open_store
from parjanya_dagster.truth.glance import heartbeats_if_well
from parjanya_dagster.truth.revisions import VERSION_TABLE


@pytest.fixture
def truth(empty_truth: Path, tmp_path: Path) -> Path:
    file = tmp_path / "truth of a house.db"
    shutil.copy(empty_truth, file)
    store = open_store(f"sqlite:///{file}")
    store.beat("reconciler", 100.0, {})
    store.beat("run:1", 200.0, {})
    store.close()
    return file


def test_it_tells_when_each_loop_last_completed(truth: Path) -> None:
    assert heartbeats_if_well(truth) == {"reconciler": 100.0}


def test_of_another_schema_it_says_nothing(truth: Path) -> None:
    with closing(sqlite3.connect(truth)) as other, other:
        other.execute(f"UPDATE {VERSION_TABLE} SET version_num = '0001'")
    assert heartbeats_if_well(truth) is None


def test_of_a_truth_that_nobody_can_write_to_it_says_nothing(truth: Path) -> None:
    with closing(sqlite3.connect(truth, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert heartbeats_if_well(truth) is None


def test_of_no_truth_it_says_nothing_and_makes_none(tmp_path: Path) -> None:
    assert heartbeats_if_well(tmp_path / "truth.db") is None
    assert list(tmp_path.iterdir()) == []
