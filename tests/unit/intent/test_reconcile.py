"""One reconciliation: it completes and beats, or it raises and emits nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from parjanya_dagster.belief.observe import observe
from parjanya_dagster.belief.snapshot import FailedRun, LiveRun, RunState, Seen
from parjanya_dagster.belief.tags import RECONCILER, RUN
from parjanya_dagster.errors import BeliefUnreadable, TruthUnavailable
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.intent.plan import Plan, Request
from parjanya_dagster.intent.reconcile import MOST_EXPIRED_RUNS, Reconciled, reconcile
from parjanya_dagster.lanes import EMBEDDED
from parjanya_dagster.truth.sql import SqlStore, open_store
from parjanya_dagster.truth.stages import STAGES
from tests.support.clock import Clock
from tests.support.world import NOON, arrive, claim


@dataclass
class Runs:
    """Belief as a list of runs, which can be made unreadable."""

    clock: Clock
    runs: list[LiveRun] = field(default_factory=list)
    keys: tuple[str, ...] = ()
    expired: list[str] = field(default_factory=list)
    failed: tuple[FailedRun, ...] = ()
    broken: bool = False
    unyielding: set[str] = field(default_factory=set)

    def read(self, now: float) -> Seen:
        if self.broken:
            raise BeliefUnreadable
        return Seen(keys=self.keys, runs=tuple(self.runs), failed=self.failed)

    def expire(self, run_id: str, reason: str) -> bool:
        if run_id in self.unyielding:
            raise BeliefUnreadable
        self.expired.append(run_id)
        return True

    def live(self, *keys: str, run_id: str = "r1", age: float = 0.0) -> None:
        self.runs.append(
            LiveRun(
                run_id=run_id,
                job="j",
                state=RunState.STARTED,
                keys=keys,
                stages=STAGES,
                since=self.clock() - age,
                requested=True,
            )
        )


@pytest.fixture
def store(empty_truth: Path, tmp_path: Path) -> Iterator[SqlStore]:
    shutil.copy(empty_truth, tmp_path / "truth.db")
    store = open_store(f"sqlite:///{tmp_path / 'truth.db'}", migrating=True)
    yield store
    store.close()


@pytest.fixture
def belief(clock: Clock) -> Runs:
    return Runs(clock)


def tick(store: SqlStore, belief: Runs) -> Reconciled:
    return reconcile(store, belief, EMBEDDED, Limits(), belief.clock)


def test_a_completed_reconciliation_beats(store: SqlStore, belief: Runs) -> None:
    arrive(store, 3)
    done = tick(store, belief)
    beat = store.heartbeats()[RECONCILER]
    assert (beat.at, beat.payload["due_rows"], beat.payload["requests"]) == (NOON, 3, 1)
    assert beat.payload["generation"] == done.generation


def test_a_run_that_died_with_rows_in_its_hands_is_remembered_after_its_leases_ran_out(
    store: SqlStore, belief: Runs
) -> None:
    arrive(store, 2)
    claim(store, limit=1, owner="r1")
    belief.failed = tuple(
        FailedRun(run_id=run_id, job="j", keys=(), at=NOON) for run_id in ("r1", "r2")
    )
    for seconds in (1.0, 600.0):
        belief.clock.now = NOON + seconds
        tick(store, belief)
        seen = observe(store, belief, belief.clock())
        assert {run.run_id: run.held_rows for run in seen.failed} == {"r1": True, "r2": False}
    belief.failed = ()
    tick(store, belief)
    last = store.reconciliation()
    assert last is not None
    assert last.heard == {}


def test_rows_whose_lease_ran_out_are_looked_at_again(store: SqlStore, belief: Runs) -> None:
    """What was seen to be due just before has them. They may have failed since, for that."""
    arrive(store, 1)
    for _ in range(store.rules.max_attempts):
        store.expire_leases(belief.clock())
        belief.clock.now += 20_000.0
        assert claim(store, now=belief.clock(), lease=100.0)
        belief.clock.now += 100.0
    due = store.due(belief.clock())
    assert [one.rows for one in due] == [1]
    done = reconcile(store, belief, EMBEDDED, Limits(), belief.clock, due=due)
    assert (done.expired_leases, done.plan.due_rows) == (1, 0)


@pytest.fixture
def looks(store: SqlStore, belief: Runs, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When rows of the far future were looked for."""
    times: list[float] = []
    look = store.due_later
    monkeypatch.setattr(store, "due_later", lambda *a: times.append(belief.clock()) or look(*a))
    return times


def test_rows_of_the_far_future_are_looked_for_once_in_ten_minutes(
    store: SqlStore, belief: Runs, looks: list[float]
) -> None:
    for seconds in (0.0, 200.0, 400.0, 600.0, 800.0):
        belief.clock.now = NOON + seconds
        tick(store, belief)
    assert looks == [NOON, NOON + 600.0]


