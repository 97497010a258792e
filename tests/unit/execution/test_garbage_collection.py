"""The collector is held back inside the block, and nowhere else, whoever else has such a block."""

from __future__ import annotations

import gc

import pytest

from parjanya_dagster.execution.garbage_collection import SELDOM, seldom


def test_the_usual_thresholds_come_back_with_the_last_block() -> None:
    usual = gc.get_threshold()
    one, other = seldom(), seldom()
    one.__enter__()
    assert gc.get_threshold() == SELDOM
    other.__enter__()
    one.__exit__(None, None, None)  # another thread may end first
    assert gc.get_threshold() == SELDOM
    other.__exit__(None, None, None)
    assert gc.get_threshold() == usual
    assert gc.get_freeze_count() == 0


def test_they_come_back_where_the_work_fails() -> None:
    usual = gc.get_threshold()
    with pytest.raises(RuntimeError), seldom():
        raise RuntimeError
    assert gc.get_threshold() == usual
