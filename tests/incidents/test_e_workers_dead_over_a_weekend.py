"""Friday evening the GPU nodes go away. On Monday everything is in the dead-letter queue."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.incidents.steps import HOUR, ask_doctor, rows, statuses, upload
from tests.simulation.house import TICK, House

WEEKEND = 62.0  # hours, Friday evening to Monday morning
NIGHT = 6.0  # hours of it that are looked at closely


def no_node(house: House) -> None:
    """Runs are launched, and no process ever comes."""
    while house.dagster.launch():
        pass


def dies_at_once(house: House) -> None:
    """Processes start and die before they claim a row."""
    while run := house.dagster.launch():
        house.dagster.start(run)
        if run.process is not None:
            house.dagster.died(run.process, noticed=True)


def weekend(house: House, launcher: Callable[[House], None]) -> int:
    """A tick a minute for an hour, then one in five, and then two an hour: nothing changes then.

    Returns how many runs were created in the first night.
    """
    created: set[str] = set()
    began = house.clock()
    while (passed := house.clock() - began) < WEEKEND * HOUR:
        house.dagster.apply(house.tick())
        launcher(house)
        if passed < NIGHT * HOUR:
            created |= house.dagster.runs.keys()
        house.clock.pass_by(
            TICK if passed < HOUR else 5 * TICK if passed < NIGHT * HOUR else 30 * TICK
        )
        if len(house.dagster.runs) > 50:  # Dagster keeps them; the test need not
            house.dagster.runs = {k: run for k, run in house.dagster.runs.items() if run.live}
    return len(created)


@pytest.mark.parametrize("launcher", [no_node, dies_at_once])
def test_on_monday_nothing_is_lost_and_no_attempt_was_spent(
    house: House, launcher: Callable[[House], None]
) -> None:
    upload(house, "acme", 5)
    house.sweep()
    created = weekend(house, launcher)
    assert statuses(house) == {"pending_validation"}
    assert {row.attempts for row in rows(house)} == {0}
    assert created < 8 * NIGHT  # one in ten minutes at last, and no storm of runs
    house.settle()
    assert statuses(house) == {"curated"}


def test_workers_that_died_holding_rows_on_friday_cost_one_attempt(house: House) -> None:
    upload(house, "acme", 5)
    house.sweep()
    house.dagster.apply(house.tick())
    while run := house.dagster.launch():
        house.dagster.start(run)
    for process in house.dagster.processes:
        house.step(process, size=2)  # claims, and is never heard of again
        house.dagster.died(process, noticed=False)
    weekend(house, no_node)
    assert {row.attempts for row in rows(house)} <= {0, 1}
    assert not {row.lease_owner for row in rows(house)} - {None}
    house.settle()
    assert statuses(house) == {"curated"}


def test_the_doctor_says_that_intent_is_there_and_execution_is_not(house: House) -> None:
    upload(house, "acme", 5)
    house.sweep()
    house.dagster.apply(house.tick())
    no_node(house)
    house.clock.pass_by(80.0)
    house.store.beat("arrivals", house.clock(), {})
    house.tick()
    found = ask_doctor(house)
    assert found.keys() == {"starting_too_long"}
    assert found["starting_too_long"].boundary == "Execution"
