"""The reconciler waits for hints where there are any; else it looks at the index."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from parjanya_dagster.defs.sensors.pending_rows import LOOK_AGAIN, _await_change
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.models import DueBatch
from tests.unit.conftest import NOON, Clock

BATCH = "acme/2025-10-09/001"
DUE = DueBatch(batch=BATCH, tenant="acme", stage="validated", rows=1, oldest=NOON)


class Told:
    """Hints that answer what a test says, the last answer for ever."""

    def __init__(self, *answers: frozenset[str] | None) -> None:
        self.answers = list(answers)

    def poll(self) -> frozenset[str] | None:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def looks(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the index was looked at. It holds a batch that the tick does not know of."""
    seen: list[float] = []

    def due(now: float) -> list[DueBatch]:
        seen.append(now)
        return [DUE]

    monkeypatch.setattr(platform.store, "due", due)
    return seen


def wait(platform: Platform, clock: Clock, hints: Any) -> bool:
    place = replace(platform, pause=clock.pass_by)
    place.__dict__["hints"] = hints
    return _await_change(place, [], clock() + 20.0)


def test_a_hint_ends_the_waiting(platform: Platform, clock: Clock, looks: list[float]) -> None:
    assert wait(platform, clock, Told(frozenset(), frozenset({BATCH})))
    assert clock() < NOON + LOOK_AGAIN
    assert looks == []


def test_silence_is_waited_out_and_then_everything_is_compared(
    platform: Platform, clock: Clock, looks: list[float]
) -> None:
    assert wait(platform, clock, Told(frozenset()))
    assert clock() >= NOON + LOOK_AGAIN
    assert looks == []


@pytest.mark.parametrize("hints", [None, Told(None)], ids=["none", "unreadable"])
def test_without_hints_the_index_is_looked_at(
    platform: Platform, clock: Clock, looks: list[float], hints: Any
) -> None:
    assert wait(platform, clock, hints)
    assert len(looks) == 1
