"""Little work goes along: one image is one run, and no image waits for a machine it does not need.

The lanes are those of a cluster: `cpu` validates, and `gpu` does what follows.
"""

from __future__ import annotations

import pytest

from parjanya_dagster.belief.snapshot import LiveRun, Phase, RunState, Unfit
from parjanya_dagster.intent.along import PATIENCE
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.intent.plan import Plan
from parjanya_dagster.lanes import SPLIT
from parjanya_dagster.truth.stages import STAGES
from tests.support.snapshots import NOW, batch, decide, due, failed, pulse, run

CPU, GPU = SPLIT
PACED = {"validated": 0.1, "enriched": 0.5}  # 150 rows take the 15 s that are little
LITTLE, MUCH = 150, 151


def asked(decided: Plan) -> list[tuple[str, tuple[str, ...]]]:
    return [(request.lane.name, request.stages) for request in decided.requests]


def on_gpu(key: str, state: RunState = RunState.STARTING, **more: object) -> LiveRun:
    return run(key, job=GPU.job, stages=STAGES, state=state, **more)  # type: ignore[arg-type]


def test_one_image_is_one_run_of_all_stages() -> None:
    decided = decide([due(batch(), 1)], lanes=SPLIT, pace=PACED)
    assert asked(decided) == [("gpu", STAGES)]


def test_much_is_validated_apart() -> None:
    for rows, lane in ((LITTLE, "gpu"), (MUCH, "cpu")):
        assert asked(decide([due(batch(), rows)], lanes=SPLIT, pace=PACED))[0][0] == lane


def test_what_all_batches_of_a_tenant_have_counts_together() -> None:
    spread = [due(batch(number=n), 60) for n in (1, 3, 5)]
    assert {lane for lane, _ in asked(decide(spread, lanes=SPLIT, pace=PACED))} == {"cpu"}
    others = [due(batch(f"t{n}", n), 60) for n in (1, 3, 5)]
    assert {lane for lane, _ in asked(decide(others, lanes=SPLIT, pace=PACED))} == {"gpu"}


def test_rows_of_both_lanes_in_one_batch_are_one_run() -> None:
    work = [due(batch(), 3), due(batch(), 5, stage="scored")]
    (request,) = decide(work, lanes=SPLIT, pace=PACED).requests
    assert (request.lane, request.stages, request.rows) == (GPU, STAGES, 8)


def test_what_goes_along_is_covered_until_the_run_has_validated() -> None:
    work = [due(batch(), 1)]
    for state in (RunState.QUEUED, RunState.STARTING, RunState.STARTED):
        assert asked(decide(work, runs=[on_gpu(batch(), state)], lanes=SPLIT, pace=PACED)) == []
    beyond = on_gpu(batch(), RunState.STARTED, pulse=pulse("validated", phase=Phase.FINISHING))
    assert asked(decide(work, runs=[beyond], lanes=SPLIT, pace=PACED)) == [("gpu", STAGES)]


def test_a_run_that_waits_for_its_machine_holds_up_no_large_burst() -> None:
    """It was asked for when the first image of a thousand had come."""
    waits = on_gpu(batch(), RunState.STARTING)
    decided = decide([due(batch(), 1000)], runs=[waits], lanes=SPLIT, pace=PACED)
    assert asked(decided) == [("cpu", CPU.stages)]
    validating = run(batch(), run_id="r2", job=CPU.job, stages=CPU.stages)
    decided = decide([due(batch(), 900)], runs=[waits, validating], lanes=SPLIT, pace=PACED)
    assert asked(decided) == []


def test_runs_that_wait_keep_what_they_were_asked_for_though_the_queue_is_full() -> None:
    keys = [batch(f"t{n}", n) for n in range(Limits().light_runs)]
    waiting = [on_gpu(key, run_id=key, light=True) for key in keys]
    assert asked(decide([due(key, 1) for key in keys], runs=waiting, lanes=SPLIT, pace=PACED)) == []


def test_a_run_of_the_first_lane_covers_what_it_validates() -> None:
    validating = run(batch(), job=CPU.job, stages=CPU.stages)
    assert asked(decide([due(batch(), 1)], runs=[validating], lanes=SPLIT, pace=PACED)) == []


