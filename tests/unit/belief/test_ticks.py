"""What Dagster's own records say of its processes: a real instance, records as it writes them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dagster import DagsterInstance, instance_for_test
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.scheduler.instigation import TickStatus

from parjanya_dagster.belief.snapshot import SensorSeen
from parjanya_dagster.belief.ticks import daemon_beat, sensors_seen
from tests.support.dagster_ticks import NAME, daemon_lives, make_tick, switch_on


@pytest.fixture
def dagster() -> Iterator[DagsterInstance]:
    with instance_for_test() as instance:
        switch_on(instance)
        yield instance


def seen(dagster: DagsterInstance) -> SensorSeen:
    (one,) = sensors_seen(dagster, [NAME])
    return one


def test_a_tick_that_finds_no_code_location_says_so(dagster: DagsterInstance) -> None:
    assert seen(dagster).ticked_at is None
    make_tick(dagster, TickStatus.SKIPPED, 100.0)
    assert (seen(dagster).ticked_at, seen(dagster).ticking) == (100.0, False)
    away = DagsterUserCodeUnreachableError("Unable to reach the user code server for it.")
    make_tick(dagster, TickStatus.FAILURE, 105.0, away)
    assert (seen(dagster).unreachable, seen(dagster).failures) == (True, 1)
    make_tick(dagster, TickStatus.FAILURE, 110.0, ValueError("of the code itself"))
    assert (seen(dagster).unreachable, seen(dagster).failures) == (False, 2)
    make_tick(dagster, TickStatus.STARTED, 115.0)
    assert (seen(dagster).ticked_at, seen(dagster).ticking) == (115.0, True)


def test_the_daemon_beats(dagster: DagsterInstance) -> None:
    assert daemon_beat(dagster) is None
    daemon_lives(dagster, 123.0)
    assert daemon_beat(dagster) == 123.0
