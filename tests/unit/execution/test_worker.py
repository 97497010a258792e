"""The worker's loop: every claim gets an outcome or is handed back, and time is only injected."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from parjanya_dagster.errors import TruthUnavailable
from parjanya_dagster.execution import kept as kept_module
from parjanya_dagster.execution.kept import Kept, Lease, first_pause
from parjanya_dagster.execution.worker import Pace, work_off
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.holders import LONG
from parjanya_dagster.truth.outcomes import (
    Claim,
    Committed,
    Outcome,
    Retry,
    TerminalFailure,
)
from parjanya_dagster.truth.records import Holder
from parjanya_dagster.truth.store import Store
from tests.support import world
from tests.support.clock import NOON, Clock

Step = Callable[[int, Claim], Outcome | None]


@dataclass
class Work:
    """A stage whose outcomes a test chooses: None forgets the claim."""

    step: Step = lambda _, claim: world.completed(claim)
    load_seconds: ClassVar[float] = 0.0
    stage: str = "validated"
    seen: list[int] = field(default_factory=list)  # sizes of the claims that came

    def prepare(self) -> None:
        return

    def work(self, claims: Sequence[Claim]) -> Iterator[tuple[Claim, Outcome]]:
        self.seen.append(len(claims))
        for number, claim in enumerate(claims):
            outcome = self.step(number, claim)
            if outcome is not None:
                yield claim, outcome


class Watched:
    """A store that notes the size of each commit; everything else is the real one's."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.commits: list[int] = []
        self.extended, self.extended_long = threading.Event(), threading.Event()

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        return getattr(self._store, name)

    def commit(self, outcomes, *more, **options) -> Committed:  # type: ignore[no-untyped-def]
        self.commits.append(len(outcomes))
        return self._store.commit(outcomes, *more, **options)

    def extend(self, claims, lease: float, now: float):  # type: ignore[no-untyped-def]
        try:
            return self._store.extend(claims, lease, now)
        finally:
            self.extended.set()
            if lease >= LONG:
                self.extended_long.set()


def work(store: object, stage: Work, clock: Clock, pace: Pace | None = None, **more):  # type: ignore[no-untyped-def]
    return work_off(
        store,  # type: ignore[arg-type]
        stage,
        store.batches(),  # type: ignore[attr-defined]
        owner="run-1",
        pace=pace or Pace(rows=50, seconds=5.0, lease=120.0),
        clock=clock,
        **more,
    )


def statuses(store: Store, ids: Sequence[str]) -> set[str]:
    return {world.row(store, one).pipeline_status for one in ids}


def test_all_due_rows_are_worked_in_claims_of_bounded_size(
    platform: Platform, clock: Clock
) -> None:
    ids = world.arrive(platform.store, 120)
    stage = Work()
    tally = work(platform.store, stage, clock)
    assert stage.seen == [50, 50, 20]
    assert tally.rows == 120
    assert tally.lost == 0
    assert statuses(platform.store, ids) == {"pending_vlm_enrichment"}


def test_slow_work_is_committed_as_it_is_done_and_claimed_in_smaller_bites(
    platform: Platform, clock: Clock
) -> None:
    world.arrive(platform.store, 30)
    store = Watched(platform.store)

    def two_seconds(_: int, claim: Claim) -> Outcome:
        clock.pass_by(2.0)
        return world.completed(claim)

    stage = Work(two_seconds)
    work(store, stage, clock, Pace(rows=20, seconds=5.0, lease=120.0))
    assert store.commits[:6] == [3] * 6  # every third row passes five seconds
    assert stage.seen == [20, 2, 2, 2, 2, 2]  # what takes about five seconds


def test_a_claim_may_last_several_commits_once_it_is_known_how_long_a_row_takes(
    platform: Platform, clock: Clock
) -> None:
    world.arrive(platform.store, 100)
    store = Watched(platform.store)

    def half_a_second(_: int, claim: Claim) -> Outcome:
        clock.pass_by(0.5)
        return world.completed(claim)

    stage = Work(half_a_second)
    work(store, stage, clock, Pace(rows=10, seconds=5.0, lease=120.0, intervals=4))
    assert stage.seen == [10, 40, 40, 10]  # a commit interval first, then four
    assert set(store.commits) == {10}


