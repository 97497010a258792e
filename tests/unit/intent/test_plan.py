"""plan(): what is due becomes runs, each row at most once, nobody starves, nothing storms."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.belief.snapshot import FailedRun, Phase, RunState, Unfit
from parjanya_dagster.intent.demand import CHARGED
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.intent.plan import row_budget
from parjanya_dagster.lanes import SPLIT
from parjanya_dagster.truth.models import DueBatch
from parjanya_dagster.truth.stages import STAGES
from tests.support.snapshots import (
    LANE,
    NOW,
    batch,
    decide,
    due,
    failed,
    pulse,
    ranges,
    run,
    succeeded,
)

PACED = {"validated": 0.1}  # a row takes 0.1 s: 2000 rows fit the 300 s of a run


def numbered(count: int, tenant: str = "acme") -> list[str]:
    return [batch(tenant, n + 1) for n in range(count)]


# --- what is covered ---------------------------------------------------------------------------


def test_nothing_due_is_nothing_to_do() -> None:
    decided = decide([])
    assert (decided.requests, decided.add_keys, decided.dead) == ((), (), ())


def test_a_batch_under_a_live_run_is_not_asked_for_again() -> None:
    decided = decide([due(batch())], runs=[run(batch())])
    assert ranges(decided) == []
    assert decided.covered == 1


def test_a_range_covers_each_of_its_keys() -> None:
    keys = numbered(5)
    decided = decide([due(key) for key in keys], runs=[run(*keys[1:4], state=RunState.QUEUED)])
    assert sorted(key for one in ranges(decided) for key in one) == [keys[0], keys[4]]


def test_what_a_queued_run_may_cover_waits_for_its_key_where_partitions_were_wiped() -> None:
    """Of its range only the ends are told: the middle would be asked for a second time."""
    first, middle, last = keys = numbered(3)
    queued = run(first, last, state=RunState.QUEUED)
    decided = decide([due(middle)], runs=[queued], keys=[])
    assert (decided.add_keys, ranges(decided)) == ((middle,), [])
    # The others' keys are no longer needed. Then nothing tells what the run covers, and it is
    # better asked for twice than never.
    assert ranges(decide([due(middle)], runs=[queued], keys=[middle])) == [(middle,)]
    everything = run(*keys, state=RunState.QUEUED)
    assert ranges(decide([due(middle)], runs=[everything], keys=keys)) == []


def test_a_run_covers_only_the_stages_it_still_has_before_it() -> None:
    """Rows whose backoff ended behind a run do not wait for its end."""
    at_scoring = run(batch(), pulse=pulse("scored"))
    behind = decide([due(batch(), stage="validated")], runs=[at_scoring])
    assert [request.stages for request in behind.requests] == [STAGES]
    assert ranges(decide([due(batch(), stage="curated")], runs=[at_scoring])) == []
    assert ranges(decide([due(batch(), stage="scored")], runs=[at_scoring])) == []


def test_a_run_that_finishes_a_stage_takes_no_more_rows_of_it() -> None:
    finishing = run(batch(), pulse=pulse("scored", phase=Phase.FINISHING))
    assert ranges(decide([due(batch(), stage="scored")], runs=[finishing])) == [(batch(),)]


def test_a_run_in_one_lane_does_not_cover_another() -> None:
    cpu, gpu = SPLIT
    busy = run(batch(), stages=cpu.stages, job=cpu.job)
    decided = decide([due(batch(), stage="enriched")], runs=[busy], lanes=SPLIT)
    assert [request.lane for request in decided.requests] == [gpu]


def test_a_run_by_hand_covers_what_it_works_on() -> None:
    by_hand = run(batch(), stages=("curated",), job="__ASSET_JOB")
    assert ranges(decide([due(batch(), stage="curated")], runs=[by_hand])) == []


# --- runs and their keys ------------------------------------------------------------------------


def test_a_run_begins_at_the_earliest_stage_that_has_work() -> None:
    decided = decide([due(batch(), stage="curated"), due(batch(), stage="scored")])
    assert [request.stages for request in decided.requests] == [("scored", "curated")]


def test_the_same_work_in_another_generation_has_another_run_key() -> None:
    """Dagster never runs a key twice, a failed one included."""
    first = decide([due(batch())], generation=1).requests[0].run_key
    second = decide([due(batch())], generation=2).requests[0].run_key
    assert first != second
    assert decide([due(batch())], generation=1).requests[0].run_key == first


def test_a_stale_manifest_is_work_for_curated_alone() -> None:
    decided = decide([], stale=[batch()], keys=[batch()])
    assert [(one.stages, one.keys, one.rows) for one in decided.requests] == [
        (("curated",), (batch(),), 0)
    ]
    covered = decide([], stale=[batch()], keys=[batch()], runs=[run(batch())])
    assert covered.requests == ()


# --- packing ------------------------------------------------------------------------------------


def test_neighbours_share_a_run_up_to_its_row_budget() -> None:
    keys = numbered(6)
    decided = decide([due(key, 1000) for key in keys], pace=PACED)
    assert sorted(ranges(decided)) == [tuple(keys[0:2]), tuple(keys[2:4]), tuple(keys[4:6])]


def test_a_gap_in_dagsters_order_splits_a_range() -> None:
    a, b, c = numbered(3)
    assert sorted(ranges(decide([due(a), due(c)], keys=[a, b, c]))) == [(a,), (c,)]


def test_a_run_has_a_bound_on_keys() -> None:
    keys = numbered(10)
    decided = decide([due(key, 1) for key in keys], limits=Limits(run_keys=4))
    assert sorted(map(len, ranges(decided))) == [2, 4, 4]


def test_a_batch_larger_than_the_budget_still_runs() -> None:
    assert ranges(decide([due(batch(), 100_000)])) == [(batch(),)]


def test_a_key_that_dagster_lacks_is_added_and_travels_alone() -> None:
    """Where it will stand in the order is not known yet, so it can be no part of a range."""
    keys = numbered(3)
    decided = decide([due(key) for key in keys], keys=keys[:1])
    assert decided.add_keys == tuple(keys[1:])
    assert sorted(ranges(decided)) == [(key,) for key in keys]


def test_a_wiped_partition_list_comes_back_in_bounded_steps() -> None:
    keys = numbered(30)
    decided = decide([due(key) for key in keys], keys=[], limits=Limits(new_keys=10))
    assert decided.add_keys == tuple(keys[:10])
    assert {key for one in ranges(decided) for key in one} <= set(keys[:10])


def test_runs_that_ended_are_not_searched_for_each_batch() -> None:
    """With 10,000 batches and 400 remembered runs that would take longer than a tick may."""

    class Unsearched(tuple[str, ...]):
        def __contains__(self, _: object) -> bool:
            raise AssertionError("the keys of a run are searched from the first to the last")

    keys = numbered(3)
    ended = Unsearched(keys[:2])
    decided = decide(
        [due(key) for key in keys],
        dead=[replace(failed(age=1), keys=ended)],
        ended=[replace(succeeded(age=1), keys=ended)],
    )
    assert ranges(decided) == [(keys[2],)]
    assert decided.cooling == 2


# --- pace ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pace", "rows"),
    [
        ({}, 500),  # unmeasured
        ({"validated": 0.5, "enriched": 0.4, "scored": 0.05, "curated": 0.05}, 300),
        ({"validated": 0.001}, 2000),  # never more than the setting
        ({"enriched": 120.0}, 20),  # never absurdly few
        ({"validated": 0.0}, 2000),
    ],
)
def test_a_run_gets_as_many_rows_as_fit_its_time(pace: dict[str, float], rows: int) -> None:
    assert row_budget(LANE, pace, Limits(run_seconds=300.0)) == rows


def test_a_slow_lane_gets_smaller_runs() -> None:
    keys = numbered(4)
    decided = decide([due(key, 100) for key in keys], pace={"enriched": 1.5})
    assert sorted(map(len, ranges(decided))) == [2, 2]


# --- the guard, and fair shares -----------------------------------------------------------------


def test_no_more_is_queued_than_the_guard_allows() -> None:
    work = [due(key, 2000) for key in numbered(50)]
    assert len(decide(work, pace=PACED).requests) == 4
    queued = [run(f"acme/2025-10-08/{n:03d}", run_id=f"q{n}", state=RunState.QUEUED)
              for n in range(1, 4)]  # fmt: skip
    decided = decide(work, runs=queued, pace=PACED)
    assert len(decided.requests) == 1
    assert decided.guarded == 49


def test_a_run_that_died_in_starting_does_not_fill_the_queue() -> None:
    stuck = [run(batch(number=n), run_id=f"s{n}", state=RunState.STARTING, age=1e5)
             for n in range(1, 9)]  # fmt: skip
    decided = decide([due(batch())], runs=stuck)
    assert ranges(decided) == [(batch(),)]
    assert len(decided.dead) == 8


def test_a_small_tenant_is_not_delayed_by_a_giant_that_arrived_first() -> None:
    giant = [due(key, 1000, waited=3600) for key in numbered(100, "giant")]
    decided = decide([*giant, due(batch("small"), 10, waited=1)], pace=PACED)
    assert (batch("small"),) in ranges(decided)


def test_a_queue_full_of_a_giants_runs_keeps_room_for_a_tenant_that_has_nothing() -> None:
    keys = numbered(100, "giant")
    queued = [run(keys[n], run_id=f"q{n}", state=RunState.QUEUED) for n in range(4)]
    work = [due(key, 1000, waited=3600) for key in keys]
    assert ranges(decide(work, runs=queued, pace=PACED)) == []
    decided = decide([*work, due(batch("small"), 10, waited=0)], runs=queued, pace=PACED)
    assert ranges(decided) == [(batch("small"),)]


def test_a_first_run_overtakes_a_giants_fifth_in_dagsters_queue() -> None:
    keys = numbered(20, "giant")
    busy = [run(keys[n], run_id=f"b{n}") for n in range(4)]
    work = [due(key, 1000) for key in keys] + [due(batch("small"), 10)]
    by_tenant = {r.keys[0].partition("/")[0]: r.priority
                 for r in decide(work, runs=busy, pace=PACED).requests}  # fmt: skip
    assert by_tenant["small"] == 0
    assert by_tenant["giant"] <= -4


def test_a_small_batch_never_travels_with_a_strangers_big_one() -> None:
    big, small = batch("giant"), batch("small")
    decided = decide([due(big, 1000), due(small, 10)], keys=[big, small], pace=PACED)
    assert sorted(ranges(decided)) == [(big,), (small,)]
    tiny = decide([due(big, 5), due(small, 10)], keys=[big, small], pace=PACED)
    assert ranges(tiny) == [(big, small)]


def test_weights_divide_the_slots() -> None:
    """One slot in four rows: the tenant of weight 3 gets three quarters of what is chosen."""
    heavy, light = numbered(40, "heavy"), numbered(40, "light")
    decided = decide(
        [due(key, 1000) for key in (*heavy, *light)],
        weights={"heavy": 3.0, "light": 1.0},
        limits=Limits(run_rows=1000, queued_runs=8, reserved_runs=0),
        pace={"validated": 0.01},
    )
    share = Counter(keys[0].partition("/")[0] for keys in ranges(decided))
    assert share == {"heavy": 6, "light": 2}


def test_among_tenants_that_have_nothing_the_longest_waiting_goes_first() -> None:
    """By name, the last of the alphabet would starve behind a steady stream of others."""
    limits = Limits(queued_runs=1, reserved_runs=0, run_rows=1000)
    decided = decide([due(batch("aaa"), 1000, waited=5), due(batch("zzz"), 1000, waited=50)],
                     limits=limits, pace=PACED)  # fmt: skip
    assert ranges(decided) == [(batch("zzz"),)]


@pytest.mark.parametrize("weight", [0.0, -1.0])
def test_a_weight_that_makes_no_sense_stops_nobody(weight: float) -> None:
    assert ranges(decide([due(batch())], weights={"acme": weight})) == [(batch(),)]


# --- after failures -----------------------------------------------------------------------------


def test_a_key_whose_run_just_failed_cools() -> None:
    decided = decide([due(batch())], dead=[failed(batch(), age=9)])
    assert (ranges(decided), decided.cooling) == ([], 1)
    assert ranges(decide([due(batch())], dead=[failed(batch(), age=11)])) == [(batch(),)]


def test_deaths_that_rows_pay_for_do_not_lengthen_the_wait() -> None:
    """Each of those rows is tried alone, and its neighbours should not wait for that."""

    def dead(count: int, age: float) -> list[FailedRun]:
        runs = [failed(batch(), age=age + n, run_id=f"f{n}") for n in range(count)]
        return [replace(run, held_rows=True) for run in runs]

    assert ranges(decide([due(batch())], dead=dead(CHARGED, 9))) == []
    assert ranges(decide([due(batch())], dead=dead(CHARGED, 11))) == [(batch(),)]
    assert ranges(decide([due(batch())], dead=dead(CHARGED + 6, 300))) == []  # no image does that
    six_more = [failed(batch(), age=300 + n, run_id=f"x{n}") for n in range(6)]
    assert ranges(decide([due(batch())], dead=[*dead(9, 11), *six_more])) == []


def test_a_failure_from_the_far_future_holds_up_nobody() -> None:
    """A clock was ahead when it was recorded."""
    assert ranges(decide([due(batch())], dead=[failed(batch(), age=-86_400)])) == [(batch(),)]
    assert ranges(decide([due(batch())], dead=[failed(batch(), age=-30)])) == []


def test_a_crash_loop_is_asked_for_ever_more_seldom() -> None:
    """With six deaths behind it the wait is 320 s, and it is never more than ten minutes."""
    six = [failed(batch(), age=300 + n, run_id=f"f{n}") for n in range(6)]
    assert ranges(decide([due(batch())], dead=six)) == []
    many = [failed(batch(), age=601 + n, run_id=f"f{n}") for n in range(50)]
    assert ranges(decide([due(batch())], dead=many)) == [(batch(),)]


def test_the_failures_of_one_batch_do_not_cool_another() -> None:
    a, b = numbered(2)
    assert ranges(decide([due(a), due(b)], dead=[failed(a, age=1)])) == [(b,)]


def test_rows_that_come_due_one_by_one_do_not_get_a_run_each() -> None:
    """A model server that is away for hours, or uploads that trickle."""
    often = [succeeded(batch(), age=1 + 10 * n, run_id=f"s{n}") for n in range(20)]
    assert ranges(decide([due(batch(), 1)], ended=often)) == []
    assert ranges(decide([due(batch(), 500)], ended=often)) == [(batch(),)], "worth a run"
    assert ranges(decide([due(batch(number=2), 1)], ended=often)) == [(batch(number=2),)]
    late = [succeeded(batch(), age=61 + 10 * n, run_id=f"s{n}") for n in range(40)]
    assert ranges(decide([due(batch(), 1)], ended=late)) == [(batch(),)], "never for long"


def test_a_few_runs_of_a_batch_make_nobody_wait() -> None:
    few = [succeeded(batch(), age=1 + n, run_id=f"s{n}") for n in range(10)]
    assert ranges(decide([due(batch(), 1)], ended=few)) == [(batch(),)]


# --- properties ---------------------------------------------------------------------------------

tenants = st.sampled_from(["aa", "bb", "cc", "dd"])
works = st.lists(
    st.builds(
        lambda tenant, number, rows, stage, waited: due(
            batch(tenant, number), rows, stage, waited=waited
        ),
        tenants,
        st.integers(1, 12),
        st.integers(1, 3000),
        st.sampled_from(STAGES),
        st.integers(0, 5000),
    ),
    max_size=60,
    unique_by=lambda one: (one.batch, one.stage),
)
lives = st.lists(
    st.builds(
        lambda tenant, number, state, age, lease: run(
            batch(tenant, number), run_id=f"{tenant}{number}", state=state, age=age, lease=lease
        ),
        tenants,
        st.integers(1, 12),
        st.sampled_from(list(RunState)),
        st.integers(0, 5000),
        st.none() | st.integers(-500, 500),
    ),
    max_size=20,
)


@given(works, lives, st.integers(1, 6), st.integers(1, 4000))
def test_whatever_the_snapshot_the_plan_keeps_its_bounds(
    work: list[DueBatch], live: list[object], slots: int, rows: int
) -> None:
    limits = Limits(run_rows=rows, queued_runs=slots, run_keys=5)
    decided = decide(work, runs=live, limits=limits, pace=PACED)  # type: ignore[arg-type]
    asked = [key for keys in ranges(decided) for key in keys]
    wanted = {one.batch for one in work}
    assert len(asked) == len(set(asked)), "a batch is asked for twice"
    assert set(asked) <= wanted, "nothing is asked for that is not due"
    assert len({request.run_key for request in decided.requests}) == len(decided.requests)
    assert len(decided.requests) <= slots + limits.reserved_runs
    for request in decided.requests:
        assert len(request.keys) <= 5
        assert request.rows <= rows or len(request.keys) == 1
    dead = {one.run_id for one in decided.dead}
    for one in live:
        if one.run_id not in dead:  # type: ignore[attr-defined]
            stages = {w.stage for w in work if w.batch in one.keys}  # type: ignore[attr-defined]
            assert not (stages and set(one.keys) & set(asked))  # type: ignore[attr-defined]
    assert decide(work, runs=live, limits=limits, pace=PACED) == decided  # type: ignore[arg-type]


@given(works)
def test_with_nothing_running_whatever_is_due_is_soon_asked_for(work: list[DueBatch]) -> None:
    """Each plan's runs are done before the next: all is asked for within as many plans as runs."""
    left, plans = list(work), 0
    while left:
        asked = {key for keys in ranges(decide(left)) for key in keys}
        assert asked, "work is due, nothing runs, and nothing is asked for"
        left = [one for one in left if one.batch not in asked]
        plans += 1
    assert plans <= len(work)


