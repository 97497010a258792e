"""The same work is enqueued again and again, until the queue holds nothing else."""

from __future__ import annotations

from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.stages import STAGES
from tests.incidents.steps import HOUR, rows, statuses, upload
from tests.simulation.house import LIMITS, TICK, House


def test_what_is_asked_for_is_not_asked_for_again_however_long_it_waits(house: House) -> None:
    upload(house, "acme", 20)
    house.sweep()
    for _ in range(100):
        house.dagster.apply(house.tick())
        house.clock.pass_by(TICK)
        house.check()
    assert len(house.dagster.runs) <= LIMITS.queued_runs + LIMITS.reserved_runs + LIMITS.light_runs
    house.settle()
    assert statuses(house) == {"curated"}


def test_a_run_that_dies_at_once_is_asked_for_ever_more_seldom(house: House) -> None:
    upload(house, "acme", 3)
    house.sweep()
    ticks = 0
    end = house.clock() + HOUR
    while house.clock() < end:
        house.dagster.apply(house.tick())
        while run := house.dagster.launch():
            house.dagster.start(run)
            assert run.process is not None
            house.dagster.died(run.process, noticed=True)
        house.clock.pass_by(11.0)
        ticks += 1
    assert ticks > 250  # one every 12 seconds: each settles for a second
    assert len(house.dagster.runs) <= 15  # 10, 20, 40 … 600 s apart
    assert {row.attempts for row in rows(house)} == {0}
    house.clock.pass_by(HOUR)
    house.settle()
    assert statuses(house) == {"curated"}


def test_a_replay_that_is_delivered_many_times_resets_once(house: House) -> None:
    upload(house, "acme", 3)
    house.settle()
    batches = house.store.batches()
    reset = [
        house.store.reset(
            batches,
            Reset(stage="scored", reason="regrade", run_id=f"run-{n}"),
            house.clock(),
            "backfill-1",
        )
        for n in range(50)
    ]
    assert reset == [3, *[0] * 49]
    house.settle()
    for row in rows(house):
        done = [e.from_status for e in house.store.history(row.image_id) if e.kind == "completed"]
        assert len(done) == len(STAGES) + 2  # scored and curated, once more each
        assert len(house.store.all_evidence(row.image_id)) == len(STAGES)
