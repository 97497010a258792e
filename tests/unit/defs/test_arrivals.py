"""The sensors as Dagster calls them: what their loops yield becomes Dagster's objects."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from dagster import DagsterInstance, SensorResult, build_sensor_context

from parjanya_dagster.belief.tags import PARTITIONS, RANGE_END, RANGE_START
from parjanya_dagster.defs import resources
from parjanya_dagster.defs.jobs import lane_jobs
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.defs.sensors.pending_rows import pending_rows_sensor
from parjanya_dagster.ingest.watch import ARRIVALS_BEAT
from parjanya_dagster.platform import Platform
from tests.support import world
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
    result = tick(platform, clock, monkeypatch)
    (request,) = result.dynamic_partitions_requests or []
    assert list(request.partition_keys) == platform.store.batches()
    assert len(result.asset_events) == 1
    assert ARRIVALS_BEAT in platform.store.heartbeats()


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


# --- pending_rows -------------------------------------------------------------------------------


def reconcile(
    platform: Platform, clock: Clock, monkeypatch: pytest.MonkeyPatch, instance: DagsterInstance
) -> SensorResult:
    ready = replace(platform, pause=clock.pass_by)
    monkeypatch.setattr(resources, "shared_platform", lambda: ready)
    jobs = lane_jobs(platform.lanes)
    resource = {"platform": PlatformResource()}
    with build_sensor_context(instance=instance, resources=resource) as context:
        result = pending_rows_sensor(platform.lanes, jobs)(context)
    assert isinstance(result, SensorResult)
    return result


def test_what_is_due_gets_its_partition_and_then_a_run_over_it(
    platform: Platform, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.arrive(platform.store, 3, now=clock())
    (batch,) = platform.store.batches()
    with DagsterInstance.ephemeral() as instance:
        result = reconcile(platform, clock, monkeypatch, instance)
        assert list(instance.get_dynamic_partitions(PARTITIONS)) == [batch]
    (request,) = result.run_requests or []
    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == (batch, batch)
    assert request.job_name == platform.lanes[0].job
    assert result.skip_reason is None


def test_a_tick_with_nothing_to_do_says_so(
    platform: Platform, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DagsterInstance.ephemeral() as instance:
        result = reconcile(platform, clock, monkeypatch, instance)
    assert not result.run_requests
    assert result.skip_reason is not None
    assert result.skip_reason.skip_message == "Nothing is due."
