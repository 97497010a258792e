"""Long questions are answered once, tell how far they are, and are given up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from parjanya_dagster.errors import RegradeInvalid
from parjanya_dagster.web.lookups import GIVEN_UP, KEPT, Lookups
from tests.support.clock import Clock

LONG = 60.0  # seconds that only a failure takes


@pytest.fixture
def lookups(clock: Clock) -> Iterator[Lookups]:
    made = Lookups(clock, patience=0.0)
    yield made
    made.close()


class Question:
    """A question whose answer comes when the test says so."""

    def __init__(self) -> None:
        self.times = 0
        self.reached, self.go_on, self.ended = (threading.Event() for _ in range(3))

    def __call__(self, hear: Callable[[int, int], None]) -> Mapping[str, Any]:
        self.times += 1
        try:
            hear(3, 8)
            self.reached.set()
            assert self.go_on.wait(LONG)
            hear(4, 8)
            return {"times": self.times}
        finally:
            self.ended.set()


def test_many_who_ask_get_one_answer_and_hear_how_far_it_is(clock: Clock) -> None:
    lookups, question = Lookups(clock, patience=LONG), Question()
    impatient = Lookups(clock, patience=0.0)
    impatient._known = lookups._known  # the same questions, without waiting
    impatient.look("a", question)
    assert question.reached.wait(LONG)
    looked = impatient.look("a", question)
    assert (looked.done, looked.of, looked.body) == (3, 8, None)
    question.go_on.set()
    assert lookups.look("a", question).body == {"times": 1}
    clock.pass_by(KEPT + 1)
    assert lookups.look("a", question).body == {"times": 2}, "an old answer is made anew"
    for one in (lookups, impatient):
        one.close()


def test_an_answer_that_nobody_waits_for_is_given_up(lookups: Lookups, clock: Clock) -> None:
    question = Question()
    lookups.look("a", question)
    assert question.reached.wait(LONG)
    clock.pass_by(GIVEN_UP + 1)
    question.go_on.set()
    assert question.ended.wait(LONG)
    assert question.times == 1
    again = Lookups(clock, patience=LONG)
    again._known = lookups._known
    assert again.look("a", lambda hear: {"asked": "again"}).body == {"asked": "again"}
    again.close()


def test_what_went_wrong_is_told_and_asked_again(clock: Clock) -> None:
    lookups = Lookups(clock, patience=LONG)

    def wrong(hear: Callable[[int, int], None]) -> Mapping[str, Any]:
        raise RegradeInvalid("It cannot be.")

    with pytest.raises(RegradeInvalid, match="cannot be"):
        lookups.look("a", wrong)
    assert lookups.look("a", lambda hear: {"fine": True}).body == {"fine": True}
    lookups.close()
