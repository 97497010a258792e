"""A row says pending, and nothing in the world is going to work on it."""

from __future__ import annotations

from tests.incidents.steps import ask_doctor, statuses, upload
from tests.simulation.house import House


def test_a_tick_that_died_before_its_runs_were_created_is_made_up_for_by_the_next(
    house: House,
) -> None:
    upload(house, "acme", 5)
    house.sweep()
    lost = house.tick()
    house.dagster.apply(lost, upto=0)  # the daemon died here
    assert lost.runs
    assert house.dagster.runs == {}
    house.settle()
    assert statuses(house) == {"curated"}


def test_runs_that_dagster_forgot_are_asked_for_again(house: House) -> None:
    upload(house, "acme", 5)
    house.sweep()
    house.dagster.apply(house.tick())
    assert house.dagster.waiting > 0
    house.dagster.wipe_runs()
    house.dagster.wipe_keys()
    house.settle()
    assert statuses(house) == {"curated"}


def test_a_run_recorded_and_never_queued_stops_counting(house: House) -> None:
    upload(house, "acme", 3)
    house.sweep()
    house.dagster.apply(house.tick(), enqueue=False)
    house.settle()
    assert statuses(house) == {"curated"}


def test_the_doctor_sees_rows_that_nobody_asked_for(house: House) -> None:
    upload(house, "acme", 5)
    house.sweep()
    since = house.clock()
    for _ in range(4):  # a reconciler that looks and whose runs come to nothing
        house.clock.pass_by(60.0)
        house.store.beat("arrivals", house.clock(), {})
        house.tick()
    found = ask_doctor(house)
    assert found.keys() == {"pending_without_intent"}
    assert found["pending_without_intent"].boundary == "Intent"
    assert found["pending_without_intent"].evidence["rows"] == 5
    assert found["pending_without_intent"].since == since
