"""Intent for history that is decided again: few large runs, in a share of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from parjanya_dagster.belief.snapshot import LiveRun, Snapshot
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.intent.plan import REGRADE_PRIORITY, Plan, plan
from parjanya_dagster.lanes import EMBEDDED
from parjanya_dagster.truth.models import DueBatch
from tests.support.snapshots import NOW, batch, due, run


def decide(
    work: Sequence[DueBatch],
    regrading: Mapping[str, int],
    *,
    keys: Sequence[str],
    runs: Sequence[LiveRun] = (),
    held: frozenset[str] = frozenset(),
    pace: float | None = 0.0005,
    limits: Limits | None = None,
    stale: Sequence[str] = (),
) -> Plan:
    snapshot = Snapshot(
        now=NOW, due=tuple(work), keys=tuple(keys), runs=tuple(runs), failed=(), weights={},
        seconds_per_row={} if pace is None else {"curated": pace, "enriched": 0.3},
        regrading=regrading, held=held, stale_manifests=tuple(stale),
    )  # fmt: skip
    return plan(snapshot, EMBEDDED, limits or Limits(), 7)


def history(*numbers: int, rows: int = 1000) -> tuple[list[DueBatch], dict[str, int]]:
    work = [due(batch(number=n), rows, "curated") for n in numbers]
    return work, {one.batch: rows for one in work}


KEYS = [batch(number=n) for n in range(1, 101)]


def test_a_hundred_partitions_become_two_runs_that_only_decide() -> None:
    decided = decide(*history(*range(1, 101)), keys=KEYS)
    assert [len(request.keys) for request in decided.requests] == [50, 50]
    assert {request.stages for request in decided.requests} == {("curated",)}
    assert {request.priority for request in decided.requests} == {REGRADE_PRIORITY}
    assert all(request.regrade for request in decided.requests)


def test_scattered_partitions_share_runs_that_span_what_lies_between() -> None:
    decided = decide(*history(*range(1, 101, 3), rows=100), keys=KEYS)
    assert len(decided.requests) == 2
    assert sum(len(request.keys) for request in decided.requests) == 34


def test_partitions_far_apart_do_not_share_a_run() -> None:
    decided = decide(*history(1, 50), keys=KEYS)
    assert [request.keys for request in decided.requests] == [(KEYS[0],), (KEYS[49],)]


def test_a_range_spans_no_partition_whose_place_is_not_known() -> None:
    """Keys that Dagster lacks are added at the end, others perhaps in between."""
    decided = decide(*history(1, 3), keys=[KEYS[0]])
    assert [len(request.keys) for request in decided.requests] == [1, 1]


def test_what_arrives_does_not_wait_behind_a_regrade() -> None:
    work, regrading = history(*range(1, 101))
    working = [
        replace(run(*KEYS[:50], run_id=f"g{n}", stages=("curated",)), regrade=True)
        for n in range(2)
    ]
    new = due("bolt/2025-10-09/001", 10)
    decided = decide([*work, new], regrading, keys=[*KEYS, new.batch], runs=working)
    (request,) = decided.requests
    assert (request.keys, request.regrade, request.priority) == ((new.batch,), False, 0)


def test_a_regrade_has_no_more_runs_than_its_share() -> None:
    work, regrading = history(*range(1, 101))
    working = [replace(run("x/2025-10-09/001", run_id="g1", stages=("curated",)), regrade=True)]
    assert len(decide(work, regrading, keys=KEYS, runs=working).requests) == 1


def test_arrivals_in_a_partition_that_is_regraded_take_it_along() -> None:
    work = [due(KEYS[0], 1000, "curated"), due(KEYS[0], 5, "validated")]
    (request,) = decide(work, {KEYS[0]: 1000}, keys=KEYS).requests
    assert (request.regrade, request.stages[0]) == (False, "validated")


def test_a_backfill_that_was_just_asked_for_gets_time_to_make_its_runs() -> None:
    work, regrading = history(1, 2)
    held = frozenset({KEYS[0]})
    (request,) = decide(work, regrading, keys=KEYS, held=held).requests
    assert request.keys == (KEYS[1],)


def test_rows_that_are_sent_back_while_a_tick_reads_belong_to_their_regrade() -> None:
    """What is due was read before they were, and that their manifest is out of date after."""
    regrading = {KEYS[0]: 50}
    (request,) = decide([], regrading, keys=KEYS, stale=[KEYS[0]]).requests
    assert (request.regrade, request.light) == (True, 0)
    held = frozenset({KEYS[0]})
    assert decide([], regrading, keys=KEYS, stale=[KEYS[0]], held=held).requests == ()
    (request,) = decide([], {}, keys=KEYS, stale=[KEYS[0]]).requests
    assert not request.regrade


def test_a_replay_with_models_gets_runs_of_the_size_that_models_allow() -> None:
    work = [due(KEYS[n], 1000, "enriched") for n in range(10)]
    decided = decide(work, {one.batch: 1000 for one in work}, keys=KEYS)
    assert [len(request.keys) for request in decided.requests] == [1, 1]
    assert decided.requests[0].stages == ("enriched", "scored", "curated")


def test_runs_that_only_decide_are_large_before_that_was_measured() -> None:
    decided = decide(*history(*range(1, 101)), keys=KEYS, pace=None)
    assert [request.rows for request in decided.requests] == [30_000, 30_000]


def test_a_slow_store_makes_them_smaller() -> None:
    decided = decide(*history(*range(1, 101)), keys=KEYS, pace=0.05)
    assert [request.rows for request in decided.requests] == [6000, 6000]
