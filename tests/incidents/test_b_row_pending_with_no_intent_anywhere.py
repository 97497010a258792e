"""A row says pending, and nothing in the world is going to work on it."""

from __future__ import annotations

from tests.incidents.conftest import ask_doctor, statuses, upload
from tests.simulation.house import House


class Naive:
    """Edge-triggered: an event of an arrival makes the run. No event, no run."""

    def __init__(self) -> None:
        self.pending: set[str] = set()
        self.runs: list[str] = []

    def arrived(self, image: str, *, dies_before_the_run: bool = False) -> None:
        self.pending.add(image)  # committed
        if not dies_before_the_run:
            self.runs.append(image)

    def work(self) -> None:
        while self.runs:
            self.pending.discard(self.runs.pop())


def test_how_it_was_lost() -> None:
    naive = Naive()
    naive.arrived("a.jpg")
    naive.arrived("b.jpg", dies_before_the_run=True)  # between the row and the run
    naive.work()
    assert naive.pending == {"b.jpg"}
    naive.arrived("c.jpg")
    naive.runs.clear()  # or the run storage was lost
    for _ in range(1000):
        naive.work()
    assert naive.pending == {"b.jpg", "c.jpg"}


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
