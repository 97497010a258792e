"""A run counts as intent while it may still do its work, and each part of its life has a clock."""

from __future__ import annotations

import pytest

from parjanya_dagster.belief.snapshot import LiveRun, Phase, RunState
from parjanya_dagster.intent.liveness import Deadlines, why_dead
from tests.support.snapshots import NOW, batch, decide, due, pulse, ranges, run

KEY = batch()
CLOCKS = Deadlines(created=60, launch=900, start=300, silence=120, stall=1800, cancel=90)


def dead(one: LiveRun, watching_since: float = 0.0) -> str | None:
    return why_dead(one, NOW, watching_since, CLOCKS)


def test_a_sign_from_the_far_future_is_no_life_for_ever() -> None:
    ahead = run(KEY, age=1000, pulse=pulse(age=-86_400))
    assert dead(ahead) is not None
    assert dead(run(KEY, age=1000, pulse=pulse(age=-86_400), lease=60)) is None
    assert dead(run(KEY, age=1000, pulse=pulse(age=-600))) is None  # a clock that is a bit ahead


def test_a_run_may_wait_in_the_queue_for_ever() -> None:
    assert dead(run(KEY, state=RunState.QUEUED, age=90 * 86_400.0)) is None


@pytest.mark.parametrize(
    ("state", "deadline", "words"),
    [
        (RunState.CREATED, 60, "never queued"),
        (RunState.STARTING, 900, "never started"),
        (RunState.STARTED, 300, "never reached a stage"),
        (RunState.CANCELING, 90, "asked to stop"),
    ],
)
def test_each_part_of_life_has_its_own_deadline(
    state: RunState, deadline: float, words: str
) -> None:
    assert dead(run(KEY, state=state, age=deadline)) is None
    reason = dead(run(KEY, state=state, age=deadline + 1))
    assert reason is not None
    assert words in reason


def test_a_slow_load_of_a_model_is_not_death() -> None:
    """It holds no lease and has no outcome yet, but its process beats."""
    assert dead(run(KEY, age=1500, pulse=pulse("enriched", age=30, progress=1500))) is None


def test_a_run_that_holds_a_lease_lives_though_its_signs_are_late() -> None:
    assert dead(run(KEY, age=9000, lease=5, pulse=pulse(age=500))) is None
    assert dead(run(KEY, age=9000, lease=-5, pulse=pulse(age=500))) is not None


def test_a_run_whose_signs_stopped_is_dead() -> None:
    assert dead(run(KEY, age=9000, pulse=pulse(age=120))) is None
    reason = dead(run(KEY, age=9000, pulse=pulse(age=121)))
    assert reason is not None
    assert "no sign of life from validated" in reason


def test_a_run_between_two_stages_has_the_time_of_a_start() -> None:
    """Dagster logs its events per partition there, or starts another process."""
    assert dead(run(KEY, age=9000, pulse=pulse(age=299, phase=Phase.LEFT))) is None
    assert dead(run(KEY, age=9000, pulse=pulse(age=301, phase=Phase.LEFT))) is not None


def test_a_run_that_beats_and_extends_leases_but_has_no_outcome_is_hung() -> None:
    one = run(KEY, age=9000, lease=60, pulse=pulse(age=1, progress=1921))
    reason = dead(one)
    assert reason is not None
    assert "no outcome" in reason


def test_silence_counts_only_while_somebody_listened() -> None:
    """Truth was away for an hour: no run could write a sign, and none is dead for it."""
    silent = run(KEY, age=9000, pulse=pulse(age=3600))
    assert dead(silent, watching_since=NOW - 10) is None
    assert dead(silent, watching_since=NOW - 121) is not None


def test_a_run_of_somebody_else_is_left_alone() -> None:
    """Jobs that work on none of our stages are neither intent nor ours to expire."""
    decided = decide([due(KEY)], runs=[run(KEY, stages=(), age=1e6)])
    assert decided.dead == ()
    assert ranges(decided) == [(KEY,)]


def test_a_dead_run_is_named_and_its_rows_go_on_at_once() -> None:
    decided = decide([due(KEY)], runs=[run(KEY, age=9000, pulse=pulse(age=500))])
    assert [one.run_id for one in decided.dead] == ["r1"]
    assert ranges(decided) == [(KEY,)]


def test_a_live_run_is_never_named_dead() -> None:
    runs = [
        run(KEY, run_id="queued", state=RunState.QUEUED, age=1e6),
        run(KEY, run_id="starting", state=RunState.STARTING, age=100),
        run(KEY, run_id="loading", age=1000, pulse=pulse("enriched")),
        run(KEY, run_id="working", age=1e5, lease=60),
    ]
    assert decide([due(KEY)], runs=runs).dead == ()


def test_a_lane_says_how_long_a_launch_may_take() -> None:
    from parjanya_dagster.lanes import SPLIT

    cpu, gpu = SPLIT
    waiting = [
        run(KEY, run_id="c", state=RunState.STARTING, age=1000, stages=cpu.stages, job=cpu.job),
        run(KEY, run_id="g", state=RunState.STARTING, age=1000, stages=gpu.stages, job=gpu.job),
    ]
    assert [one.run_id for one in decide([], runs=waiting, lanes=SPLIT).dead] == ["c"]
