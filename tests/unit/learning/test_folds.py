"""What is held out together, and intervals."""

from __future__ import annotations

import random

import pytest

from parjanya_dagster.learning.folds import folds
from parjanya_dagster.learning.intervals import mean_interval, share, wilson


def test_copies_and_look_alikes_are_held_out_together_in_whatever_order_they_come() -> None:
    pictures = [(f"{n:064x}", f"{random.Random(n).getrandbits(64):016x}") for n in range(60)]
    twin = f"{int(pictures[7][1], 16) ^ 0b1011:016x}"
    pictures += [pictures[3], ("f" * 64, twin), ("e" * 64, None)]  # type: ignore[list-item]
    found = dict(zip(pictures, folds(*zip(*pictures, strict=True)), strict=True))
    assert found["f" * 64, twin] == found[pictures[7]]
    assert set(found.values()) == set(range(5))
    mixed = random.Random(1).sample(pictures, len(pictures))
    assert dict(zip(mixed, folds(*zip(*mixed, strict=True)), strict=True)) == found


def test_intervals_are_those_of_the_book() -> None:
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    assert share(0, 0)["share"] is None
    mean, low, high = mean_interval([0.0, 1.0, 0.0, 1.0])
    assert (mean, low, high) == pytest.approx((0.5, -0.0658, 1.0658), abs=1e-4)
