"""Light work: a tenant with little to do waits for nobody who has much."""

from __future__ import annotations

from parjanya_dagster.belief.snapshot import LiveRun, RunState
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.lanes import SPLIT
from tests.support.snapshots import LANE, batch, decide, due, run

PACED = {"validated": 0.1}  # 150 rows take the 15 s that count as little
GIANT = [due(batch("giant", n), 1000) for n in range(1, 40)]
SMALL = due(batch("small"), 1)


def queue_of(count: int, *, light: bool) -> list[LiveRun]:
    """Runs that wait, each over another tenant's batch."""
    return [
        run(batch(f"t{n}"), run_id=f"r{n}", state=RunState.QUEUED, light=light)
        for n in range(count)
    ]


def light(*args: object, **kwargs: object) -> list[tuple[str, ...]]:
    decided = decide(*args, **kwargs)  # type: ignore[arg-type]
    return [request.keys for request in decided.requests if request.light]


def test_a_tenant_with_little_to_do_gets_a_light_run_and_a_giant_does_not() -> None:
    assert light([*GIANT, SMALL], pace=PACED) == [(SMALL.batch,)]


def test_a_light_run_takes_no_more_rows_than_are_little() -> None:
    """What arrives in its batch meanwhile may be much, and is another run's."""
    (request,) = decide([SMALL], pace=PACED).requests
    assert (request.rows, request.light) == (1, 150)


def test_while_nobody_knows_how_long_a_row_takes_few_rows_are_little() -> None:
    limits = Limits()
    assert light([due(batch(), limits.fewest_rows)])
    assert not light([due(batch(), limits.fewest_rows + 1)])


def test_a_queue_full_of_long_runs_holds_up_no_light_one() -> None:
    full = queue_of(50, light=False)
    assert light([*GIANT, SMALL], runs=full, pace=PACED) == [(SMALL.batch,)]


def test_light_runs_that_wait_take_no_room_from_long_ones() -> None:
    waiting = queue_of(50, light=True)
    decided = decide(GIANT, runs=waiting, pace=PACED)
    assert len(decided.requests) == Limits().queued_runs


def test_no_more_light_runs_wait_than_the_guard_allows() -> None:
    many = [due(batch(f"t{n}", n), 1) for n in range(1, 50)]
    keys = [key for one in many for key in (one.batch, f"gap/2025-10-09/{one.batch[-3:]}")]
    limits = Limits()
    assert len(light(many, keys=keys, pace=PACED)) == limits.light_runs
    waiting = queue_of(limits.light_runs, light=True)
    assert not light(many, keys=keys, runs=waiting, pace=PACED)


def test_the_last_rows_of_much_are_no_light_work() -> None:
    """What a tenant's runs have before them counts too, and so do its other batches."""
    working = run(batch("giant", 1))
    rows = [due(batch("giant", 1), 500), due(batch("giant", 2), 5)]
    assert not light(rows, runs=[working], pace=PACED)
    assert not light([due(batch("giant", n), 5) for n in range(1, 40)], pace=PACED)


def test_neighbours_with_little_to_do_share_a_run() -> None:
    few = [due(batch(f"t{n}"), 3) for n in range(5)]
    assert light(few, pace=PACED) == [tuple(one.batch for one in few)]


def test_a_lane_with_a_queue_of_its_own_has_no_slots_to_keep() -> None:
    limits = Limits(queue_lanes=frozenset({LANE.name}))
    assert not light([SMALL], pace=PACED, limits=limits)


def test_each_lane_has_light_runs_of_its_own() -> None:
    cpu, gpu = SPLIT
    busy = run(batch("giant"), stages=cpu.stages, job=cpu.job)
    work = [due(batch("giant"), 1000), due(batch("small"), 1, stage="enriched")]
    decided = decide(work, runs=[busy], lanes=SPLIT, pace={"validated": 0.1, "enriched": 0.1})
    assert [(one.lane, bool(one.light)) for one in decided.requests] == [(gpu, True)]
