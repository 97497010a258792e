"""Patience: a wait lasts while something moves, and ends with the log."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.support.clock import Clock
from tests.support.waiting import wait_until

HOUR = 3600.0


def wait(clock: Clock, true: Callable[[], object], **more: object) -> float:
    """Wait by the injected clock. Returns how long it took."""
    began = clock()
    wait_until(true, "it is done", clock=clock, sleep=clock.pass_by, pause=1.0, **more)  # type: ignore[arg-type]
    return clock() - began


def test_a_slow_thing_is_waited_for_while_it_moves(clock: Clock) -> None:
    done = clock() + HOUR
    assert wait(clock, lambda: clock() >= done, moves=clock, still=60.0, cap=2 * HOUR) == HOUR


def test_a_thing_that_stands_still_is_given_up_with_its_log(clock: Clock) -> None:
    stops = clock() + 300
    with pytest.raises(AssertionError, match=r"nothing moved for 60 s.\nthe last line"):
        wait(clock, lambda: False, moves=lambda: min(clock(), stops), still=60.0,
             log=lambda: "the last line")  # fmt: skip
    assert stops + 60 < clock() < stops + 70


def test_a_thing_that_moves_for_ever_is_given_up_in_the_end(clock: Clock) -> None:
    with pytest.raises(AssertionError, match="not so after 3600 s"):
        wait(clock, lambda: False, moves=clock, cap=HOUR)


@pytest.mark.parametrize(("takes", "rests"), [(0.1, 1.0), (0.2, 1.8), (30.0, 2.0)])
def test_what_is_dear_to_ask_is_asked_more_seldom(clock: Clock, takes: float, rests: float) -> None:
    asked: list[float] = []

    def dear() -> bool:
        asked.append(clock())
        clock.pass_by(takes)
        return len(asked) == 3

    wait(clock, dear)
    assert [b - a for a, b in pairwise(asked)] == pytest.approx([takes + rests] * 2)


def test_nobody_waits_for_the_dead(clock: Clock) -> None:
    with pytest.raises(AssertionError, match="has died"):
        wait(clock, lambda: False, died=lambda: clock() > 0)


def test_what_was_done_just_before_the_end_counts(clock: Clock) -> None:
    answers = iter([False, True])
    assert wait(clock, lambda: next(answers), died=lambda: True) == 0