def test_outcomes_are_counted_by_batch_and_kind(platform: Platform, clock: Clock) -> None:
    world.arrive(platform.store, 3)
    kinds: list[Outcome] = [Retry("away"), TerminalFailure("corrupt", "It is damaged.")]
    stage = Work(lambda n, claim: kinds[n] if n < 2 else world.completed(claim))
    tally = work(platform.store, stage, clock)
    (batch,) = platform.store.batches()
    assert dict(tally.by_batch[batch]) == {"retry": 1, "failed": 1, "completed": 1}


def test_a_claim_that_the_stage_forgets_is_retried_and_costs_an_attempt(
    platform: Platform, clock: Clock
) -> None:
    ids = world.arrive(platform.store, 3)
    work(platform.store, Work(lambda n, claim: None if n == 1 else world.completed(claim)), clock)
    rows = [world.row(platform.store, one) for one in ids]
    (forgotten,) = [row for row in rows if row.pipeline_status == "pending_validation"]
    assert forgotten.lease_owner is None
    assert forgotten.attempts == 1
    assert forgotten.not_before > NOON
    assert platform.store.history(forgotten.image_id)[-1].reason == (
        "the stage gave no outcome for this image"
    )


@pytest.mark.parametrize("death", [KeyboardInterrupt, SystemExit, RuntimeError, MemoryError])
def test_what_is_held_is_handed_back_when_the_process_is_stopped(
    platform: Platform, clock: Clock, death: type[BaseException]
) -> None:
    ids = world.arrive(platform.store, 10)

    def die(number: int, claim: Claim) -> Outcome:
        clock.pass_by(3.0)  # every second outcome makes a commit
        if number == 4:
            raise death("stopped")
        return world.completed(claim)

    with pytest.raises(death):
        work(platform.store, Work(die), clock)
    rows = [world.row(platform.store, one) for one in ids]
    assert all(row.lease_owner is None and row.attempts == 0 for row in rows)
    assert [row.pipeline_status for row in rows].count("pending_vlm_enrichment") == 4
    assert world.due_rows(platform.store, clock()) == 10


def test_a_stage_that_cannot_be_prepared_fails_before_a_row_is_claimed(
    platform: Platform, clock: Clock
) -> None:
    (one,) = world.arrive(platform.store, 1)

    class Broken(Work):
        def prepare(self) -> None:
            raise OSError("the model cannot be loaded")

    with pytest.raises(OSError, match="model"):
        work(platform.store, Broken(), clock)
    assert world.row(platform.store, one).fence == 0


def test_a_worker_that_lost_its_rows_changes_nothing_and_says_so(
    platform: Platform, clock: Clock
) -> None:
    (one,) = world.arrive(platform.store, 1)

    def late(_: int, claim: Claim) -> Outcome:
        clock.pass_by(1000.0)  # the lease is over
        platform.store.expire_leases(clock())
        (again,) = world.claim(platform.store, owner="run-2", now=clock())
        assert again.row.fence > claim.row.fence
        return world.completed(claim)

    tally = work(platform.store, Work(late), clock)
    assert tally.lost == 1
    row = world.row(platform.store, one)
    assert (row.pipeline_status, row.lease_owner) == ("pending_validation", "run-2")


def test_the_leases_of_long_work_are_extended_from_beside_it(
    platform: Platform, clock: Clock
) -> None:
    (one,) = world.arrive(platform.store, 1)
    store = Watched(platform.store)

    def long(_: int, claim: Claim) -> Outcome:
        clock.pass_by(0.04)
        assert store.extended.wait(600)
        row = world.row(platform.store, one)
        assert (row.lease_until or 0) > NOON + 0.05
        return world.completed(claim)

    tally = work(store, Work(long), clock, Pace(rows=50, seconds=5.0, lease=0.05))
    assert tally.lost == 0


