"""The reconciler waits for hints where there are any; else it looks at the index."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from parjanya_dagster.belief.tags import ALONG_TAG, LIGHT_TAG, SHARE_TAG
from parjanya_dagster.defs.sensors.pending_rows import run_request
from parjanya_dagster.intent.loop import Emission, Loop, Timing
from parjanya_dagster.lanes import SPLIT
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.models import DueBatch
from tests.support.clock import NOON, Clock
from tests.support.snapshots import Idle, batch, decide, due

BATCH = "acme/2025-10-09/001"
DUE = DueBatch(batch=BATCH, tenant="acme", stage="validated", rows=1, oldest=NOON)
TIMING = Timing()


class Told:
    """Hints that answer what a test says, the last answer for ever."""

    def __init__(self, *answers: frozenset[str] | None) -> None:
        self.answers = list(answers)

    def poll(self) -> frozenset[str] | None:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def loop(platform: Platform, clock: Clock) -> Loop:
    return replace(platform, pause=clock.pass_by).loop(Idle())


@pytest.fixture
def looks(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the index of due work was looked at."""
    seen: list[float] = []
    real = loop.store.due

    def due(*arguments: Any, **of: Any) -> list[DueBatch]:
        seen.append(arguments[0])
        return real(*arguments, **of)

    monkeypatch.setattr(loop.store, "due", due)
    return seen


def passes(loop: Loop, clock: Clock) -> list[tuple[Emission, float]]:
    """The passes of a tick, each with the second in which it was made."""
    return [(emission, clock() - NOON) for emission in loop.tick()]


def test_a_run_with_little_to_do_has_slots_of_its_own_and_a_bound() -> None:
    small, long = decide([due(batch("small"), 3), due(batch(), 900)]).requests
    light, other = run_request(small).tags, run_request(long).tags
    assert light[SHARE_TAG] != other[SHARE_TAG]
    assert int(light[LIGHT_TAG]) == small.light > 0
    assert LIGHT_TAG not in other


def test_a_run_says_how_much_it_takes_along_where_it_takes_any() -> None:
    much = due(batch(), 900, stage="enriched")
    (alone,) = decide([much], lanes=SPLIT).requests
    (both,) = decide([much, due(batch(), 3)], lanes=SPLIT).requests
    assert ALONG_TAG not in run_request(alone).tags
    assert int(run_request(both).tags[ALONG_TAG]) == both.along > 0


def test_a_hint_ends_the_waiting(loop: Loop, clock: Clock) -> None:
    told = replace(loop, hints=Told(frozenset(), frozenset({BATCH}), frozenset()))
    first, second, *_ = passes(told, clock)
    assert first[1] == 0.0
    assert second[1] == 2 * TIMING.look


def test_silence_is_waited_out_and_then_everything_is_compared(
    loop: Loop, clock: Clock, looks: list[float]
) -> None:
    made = passes(replace(loop, hints=Told(frozenset())), clock)
    assert [second for _, second in made] == [0.0, 5.0, 10.0, 15.0, 20.0]
    assert len(looks) == len(made)  # the pass decides by what was seen last


@pytest.mark.parametrize("hints", [None, Told(None)], ids=["none", "unreadable"])
def test_without_hints_the_index_is_looked_at(
    loop: Loop, clock: Clock, monkeypatch: pytest.MonkeyPatch, hints: Any
) -> None:
    """A batch comes to be due after two seconds, and is seen at once."""

    def due(now: float, **_: Any) -> list[DueBatch]:
        return [DUE] if now >= NOON + 2 else []

    monkeypatch.setattr(loop.store, "due", due)
    first, second, *_ = passes(replace(loop, hints=hints), clock)
    assert first[0].plan.due_rows == 0
    assert second[0].plan.due_rows == 1
    assert second[1] < 2 + 2 * TIMING.settle + TIMING.look