# --- an engine that fails its preflight --------------------------------------------------------


def unfit(stage: str, age: float, times: int = 1) -> dict[str, Unfit]:
    return {stage: Unfit(NOW - age, times)}


def test_where_an_engine_is_unfit_its_batches_wait_and_others_do_not() -> None:
    keys = numbered(6)
    work = [due(key, stage="enriched") for key in keys[:4]]
    work += [due(keys[4], stage="validated"), due(keys[5], stage="curated")]
    decided = decide(work, unfit=unfit("enriched", age=3.0))
    assert {key for one in ranges(decided) for key in one} == {keys[4], keys[5]}
    assert decided.cooling == 4


def test_after_a_while_one_run_looks_again_over_the_batch_that_is_due_longest() -> None:
    keys = numbered(6)
    work = [due(key, stage="enriched", waited=10.0 + n) for n, key in enumerate(keys)]
    assert ranges(decide(work, unfit=unfit("enriched", age=11.0))) == [(keys[5],)]
    looking = run(keys[5], stages=STAGES[1:])
    assert ranges(decide(work, unfit=unfit("enriched", age=500.0), runs=[looking])) == []


@pytest.mark.parametrize(("times", "wait"), [(1, 10.0), (3, 40.0), (7, 600.0), (10_000, 600.0)])
def test_it_looks_ever_more_seldom(times: int, wait: float) -> None:
    work = [due(batch(), stage="scored")]
    assert ranges(decide(work, unfit=unfit("scored", age=wait - 1.0, times=times))) == []
    assert ranges(decide(work, unfit=unfit("scored", age=wait, times=times))) == [(batch(),)]


def test_two_unfit_engines_are_each_looked_at_by_a_run_of_their_own() -> None:
    keys = numbered(4)
    work = [due(key, stage="enriched") for key in keys[:2]]
    work += [due(key, stage="scored") for key in keys[2:]]
    both = unfit("enriched", age=20.0) | unfit("scored", age=20.0)
    assert sorted(ranges(decide(work, unfit=both))) == [(keys[0],), (keys[2],)]


def test_a_split_lane_goes_on_validating_while_the_gpu_is_away() -> None:
    keys = numbered(2)
    work = [due(keys[0], stage="validated"), due(keys[1], stage="enriched")]
    decided = decide(work, lanes=SPLIT, unfit=unfit("enriched", age=1.0))
    assert [(one.lane.name, one.keys) for one in decided.requests] == [("cpu", (keys[0],))]
