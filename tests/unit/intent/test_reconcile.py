"""One reconciliation: it completes and beats, or it raises and emits nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from parjanya_dagster.belief.observe import observe
from parjanya_dagster.belief.snapshot import LiveRun, RunState, Seen
from parjanya_dagster.belief.tags import RECONCILER, RUN
from parjanya_dagster.errors import BeliefUnreadable, TruthUnavailable
from parjanya_dagster.intent.plan import Limits
from parjanya_dagster.intent.reconcile import MOST_BURIED, Reconciled, reconcile
from parjanya_dagster.lanes import EMBEDDED
from parjanya_dagster.truth.sql import SqlStore, open_store
from parjanya_dagster.truth.stages import STAGES
from tests.contract.world import NOON, arrive, claim
from tests.unit.conftest import Clock


@dataclass
class Runs:
    """Belief as a list of runs, which can be made unreadable."""

    clock: Clock
    runs: list[LiveRun] = field(default_factory=list)
    keys: tuple[str, ...] = ()
    buried: list[str] = field(default_factory=list)
    broken: bool = False
    unburiable: set[str] = field(default_factory=set)

    def read(self, now: float) -> Seen:
        if self.broken:
            raise BeliefUnreadable
        return Seen(self.keys, tuple(self.runs), ())

    def bury(self, run_id: str, reason: str) -> bool:
        if run_id in self.unburiable:
            raise BeliefUnreadable
        self.buried.append(run_id)
        return True

    def live(self, *keys: str, run_id: str = "r1", age: float = 0.0) -> None:
        self.runs.append(
            LiveRun(run_id, "j", RunState.STARTED, keys, STAGES, self.clock() - age, True)
        )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = open_store(f"sqlite:///{tmp_path / 'truth.db'}")
    yield store
    store.close()


@pytest.fixture
def belief(clock: Clock) -> Runs:
    return Runs(clock)


def tick(store: SqlStore, belief: Runs) -> Reconciled:
    return reconcile(
        store,
        lambda now: observe(store, belief, now),
        belief.bury,
        EMBEDDED,
        Limits(),
        belief.clock,
    )


def test_a_completed_reconciliation_beats(store: SqlStore, belief: Runs) -> None:
    arrive(store, 3)
    done = tick(store, belief)
    beat = store.heartbeats()[RECONCILER]
    assert (beat.at, beat.payload["due_rows"], beat.payload["requests"]) == (NOON, 3, 1)
    assert beat.payload["generation"] == done.generation


def test_belief_that_cannot_be_read_is_never_empty(store: SqlStore, belief: Runs) -> None:
    """The tick fails, nothing is emitted, and the heartbeat goes stale."""
    arrive(store, 3)
    tick(store, belief)
    belief.broken = True
    belief.clock.pass_by(5)
    with pytest.raises(BeliefUnreadable):
        tick(store, belief)
    assert store.heartbeats()[RECONCILER].at == NOON


def test_truth_that_cannot_be_read_fails_the_tick(
    store: SqlStore, belief: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(store, 3)
    for operation in ("expire_leases", "due", "leases", "stale_manifests", "tenants", "heartbeats"):
        with monkeypatch.context() as patch:

            def away(*_: object) -> None:
                raise TruthUnavailable

            patch.setattr(store, operation, away)
            with pytest.raises(TruthUnavailable):
                tick(store, belief)
    assert RECONCILER not in store.heartbeats()


def test_generations_grow_even_when_the_heartbeat_is_lost_or_the_clock_goes_back(
    store: SqlStore, belief: Runs
) -> None:
    """A run key that Dagster has seen is dropped without a word: it must never come again."""
    first = tick(store, belief).generation
    belief.clock.pass_by(-3600)
    second = tick(store, belief).generation
    store.forget([RECONCILER])
    belief.clock.pass_by(7200)
    third = tick(store, belief).generation
    assert first < second < third


def test_the_dead_are_buried_and_one_that_cannot_be_does_not_stop_the_tick(
    store: SqlStore, belief: Runs
) -> None:
    ids = arrive(store, 3)
    row = store.get(ids[0])
    assert row is not None
    tick(store, belief)
    for one in ("r1", "r2"):
        belief.live(row.batch, run_id=one, age=1e6)
    belief.unburiable = {"r1"}
    for _ in range(20):  # somebody must have listened for as long as a start may take
        belief.clock.pass_by(30)
        done = tick(store, belief)
    assert set(belief.buried) == {"r2"}
    assert [request.keys for request in done.plan.requests] == [(row.batch,)]


def test_burying_is_bounded(store: SqlStore, belief: Runs) -> None:
    tick(store, belief)
    for n in range(100):
        belief.live("acme/2025-10-09/001", run_id=f"r{n}", age=1e6)
    for _ in range(10):
        belief.clock.pass_by(30)
        assert tick(store, belief).buried == 0
    belief.clock.pass_by(30)
    assert tick(store, belief).buried == MOST_BURIED


def test_after_a_blind_hour_no_run_is_dead_for_its_silence(store: SqlStore, belief: Runs) -> None:
    """Neither could the runs write while Truth was away, nor was anybody there to listen."""
    tick(store, belief)
    belief.live("acme/2025-10-09/001")
    store.beat(f"{RUN}:r1", NOON, {"stage": "validated", "phase": "working"})
    belief.clock.pass_by(3600)
    assert tick(store, belief).plan.dead == ()
    store.beat(f"{RUN}:r1", belief.clock(), {"stage": "validated", "phase": "working"})
    for _ in range(2):
        belief.clock.pass_by(50)
        assert tick(store, belief).plan.dead == ()
    belief.clock.pass_by(50)
    assert [one.run_id for one in tick(store, belief).plan.dead] == ["r1"]


def test_signs_of_runs_that_ended_are_forgotten(store: SqlStore, belief: Runs) -> None:
    belief.live("acme/2025-10-09/001", run_id="alive")
    for one in ("alive", "ended"):
        store.beat(f"{RUN}:{one}", NOON, {"stage": "scored", "phase": "left"})
    tick(store, belief)
    assert set(store.heartbeats(RUN)) == {f"{RUN}:alive"}


def test_rows_of_a_dead_worker_are_freed_by_the_tick(store: SqlStore, belief: Runs) -> None:
    arrive(store, 2)
    assert len(claim(store, owner="dead", lease=60)) == 2
    assert tick(store, belief).plan.requests == ()
    belief.clock.pass_by(61)
    done = tick(store, belief)
    assert (done.lapsed, done.plan.due_rows) == (2, 2)
    assert len(done.plan.requests) == 1
