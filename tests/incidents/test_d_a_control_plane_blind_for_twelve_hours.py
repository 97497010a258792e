"""The run storage does not answer. The schedule is green, since it only says that a tick began."""

from __future__ import annotations

import pytest

from parjanya_dagster.belief.snapshot import SensorSeen
from parjanya_dagster.errors import BeliefUnreadable
from tests.incidents.steps import HOUR, ask_doctor, statuses, upload
from tests.simulation.house import TICK, House


def blind(house: House, hours: float) -> tuple[int, SensorSeen]:
    """Ticks begin on time for so long, and each fails. Returns how many did, as Dagster has it."""
    house.dagster.readable = False
    began, failed = house.clock(), 0
    while house.clock() < began + hours * HOUR:
        with pytest.raises(BeliefUnreadable):
            house.tick(hurried=True)
        failed += 1
        house.store.beat("arrivals", house.clock(), {})
        house.clock.pass_by(4 * TICK)
    return failed, SensorSeen(
        name="pending_rows",
        running=True,
        failures=failed,
        failing_since=began,
        error="BeliefUnreadable: no answer",
    )


def test_a_tick_that_cannot_read_fails_and_emits_nothing(house: House) -> None:
    upload(house, "acme", 5)
    house.sweep()
    failed, _ = blind(house, 12.0)
    assert failed == 180
    assert house.dagster.runs == {}
    assert "reconciler" not in house.store.heartbeats()


def test_the_heartbeat_is_of_completed_reconciliations_so_the_doctor_says_blind(
    house: House,
) -> None:
    upload(house, "acme", 5)
    house.sweep()
    house.dagster.apply(house.tick())
    last = house.clock()
    house.clock.pass_by(TICK)
    _, ticks = blind(house, 12.0)
    house.dagster.readable = True  # what it finds is true also when it looks afterwards
    found = ask_doctor(house, (ticks,))
    assert found["reconciler_blind"].since == last
    assert found["reconciler_blind"].boundary == "Belief"
    assert float(found["reconciler_blind"].evidence["seconds"]) >= 12 * HOUR
    assert found["ticks_failing"].since == last + TICK


def test_when_it_sees_again_everything_goes_on_and_no_run_is_taken_for_dead_unheard(
    house: House,
) -> None:
    upload(house, "acme", 5)
    house.sweep()
    house.dagster.apply(house.tick())
    run = house.dagster.launch()
    assert run is not None
    house.dagster.start(run)
    blind(house, 12.0)
    house.dagster.readable = True
    # Nobody listened for twelve hours: silence before now proves nothing.
    assert house.tick().reconciled.expired_runs == 0
    upload(house, "acme", 3, first=5)
    house.settle()
    assert statuses(house) == {"curated"}