def test_stopping_between_claims_leaves_the_rest_due(platform: Platform, clock: Clock) -> None:
    ids = world.arrive(platform.store, 10)
    stage = Work()
    work(
        platform.store,
        stage,
        clock,
        Pace(rows=4, seconds=5.0, lease=120.0),
        stop=lambda: len(stage.seen) == 1,
    )
    rows = [world.row(platform.store, one) for one in ids]
    assert [row.pipeline_status for row in rows].count("pending_validation") == 6
    assert all(row.lease_owner is None for row in rows)


def test_a_run_with_little_to_do_takes_no_more_than_its_rows(
    platform: Platform, clock: Clock
) -> None:
    world.arrive(platform.store, 10)
    stage = Work()
    tally = work(platform.store, stage, clock, Pace(rows=4, seconds=5.0, lease=120.0), most=6)
    assert (stage.seen, tally.rows) == ([4, 2], 6)
    assert sum(due.rows for due in platform.store.due(clock(), ["validated"])) == 4


def test_a_clock_that_goes_backwards_neither_loses_rows_nor_spins(
    platform: Platform, clock: Clock
) -> None:
    ids = world.arrive(platform.store, 6)

    def back(_: int, claim: Claim) -> Outcome:
        clock.pass_by(-3600.0)
        return world.completed(claim)

    stage = Work(back)
    work(platform.store, stage, clock, Pace(rows=3, seconds=5.0, lease=120.0))
    clock.now = NOON
    work(platform.store, Work(), clock)
    assert statuses(platform.store, ids) == {"pending_vlm_enrichment"}


def test_all_rows_go_to_the_next_stage_without_being_given_back(
    platform: Platform, clock: Clock
) -> None:
    ids = world.arrive(platform.store, 7)
    kept = Kept(platform.store, "run-1", clock, 120.0)
    pace = Pace(rows=4, seconds=5.0, lease=120.0)
    work(platform.store, Work(), clock, pace, kept=kept, keeps=True)
    rows = [world.row(platform.store, one) for one in ids]
    assert {row.lease_owner for row in rows} == {"run-1"}
    assert {row.lease_until for row in rows} == {NOON + LONG}
    assert platform.store.leases(clock()) == {"run-1": NOON + 120.0}
    following = Work(stage="enriched")
    work(platform.store, following, clock, pace, kept=kept)
    assert following.seen == [4, 3]  # no more at once than it would claim
    assert statuses(platform.store, ids) == {"pending_iqa"}
    assert {world.row(platform.store, one).fence for one in ids} == {2}
    kept.give_back()


def test_what_fits_one_claim_is_kept_without_a_record(platform: Platform, clock: Clock) -> None:
    ids = world.arrive(platform.store, 3)
    kept = Kept(platform.store, "run-1", clock, 120.0)
    work(platform.store, Work(), clock, kept=kept, keeps=True)
    assert platform.store.holders() == {}
    assert {world.row(platform.store, one).lease_until for one in ids} == {NOON + 120.0}


