"""The model server is away for some hours. Work that met it meanwhile is gone for ever."""

from __future__ import annotations

from parjanya_dagster.execution.replay import replay_failures
from parjanya_dagster.truth.transitions import Rules
from tests.incidents.steps import HOUR, ask_doctor, rows, statuses, upload
from tests.simulation.house import TIMING, House


def away(house: House, hours: float) -> None:
    """The model server answers nobody for so long; everything else goes on."""
    end = house.clock() + hours * HOUR
    while house.clock() < end:
        house.sweep()
        house.dagster.apply(house.tick())
        while run := house.dagster.launch():
            house.dagster.start(run)
        for process in house.dagster.processes:
            while process.alive:
                house.step(process, size=3, kind="retry")
        house.clock.pass_by(min(hours / 2, 1.0) * HOUR)


def test_a_row_waits_for_as_long_as_the_outage_lasts_and_pays_nothing_for_it(
    house: House,
) -> None:
    upload(house, "acme", 5)
    away(house, 48.0)
    assert statuses(house) == {"pending_validation"}
    assert {row.attempts for row in rows(house)} == {0}
    assert all(row.retries > 20 for row in rows(house))
    house.clock.pass_by(Rules().backoff_most)
    house.settle()
    assert statuses(house) == {"curated"}


def test_meanwhile_the_doctor_names_the_reason_and_since_when(house: House) -> None:
    upload(house, "acme", 5)
    began = house.clock()
    away(house, 1.0)
    house.dagster.apply(house.tick())
    house.store.beat("arrivals", house.clock(), {})
    found = ask_doctor(house)
    assert found.keys() == {"retrying"}
    assert found["retrying"].evidence["rows"] == 5
    assert began <= found["retrying"].since <= began + TIMING.tick  # as soon as it was tried
    assert found["retrying"].summary.endswith("the model server is away")


def test_past_the_horizon_it_fails_with_a_cause_and_can_be_done_again(house: House) -> None:
    upload(house, "acme", 5)
    away(house, 80.0)
    assert {row.failure_class for row in rows(house)} == {"retry_horizon"}
    assert all("the model server is away" in (row.failure_reason or "") for row in rows(house))
    assert "infrastructure_failures" in ask_doctor(house)
    assert replay_failures(house.store, None, "retry_horizon", 0.0, house.clock) == 5
    house.settle()
    assert statuses(house) == {"curated"}
