"""The loop that fills Truth, as Dagster calls it."""

from __future__ import annotations

from pathlib import Path

import pytest

from parjanya_dagster.defs.sensors import arrivals_tick
from parjanya_dagster.defs.sensors.arrivals_tick import EASE, TICK_BUDGET, waits
from parjanya_dagster.platform import Platform
from tests.support.clock import NOON, Clock
from tests.support.ticks import tick

DAY = 86_400.0


@pytest.fixture
def landed(platform: Platform) -> Path:
    path = platform.settings.home / "buckets" / "acme" / "incoming" / "a.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    return path


@pytest.mark.usefixtures("landed")
def test_a_tick_registers_what_landed_and_asks_for_its_partition(
    platform: Platform, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tick(platform, clock, monkeypatch)
    (request,) = found.dynamic_partitions_requests or []
    assert list(request.partition_keys) == platform.store.batches()
    assert len(found.asset_events) == 1
    assert arrivals_tick.ARRIVALS_BEAT in platform.store.heartbeats()


@pytest.mark.usefixtures("landed")
def test_a_tick_waits_after_a_long_sweep_and_not_for_a_time_that_never_comes(
    platform: Platform, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = tick(platform, clock, monkeypatch, next_sweep=NOON + 100)
    assert waiting.skip_reason is not None
    assert platform.store.batches() == []
    # The clock was a day ahead when the last tick wrote this.
    tick(platform, clock, monkeypatch, next_sweep=NOON + DAY, next_departures=NOON + DAY)
    assert len(platform.store.batches()) == 1


def test_waiting_is_bounded_by_the_longest_pause_there_is() -> None:
    assert not waits(0.0, NOON)
    assert not waits(NOON, NOON)
    assert waits(NOON + 1, NOON)
    assert waits(NOON + EASE * TICK_BUDGET, NOON)
    assert not waits(NOON + EASE * TICK_BUDGET + 1, NOON)