def test_a_pass_over_the_turn_of_ten_minutes_looks_too(
    store: SqlStore, belief: Runs, looks: list[float]
) -> None:

    def slow(plan: Plan) -> tuple[Request, ...]:
        belief.clock.now += 1.0
        return plan.requests

    for seconds in (0.0, 594.5, 599.5, 604.5):
        belief.clock.now = NOON + seconds
        reconcile(store, belief, EMBEDDED, Limits(), belief.clock, choose=slow)
    assert looks == [NOON + 1.0, NOON + 600.5]


def test_of_a_run_that_failed_leases_are_read_anew(
    store: SqlStore, belief: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hands its rows back as it fails: leases of a moment ago would say that it held them."""
    read = store.leases
    seen = {"r1": NOON + 600.0}
    monkeypatch.setattr(
        store, "leases", lambda now, *, anew=False: read(now, anew=anew) if anew else seen
    )
    belief.failed = (FailedRun(run_id="r1", job="j", keys=(), at=NOON),)
    (failed,) = observe(store, belief, NOON).failed
    assert not failed.held_rows


def test_rows_of_the_far_future_are_made_due(store: SqlStore, belief: Runs) -> None:
    (image,) = arrive(store, 1, now=NOON + 30 * 86_400.0)
    tick(store, belief)
    found = store.get(image)
    assert found is not None
    assert found.due_at == NOON


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
    for operation in (
        *("expire_leases", "due", "leases", "stale_manifests", "tenants", "heartbeats"),
        *("paces", "preflights", "reconciliation"),
    ):
        with monkeypatch.context() as patch:

            def away(*_: object) -> None:
                raise TruthUnavailable

            patch.setattr(store, operation, away)
            with pytest.raises(TruthUnavailable):
                tick(store, belief)
    assert RECONCILER not in store.heartbeats()
    assert store.reconciliation() is None


def test_generations_grow_even_when_the_last_one_is_lost_or_the_clock_goes_back(
    store: SqlStore, belief: Runs
) -> None:
    """A run key that Dagster has seen is dropped without a word: it must never come again."""
    first = tick(store, belief).generation
    belief.clock.pass_by(-3600)
    second = tick(store, belief).generation
    fresh = open_store("sqlite://", migrating=True)
    belief.clock.pass_by(7200)
    third = tick(fresh, belief).generation
    fresh.close()
    assert first < second < third


def test_what_it_knows_is_recorded_and_not_in_its_heartbeat(store: SqlStore, belief: Runs) -> None:
    arrive(store, 3)
    first = tick(store, belief)
    store.forget([RECONCILER])
    belief.clock.pass_by(5)
    second = tick(store, belief)
    last = store.reconciliation()
    assert last is not None
    assert second.generation == last.generation == first.generation + 5
    assert (last.at, last.watching_since) == (NOON + 5, NOON)
    assert (last.totals["reconciliations"], last.totals["emitted|embedded"]) == (2, 2)


def test_a_run_whose_sign_of_life_was_deleted_is_judged_by_the_last_that_was_heard(
    store: SqlStore, belief: Runs
) -> None:
    """It began long ago and holds no lease: without its sign it would be taken for dead at once."""
    tick(store, belief)
    belief.live("acme/2025-10-09/001", age=3600)
    for _ in range(20):
        belief.clock.pass_by(30)
        store.beat(f"{RUN}:r1", belief.clock(), {"stage": "validated", "phase": "working"})
        tick(store, belief)
        store.forget(list(store.heartbeats(RUN)))
    for _ in range(4):
        belief.clock.pass_by(30)
        assert tick(store, belief).plan.dead == ()
    belief.clock.pass_by(30)
    (dead,) = tick(store, belief).plan.dead
    assert dead.reason.startswith("no sign of life from validated for 150 s")


def test_dead_runs_are_expired_and_one_that_cannot_be_does_not_stop_the_tick(
    store: SqlStore, belief: Runs
) -> None:
    ids = arrive(store, 3)
    row = store.get(ids[0])
    assert row is not None
    tick(store, belief)
    for one in ("r1", "r2"):
        belief.live(row.batch, run_id=one, age=1e6)
    belief.unyielding = {"r1"}
    for _ in range(20):  # somebody must have listened for as long as a start may take
        belief.clock.pass_by(30)
        done = tick(store, belief)
    assert set(belief.expired) == {"r2"}
    assert [request.keys for request in done.plan.requests] == [(row.batch,)]


def test_expiring_runs_is_bounded(store: SqlStore, belief: Runs) -> None:
    tick(store, belief)
    for n in range(100):
        belief.live("acme/2025-10-09/001", run_id=f"r{n}", age=1e6)
    for _ in range(10):
        belief.clock.pass_by(30)
        assert tick(store, belief).expired_runs == 0
    belief.clock.pass_by(30)
    assert tick(store, belief).expired_runs == MOST_EXPIRED_RUNS


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
    assert (done.expired_leases, done.plan.due_rows) == (2, 2)
    assert len(done.plan.requests) == 1
