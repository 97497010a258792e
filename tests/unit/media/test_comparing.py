"""Comparisons in the children of a pool: the same answers, and none is lost with a child."""

from __future__ import annotations

import base64
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import maximum_filter, minimum_filter

from parjanya_dagster.media import DecoderPool, compared, compared_beside, comparing, resemblance

CELLS = 64 * 64 + 2 * 12 * 12


def pictures() -> list[comparing.Asked]:
    """Twelve images, each compared with a copy of itself among others, or with others alone."""
    rng = random.Random(5)
    drawn = [{"thumbnail": base64.b64encode(rng.randbytes(CELLS)).decode()} for _ in range(5)]
    asked: list[comparing.Asked] = []
    for n in range(12):
        one, *others = rng.sample(drawn, 4)
        if n % 3:
            others.insert(rng.randint(0, 3), {**one, "views": ["0"]})
        asked.append((one, others if n else []))
    return asked


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(2) as pool:
        pool.start()
        yield pool


@pytest.fixture(autouse=True)
def _much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "FEW", 15)
    monkeypatch.setattr(comparing, "TOGETHER", 10)


@pytest.fixture
def compared_here(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images were compared in this process, call by call."""
    counts: list[int] = []

    def counting(asked):
        counts.append(len(asked))
        return compared(asked)

    monkeypatch.setattr(comparing, "compared", counting)
    return counts


def test_children_answer_as_this_process_does_and_in_order(pool, compared_here) -> None:
    asked = pictures()
    expected = compared(asked)
    assert len({found and found[0] for found in expected}) > 3

    assert compared_beside(pool, asked) == expected
    assert compared_here == []


def test_little_work_and_a_pool_that_was_not_started_stay_here(pool, compared_here) -> None:
    few = pictures()[:4]
    assert compared_beside(pool, few) == compared(few)
    with DecoderPool(2) as idle:
        assert compared_beside(idle, pictures()) == compared(pictures())
        assert not idle.started
    assert compared_here == [4, 12]


def test_one_image_with_a_great_many_candidates_stays_here(pool, compared_here, monkeypatch):
    monkeypatch.setattr(comparing, "MOST", 20)
    asked = pictures()
    asked[7] = (asked[7][0], list(asked[7][1]) * 8)
    assert compared_beside(pool, asked) == compared(asked)
    assert compared_here == [1]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_nothing_is_lost_with_a_child(how, compared_here, monkeypatch) -> None:
    """One that was killed, and one that hangs until its time is over."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    with DecoderPool(1, deadline_s=0.1, entry="faulty_decoder:work", jailed=False) as pool:
        os.kill(pool.validate(b"say:x").body["pid"], how)
        assert compared_beside(pool, pictures()) == compared(pictures())
    assert compared_here[0] > 0


@pytest.mark.parametrize(
    "lie", [None, [], [[0, False]] * 11, [[3, False]] * 12, [[0, 1]] * 12, [[-1, True]] * 12]
)
def test_an_answer_is_not_believed_that_cannot_be_one(lie, compared_here, monkeypatch) -> None:
    monkeypatch.setattr(comparing, "TOGETHER", 10**6)
    asked = [(one, others[:3]) for one, others in pictures()]
    with DecoderPool(1) as pool:
        pool.start()
        monkeypatch.setattr(pool, "exchange", lambda *_: ({"found": lie}, []))
        assert compared_beside(pool, asked) == compared(asked)
    assert compared_here == [12]


def test_contrast_is_what_filters_of_five_by_five_find() -> None:
    cells = np.random.default_rng(2).random((48, 48)) * 255
    expected = maximum_filter(cells, 5) - minimum_filter(cells, 5)
    assert (resemblance._contrast(cells) == expected).all()