@pytest.mark.parametrize(
    "why",
    [
        {"limits": Limits(held_lanes=frozenset({"gpu"}))},
        {"unfit": {"enriched": Unfit(at=NOW - 1.0, times=1)}},
        {"dead": [failed(batch(), age=30.0, job=GPU.job)]},  # it died between two stages
        {"runs": [on_gpu(batch("t", n), RunState.QUEUED, run_id=f"r{n}") for n in range(2, 6)]},
    ],
    ids=["held", "no engine", "its run failed", "its queue is full"],
)
def test_where_the_other_lane_cannot_begin_each_does_its_own(why: dict[str, object]) -> None:
    decided = decide([due(batch(), 1)], lanes=SPLIT, pace=PACED, **why)  # type: ignore[arg-type]
    assert ("cpu", CPU.stages) in asked(decided)


def test_what_waited_too_long_for_a_machine_is_validated_without_it() -> None:
    waits = on_gpu(batch(), RunState.STARTING)
    for waited, lanes in ((PATIENCE, []), (PATIENCE + 1, ["cpu"])):
        work = [due(batch(), 1, waited=waited)]
        decided = decide(work, runs=[waits], lanes=SPLIT, pace=PACED)
        assert [lane for lane, _ in asked(decided)] == lanes


@pytest.mark.parametrize("state", [RunState.QUEUED, RunState.STARTING, RunState.STARTED])
def test_patience_does_not_begin_anew_where_a_process_hands_rows_back(state: RunState) -> None:
    """They are due anew. The message that it took waits again, and was sent long ago."""
    begun = state is RunState.STARTED  # its machine is there
    sign = pulse("validated") if begun else None
    asked_for = on_gpu(batch(), state, age=PATIENCE + 1, pulse=sign)
    decided = decide([due(batch(), 1, waited=1.0)], runs=[asked_for], lanes=SPLIT, pace=PACED)
    assert [lane for lane, _ in asked(decided)] == ([] if begun else ["cpu"])


def test_rows_that_a_failed_run_handed_back_do_not_wait_for_its_lane_again() -> None:
    handed_back = [due(batch(), 1, waited=1.0)]
    ended = failed(batch(), age=1.0, job=GPU.job)
    assert asked(decide(handed_back, dead=[ended], lanes=SPLIT, pace=PACED)) == [
        ("cpu", CPU.stages)
    ]


def test_a_long_run_takes_no_more_along_than_is_little() -> None:
    """What lands in its batches meanwhile may be much, and is the other lane's."""
    work = [due(batch(), 1000, stage="enriched"), due(batch(), 3)]
    (request,) = decide(work, lanes=SPLIT, pace=PACED).requests
    assert (request.stages, request.rows, request.along) == (STAGES, 1003, LITTLE)
    assert [request.most(stage) for stage in STAGES] == [LITTLE, 0, 0, 0]


def test_a_run_takes_along_all_that_it_was_asked_for() -> None:
    """Each of its tenants has little."""
    both = [due(batch(tenant, 1), 1000, stage="enriched") for tenant in ("acme", "bolt")]
    work = [*both, due(batch("acme"), 100), due(batch("acme", 2), 10), due(batch("bolt"), 90)]
    pace = {"validated": 0.1, "enriched": 0.01}
    limits = Limits(run_rows=20_000)
    decided = decide(work, lanes=SPLIT, pace=pace, limits=limits)
    taken = {request.keys: request.along for request in decided.requests}
    assert sum(map(len, taken)) == 3
    assert all(along == LITTLE for along in taken.values())
    few = [due(batch(f"t{n}"), 60) for n in range(4)]
    (request,) = decide(few, lanes=SPLIT, pace=pace).requests
    assert request.along == request.rows == 240


def test_what_is_due_is_shared_out_wholly() -> None:
    work = [due(batch(), 3), due(batch(), 5, stage="scored"), due(batch("bolt"), 900)]
    validating = run(batch("bolt"), job=CPU.job, stages=CPU.stages)
    decided = decide(work, runs=[validating], lanes=SPLIT, pace=PACED)
    assert decided.shares == {"cpu": 900, "gpu": 8}
    held = Limits(held_lanes=frozenset({"gpu"}))
    assert decide(work, lanes=SPLIT, pace=PACED, limits=held).shares == {"cpu": 903, "gpu": 5}


def test_runs_that_only_take_work_along_use_up_no_room_of_the_first_lane() -> None:
    waiting = [on_gpu(batch("t", n), RunState.QUEUED, run_id=f"r{n}") for n in range(2, 12)]
    giant = [due(batch("giant", n), 1000) for n in range(20, 40)]
    decided = decide(giant, runs=waiting, lanes=SPLIT, pace=PACED)
    assert len(decided.requests) == Limits().queued_runs
