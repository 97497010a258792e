"""The process of a run says that it lives, and ends itself where it hangs."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from parjanya_dagster.belief.snapshot import Phase
from parjanya_dagster.belief.tags import RUN
from parjanya_dagster.errors import TruthUnavailable
from parjanya_dagster.execution.heartbeat import BRIEF, RunHeartbeat, Told, note_pace
from parjanya_dagster.execution.worker import Tally
from parjanya_dagster.truth.outcomes import Claim, Outcome, Retry
from parjanya_dagster.truth.sql import SqlStore, open_store
from tests.support.clock import Clock
from tests.support.world import NOON, arrive, claim


@pytest.fixture
def store(empty_truth: Path, tmp_path: Path) -> Iterator[SqlStore]:
    shutil.copy(empty_truth, tmp_path / "truth.db")
    store = open_store(f"sqlite:///{tmp_path / 'truth.db'}", migrating=True)
    yield store
    store.close()


class Trying:
    """Work that yields an outcome for each claim."""

    stage = "validated"
    load_seconds = 0.0

    def prepare(self) -> None: ...

    def work(self, claims: Sequence[Claim]) -> Iterator[tuple[Claim, Outcome]]:
        for one in claims:
            yield one, Retry("away")


def signs(store: Any, clock: Clock, **options: Any) -> RunHeartbeat:
    return RunHeartbeat(
        store, "r1", "validated", clock, **{"silence": 120.0, "stall": 600.0, **options}
    )


def said(store: SqlStore) -> Mapping[str, Any]:
    return store.heartbeats(RUN)[f"{RUN}:r1"].payload


class Phases:
    """Listens to signs of life: the phases that they tell."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.finishing = threading.Event()

    def beat(self, name: str, now: float, payload: Mapping[str, Any]) -> None:
        self.told.append(payload["phase"])
        if payload["phase"] == Phase.FINISHING:
            self.finishing.set()


def test_a_sign_is_given_at_once_and_the_phases_follow(clock: Clock) -> None:
    phases = Phases()
    with signs(phases, clock, brief=0.0) as given:
        assert phases.told == [Phase.WORKING]
        given.finishing()
        assert phases.finishing.wait(600)
    assert phases.told[-1] == Phase.LEFT


def test_finishing_that_is_over_at_once_is_not_told(clock: Clock) -> None:
    phases = Phases()
    with signs(phases, clock, brief=600.0) as given:
        given.finishing()
    assert phases.told == [Phase.WORKING, Phase.LEFT]


def test_stages_that_are_brief_share_a_sign(clock: Clock) -> None:
    phases, told = Phases(), Told()
    with signs(phases, clock, told=told, then="enriched"):
        pass
    with signs(phases, clock, told=told):
        assert phases.told == [Phase.WORKING], "it was told a moment ago"
    assert phases.told == [Phase.WORKING, Phase.LEFT], "no other stage tells of its end"


def test_a_stage_that_lasts_tells_of_its_beginning_and_of_its_end(clock: Clock) -> None:
    phases, told = Phases(), Told()
    with signs(phases, clock, told=told, then="enriched"):
        clock.pass_by(BRIEF)
    assert phases.told == [Phase.WORKING, Phase.LEFT]
    clock.pass_by(BRIEF)
    with signs(phases, clock, told=told, then="scored"):
        assert phases.told[2:] == [Phase.WORKING]


def test_what_was_put_off_is_told_where_the_stage_lasts(clock: Clock) -> None:
    phases = Phases()
    with signs(phases, clock, told=Told(at=clock()), brief=0.01) as given:
        assert phases.told == []
        given.finishing()
        assert phases.finishing.wait(600)


def test_a_stage_that_fails_tells_of_its_end(clock: Clock) -> None:
    phases = Phases()
    with pytest.raises(KeyboardInterrupt), signs(phases, clock, then="enriched"):
        raise KeyboardInterrupt
    assert phases.told == [Phase.WORKING, Phase.LEFT]


def test_a_sign_that_was_not_written_is_given_again(clock: Clock) -> None:
    class Away:
        def beat(self, *_: object) -> None:
            raise TruthUnavailable

    phases, told = Phases(), Told()
    with signs(Away(), clock, told=told, then="enriched"):
        pass
    with signs(phases, clock, told=told):
        assert phases.told == [Phase.WORKING]


def test_signs_go_on_beside_the_work(store: SqlStore, clock: Clock) -> None:
    beaten = threading.Event()

    class Listening:
        def beat(self, name: str, now: float, payload: Mapping[str, Any]) -> None:
            store.beat(name, now, payload)
            if threading.current_thread().name == "heartbeat":
                beaten.set()

    with signs(Listening(), clock, silence=0.01):
        assert beaten.wait(600)


def test_each_outcome_is_progress(store: SqlStore, clock: Clock) -> None:
    arrive(store, 2)
    with signs(store, clock) as given:
        for _ in given.over(Trying()).work(claim(store)):
            clock.pass_by(10)
        given.beat()
        assert said(store)["progress_at"] == NOON + 10


def test_a_run_that_hangs_ends_itself(store: SqlStore, clock: Clock) -> None:
    ended: list[bool] = []
    with signs(store, clock, end=lambda: ended.append(True)) as given:
        clock.pass_by(600)
        given.watch()
        assert not ended
        clock.pass_by(1)
        given.watch()
        assert ended


def test_a_truth_that_does_not_answer_is_not_the_runs_death(clock: Clock) -> None:
    class Away:
        def beat(self, *_: object) -> None:
            raise TruthUnavailable

    with signs(Away(), clock) as given:
        given.beat()


def test_seconds_per_row_follow_what_is_measured(store: SqlStore) -> None:
    def tally(rows: int, seconds: float) -> Tally:
        done = Tally(image_seconds=seconds * 0.8, commit_seconds=seconds * 0.2)
        for _ in range(rows):
            done.count("b", "completed")
        return done

    def known() -> float:
        return store.paces()["scored"].seconds_per_row

    note_pace(store, "scored", tally(4, 40.0), NOON)
    assert store.paces() == {}, "four rows say little"
    note_pace(store, "scored", tally(10, 10.0), NOON)
    assert known() == pytest.approx(1.0)
    note_pace(store, "scored", tally(10, 20.0), NOON)
    assert known() == pytest.approx(1.3)