def test_where_nothing_waits_beside_kept_rows_nothing_is_claimed(
    platform: Platform, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = world.arrive(platform.store, 3)
    kept = Kept(platform.store, "run-1", clock, 120.0)
    work(platform.store, Work(), clock, kept=kept, keeps=True)
    asked: list[str] = []
    real = platform.store.claim
    monkeypatch.setattr(platform.store, "claim", lambda *a: asked.append(a[0].stage) or real(*a))
    work(platform.store, Work(stage="enriched"), clock, kept=kept, keeps=True)
    assert (asked, statuses(platform.store, ids)) == ([], {"pending_iqa"})
    work(platform.store, Work(stage="scored"), clock, kept=kept)
    assert asked == ["scored"], "of the last stage nobody has asked"


def test_kept_rows_come_before_what_waits_beside_them(platform: Platform, clock: Clock) -> None:
    world.arrive(platform.store, 3)
    kept = Kept(platform.store, "run-1", clock, 120.0)
    work(platform.store, Work(), clock, kept=kept, keeps=True)
    world.arrive(platform.store, 5)  # two more, validated by somebody else
    world.commit(platform.store, world.claim(platform.store))
    enriched = Work(stage="enriched")
    work(platform.store, enriched, clock, kept=kept, keeps=True)
    assert enriched.seen == [3, 2]
    assert len(kept.take("scored", 50)) == 5


def test_no_more_than_about_a_batch_is_kept(
    platform: Platform, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_module, "MOST", 4)
    ids = world.arrive(platform.store, 10)
    kept = Kept(platform.store, "run-1", clock, 120.0)
    pace = Pace(rows=4, seconds=5.0, lease=120.0)
    work(platform.store, Work(), clock, pace, kept=kept, keeps=True)
    owners = [world.row(platform.store, one).lease_owner for one in ids]
    assert owners == ["run-1"] * 4 + [None] * 6


def test_a_process_that_dies_makes_suspects_only_of_what_it_works_on(
    platform: Platform, clock: Clock
) -> None:
    ids = world.arrive(platform.store, 9)
    kept = Kept(platform.store, "run-1", clock, 120.0)
    pace = Pace(rows=3, seconds=5.0, lease=120.0)

    class Killed(BaseException):
        pass

    def dies(_: int, claim: Claim) -> Outcome:
        if len(enriched.seen) == 2:
            raise Killed
        return world.completed(claim)

    enriched = Work(dies, stage="enriched")

    work(platform.store, Work(), clock, pace, kept=kept, keeps=True)
    gone = platform.store.release
    platform.store.release = lambda *_: 0  # type: ignore[method-assign]
    with pytest.raises(Killed):
        work(platform.store, enriched, clock, pace, kept=kept, keeps=True)
    platform.store.release = gone  # type: ignore[method-assign]
    kept._stop()
    clock.pass_by(121.0)
    assert platform.store.expire_leases(clock()) == 9
    suspects = [one for one in ids if world.row(platform.store, one).suspect]
    assert suspects == ids[3:6]


def test_a_record_stays_where_rows_could_not_be_handed_back(
    platform: Platform, clock: Clock
) -> None:
    """They are freed when it ends, and would wait for their own leases without it."""
    world.arrive(platform.store, 7)
    store = Watched(platform.store)

    def away(*_: object) -> int:
        raise TruthUnavailable("It is away.")

    kept = Kept(store, "run-1", clock, 120.0)  # type: ignore[arg-type]
    pace = Pace(rows=4, seconds=5.0, lease=120.0)
    work(store, Work(), clock, pace, kept=kept, keeps=True)
    store.release = away  # type: ignore[attr-defined]
    kept.give_back()
    assert store.holders().keys() == {"run-1"}
    assert platform.store.expire_leases(clock() + 120.0) == 7


def test_a_process_whose_record_is_over_leases_for_no_longer_than_others(
    platform: Platform, clock: Clock
) -> None:
    """It hung, and its record may be dropped. If it dies before it writes it again, its rows would
    wait for half an hour."""
    kept = Kept(platform.store, "run-1", clock, 120.0)
    kept.announce()
    assert kept.lease == LONG
    clock.pass_by(120.0)
    assert kept.lease == 120.0
    kept.announce()
    assert kept.lease == LONG
    kept.give_back()


@pytest.mark.parametrize("answered", [True, False])
def test_a_record_that_is_left_names_what_its_process_works_on_later(
    platform: Platform, clock: Clock, answered: bool
) -> None:
    """Also one whose answer was lost. Else what a process dies of would count as untouched."""
    (one,) = world.arrive(platform.store, 1)
    store = Watched(platform.store)

    def lost(holder: Holder) -> None:
        platform.store.note_holder(holder)
        if not answered:
            raise TruthUnavailable("The answer is lost.")

    kept = Kept(store, "run-1", clock, 120.0)  # type: ignore[arg-type]
    store.note_holder = lost  # type: ignore[attr-defined]
    assert kept.beat()
    assert kept.lease == (LONG if answered else 120.0)
    kept.give_back()
    del store.note_holder  # type: ignore[attr-defined]
    claims = world.claim(store, owner="run-1", now=clock())  # type: ignore[arg-type]
    with kept.working_on(claims):
        kept._stop()
        clock.pass_by(120.0)
        assert platform.store.expire_leases(clock()) == 1
    assert world.row(platform.store, one).suspect


def test_a_suspect_takes_nothing_along_that_was_done_before_it(
    platform: Platform, clock: Clock
) -> None:
    """Suspects come alone, one after the other. What is kept of them is not in the hand of a
    process that dies of the next one."""
    ids = world.arrive(platform.store, 3)
    world.claim(platform.store, owner="dead", now=clock())
    clock.pass_by(121.0)
    assert platform.store.expire_leases(clock()) == 3

    class Killed(BaseException):
        pass

    def dies(_: int, claim: Claim) -> Outcome:
        if len(guilty.seen) == 3:
            raise Killed
        return world.completed(claim)

    guilty = Work(dies)
    kept = Kept(platform.store, "run-1", clock, 120.0)
    gone = platform.store.release
    platform.store.release = lambda *_: 0  # type: ignore[method-assign]
    with pytest.raises(Killed):
        work(platform.store, guilty, clock, kept=kept, keeps=True)
    platform.store.release = gone  # type: ignore[method-assign]
    kept._stop()
    assert guilty.seen == [1, 1, 1]
    clock.pass_by(121.0)
    assert platform.store.expire_leases(clock()) == 3
    rows = [world.row(platform.store, one) for one in ids]
    assert [(row.pipeline_status, row.suspect) for row in rows] == [
        ("pending_vlm_enrichment", False),
        ("pending_vlm_enrichment", False),
        ("pending_validation", True),
    ]


def test_rows_of_a_claim_whose_answer_is_lost_do_not_wait_for_long_leases(
    platform: Platform, clock: Clock
) -> None:
    """Its process does not know of them. Their record is left to run out."""
    world.arrive(platform.store, 4)
    store = Watched(platform.store)
    kept = Kept(store, "run-1", clock, 120.0)  # type: ignore[arg-type]

    def lost(*request: Any) -> None:
        if platform.store.claim(*request)[0].row.lease_until != clock() + 120.0:
            raise TruthUnavailable("The answer is lost.")

    kept.announce()
    store.claim = lost  # type: ignore[attr-defined]
    with pytest.raises(TruthUnavailable):
        work(store, Work(), clock, kept=kept, keeps=True)
    kept.give_back()
    clock.pass_by(120.0)
    assert platform.store.expire_leases(clock()) == 4
    assert world.due_rows(platform.store, clock()) == 4


@pytest.mark.parametrize("call", ["note_holder", "get_many", "extend"])
def test_a_notice_does_not_wait_for_a_call_of_truth(
    platform: Platform, clock: Clock, call: str
) -> None:
    """A process that is told to end has seconds, and Truth may not answer for longer."""
    world.arrive(platform.store, 3)
    store = Watched(platform.store)
    kept = Kept(store, "run-1", clock, 120.0)  # type: ignore[arg-type]
    work(store, Work(), clock, kept=kept, keeps=True)
    clock.pass_by(100.0)
    called, answer, took = threading.Event(), threading.Event(), list[Claim]()

    def hangs(*request: Any) -> Any:
        said = getattr(platform.store, call)(*request)
        called.set()
        assert answer.wait(60)
        return said

    setattr(store, call, hangs)

    def goes_on() -> None:
        if call != "get_many":
            kept.beat()
        took.extend(kept.take("enriched", 50))

    busy = threading.Thread(target=goes_on, daemon=True)
    busy.start()
    assert called.wait(60)
    notice = threading.Thread(target=kept.give_back, daemon=True)
    notice.start()
    notice.join(20)
    heard = not notice.is_alive()
    answer.set()
    busy.join(60)
    notice.join(60)
    assert heard
    assert took == []
    assert world.due_rows(platform.store, clock()) == 3


def test_a_record_that_is_over_is_written_again_before_anything_is_claimed(
    platform: Platform, clock: Clock
) -> None:
    """What is claimed under it would look like the rows of a dead process."""
    world.arrive(platform.store, 1)
    kept = Kept(platform.store, "run-1", clock, 120.0)
    kept.announce()
    kept.give_back()
    clock.pass_by(120.0)
    store, freed = Watched(platform.store), list[int]()

    def claim(*request: Any) -> list[Claim]:
        claims = platform.store.claim(*request)
        freed.append(platform.store.expire_leases(clock()))
        return claims

    store.claim = claim  # type: ignore[attr-defined]
    work(store, Work(), clock, kept=kept)
    kept.give_back()
    assert freed == [0, 0]


def test_rows_that_are_kept_for_longer_get_long_leases_and_a_record(
    platform: Platform, clock: Clock
) -> None:
    (one,) = world.arrive(platform.store, 1)
    store = Watched(platform.store)
    kept = Kept(store, "run-1", clock, 0.05)  # type: ignore[arg-type]
    work(store, Work(), clock, Pace(rows=50, seconds=5.0, lease=0.05), kept=kept, keeps=True)
    assert store.extended_long.wait(600)  # work under way had its short lease extended before
    assert (world.row(platform.store, one).lease_until or 0) >= NOON + LONG
    assert store.holders().keys() == {"run-1"}
    assert [claim.stage for claim in kept.take("enriched", 50)] == ["enriched"]
    assert kept.take("enriched", 50) == []
    kept.give_back()


def test_kept_rows_are_handed_back_at_no_cost(platform: Platform, clock: Clock) -> None:
    (one,) = world.arrive(platform.store, 1)
    kept = Kept(platform.store, "run-1", clock, 120.0)
    work(platform.store, Work(), clock, kept=kept, keeps=True)
    assert kept.waits_for("enriched")
    kept.give_back()
    row = world.row(platform.store, one)
    assert (row.lease_owner, row.attempts, row.suspect) == (None, 0, False)
    assert world.due_rows(platform.store, clock()) == 1
    kept.give_back()  # nothing is left to be given back
    assert len(platform.store.history(one)) == 3


def test_rows_of_a_commit_whose_answer_is_lost_are_handed_back_at_no_cost(
    platform: Platform, clock: Clock
) -> None:
    ids = world.arrive(platform.store, 2)
    store = Watched(platform.store)

    def lost(*arguments: Any, **options: Any) -> Committed:
        platform.store.commit(*arguments, **options)
        raise TruthUnavailable("The answer is lost.")

    store.commit = lost  # type: ignore[method-assign]
    kept = Kept(store, "run-1", clock, 120.0)  # type: ignore[arg-type]
    with pytest.raises(TruthUnavailable):
        work(store, Work(), clock, kept=kept, keeps=True)
    rows = [world.row(platform.store, one) for one in ids]
    assert {(one.lease_owner, one.attempts, one.suspect) for one in rows} == {(None, 0, False)}
    assert statuses(platform.store, ids) == {"pending_vlm_enrichment"}


def test_a_lease_that_began_earlier_is_extended_before_it_has_a_third_left(
    platform: Platform,
) -> None:
    world.arrive(platform.store, 1)
    claims = world.claim(platform.store)
    ends = claims[0].row.lease_until
    assert ends is not None
    assert first_pause(claims, 120.0, ends - 120.0) == 40.0  # as every claim's
    assert first_pause(claims, 120.0, ends - 90.0) == 10.0
    assert first_pause(claims, 120.0, ends - 61.0) == 0.0
    assert first_pause(claims, 120.0, ends - 1000.0) == 40.0  # by a clock that went back


def test_a_row_in_hand_is_not_lost_to_one_call_that_is_not_answered(
    platform: Platform, clock: Clock
) -> None:
    """It was claimed before its process had a record, so its lease is short. Long ones are extended
    seldom, and the next time would come when it has run out."""
    (one,) = world.arrive(platform.store, 1)
    store = Watched(platform.store)
    kept = Kept(store, "run-1", clock, 120.0)  # type: ignore[arg-type]
    claims = world.claim(platform.store, owner="run-1", now=clock())

    def away(*_: object) -> None:
        raise TruthUnavailable("Truth does not answer.")

    kept.announce()
    lease = Lease(kept._store, claims, kept.lease, clock, 40.0)
    store.extend = away  # type: ignore[method-assign]
    at = clock() + lease.beat()
    del store.extend
    for _ in range(4):
        clock.pass_by(40.0)
        kept.beat()
        if clock() >= at:
            at = clock() + lease.beat()
        assert platform.store.expire_leases(clock()) == 0
    kept.give_back()
    assert world.row(platform.store, one).lease_owner == "run-1"
