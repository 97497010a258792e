"""Belief may be deleted at any moment: with a real Dagster instance, nothing is lost by it.

The instance, its run and event storage, the partition list, the jobs and their execution are
Dagster's own. The tick and the sensor's requests are ours. Only the work on pixels stands in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, DagsterRunStatus, Definitions, RunsFilter
from dagster._core.test_utils import create_run_for_test

from parjanya_dagster.belief.runs import DagsterBelief
from parjanya_dagster.belief.tags import PARTITIONS
from parjanya_dagster.defs import assets
from parjanya_dagster.defs.jobs import lane_jobs
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.defs.sensors.pending_rows import run_request
from parjanya_dagster.execution import stage_run
from parjanya_dagster.execution.stage_run import StageRunner
from parjanya_dagster.intent.plan import Request
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.models import Tenant
from parjanya_dagster.truth.requests import ClaimRequest
from parjanya_dagster.truth.stages import Status
from tests.simulation.bucket import Buckets
from tests.simulation.standing import Standing
from tests.support.clock import Clock

IMAGES = 6


class Instance:
    """A Dagster instance that can be thrown away, and the platform that cannot."""

    def __init__(self, home: Path, place: Platform) -> None:
        self.home, self.place, self.count = home, place, 0
        self.dagster = self._new()

    def _new(self) -> DagsterInstance:
        self.count += 1
        folder = self.home / f"dagster-{self.count}"
        folder.mkdir(parents=True)
        return DagsterInstance.local_temp(str(folder))

    def replace(self) -> None:
        """Delete all of Dagster's storage: runs, events, partitions, sensor state."""
        self.dagster.dispose()
        self.dagster = self._new()

    def tick(self) -> tuple[Request, ...]:
        """What the sensor `pending_rows` does. The runs it asks for are not created yet."""
        loop = self.place.loop(DagsterBelief(self.dagster, self.place.lanes))
        for emission in loop.tick():
            self.dagster.add_dynamic_partitions(PARTITIONS, list(emission.add_keys))
        return emission.runs

    def create(self, request: Request, status: DagsterRunStatus) -> str:
        """Create a run of a request, and leave it at that: its process never was, or is gone."""
        asked = run_request(request)
        return create_run_for_test(
            self.dagster, job_name=asked.job_name, status=status, tags=dict(asked.tags)
        ).run_id

    def execute(self, request: Request) -> None:
        asked = run_request(request)
        defs = Definitions(
            assets=[assets.uploads, *assets.STAGE_ASSETS],
            jobs=lane_jobs(self.place.lanes),
            resources={"platform": PlatformResource()},
        )
        result = defs.resolve_job_def(asked.job_name or "").execute_in_process(
            instance=self.dagster, tags=dict(asked.tags), asset_selection=asked.asset_selection
        )
        assert result.success

    def terminal(self) -> bool:
        return all(
            Status(row.pipeline_status).terminal
            for row in self.place.store.rows(self.place.store.batches())
        )

    def work_off(self, ticks: int = 5) -> None:
        for _ in range(ticks):
            for request in self.tick():
                self.execute(request)
            if self.terminal():
                return
            self.place.clock.pass_by(300)  # type: ignore[attr-defined]
        raise AssertionError("rows are left that are not terminal")


@pytest.fixture
def instance(
    platform: Platform, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Instance]:
    retried: set[str] = set()
    monkeypatch.setattr(stage_run, "stage_work", lambda _, stage, __: Standing(stage, retried))
    monkeypatch.setattr(assets, "_preload", lambda *_: None)
    monkeypatch.setattr(assets, "_report", lambda *_: None)
    monkeypatch.setattr("parjanya_dagster.defs.resources.shared_platform", lambda: platform)
    platform.store.put_tenant(
        Tenant(slug="acme", bucket="acme", prefix="incoming/", policy="default@2")
    )
    buckets = Buckets()
    platform.store.register(
        [buckets.upload("acme", f"incoming/{n}.jpg", platform.clock()) for n in range(IMAGES)],
        platform.clock(),
    )
    instance = Instance(tmp_path, replace(platform, pause=clock.pass_by))
    yield instance
    instance.dagster.dispose()


def curated(place: Platform) -> int:
    rows = place.store.rows(place.store.batches())
    for row in rows:
        done = [e.from_status for e in place.store.history(row.image_id) if e.kind == "completed"]
        assert len(done) == len(set(done)), "something was done twice"
    return sum(row.pipeline_status == Status.CURATED for row in rows)


def test_a_wiped_partition_list_comes_back_by_itself(instance: Instance) -> None:
    instance.tick()
    for key in instance.dagster.get_dynamic_partitions(PARTITIONS):
        instance.dagster.delete_dynamic_partition(PARTITIONS, key)
    instance.work_off()
    assert curated(instance.place) == IMAGES


def test_wiping_all_of_dagster_between_intent_and_execution_loses_nothing(
    instance: Instance,
) -> None:
    """Runs were queued and are forgotten. The same work is asked for under another run key."""
    (request,) = instance.tick()
    instance.create(request, DagsterRunStatus.NOT_STARTED)
    assert instance.tick() == (), "the run that waits is intent"
    instance.replace()
    (again,) = instance.tick()
    assert again.keys == request.keys
    assert again.run_key != request.run_key
    instance.work_off()
    assert curated(instance.place) == IMAGES


def test_wiping_all_of_dagster_in_the_middle_of_a_journey_loses_nothing(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = assets.run_asset

    def interrupted(context: Any, platform: Platform, runner: StageRunner, stage: str) -> Any:
        if stage == "scored":
            raise KeyboardInterrupt
        return real(context, platform, runner, stage)

    (request,) = instance.tick()
    with monkeypatch.context() as patch:
        patch.setattr(assets, "run_asset", interrupted)
        with pytest.raises(KeyboardInterrupt):
            instance.execute(request)
    assert curated(instance.place) == 0
    instance.replace()
    instance.work_off()
    assert curated(instance.place) == IMAGES


def test_a_run_whose_process_died_with_everything_is_marked_failed_and_its_rows_go_on(
    instance: Instance, clock: Clock
) -> None:
    """The code server and the daemon were killed too: Dagster would show it as running for ever."""
    import time

    clock.now = time.time()  # the instance stamps its runs with the machine's clock
    (request,) = instance.tick()
    run_id = instance.create(request, DagsterRunStatus.STARTED)
    held = instance.place.store.claim(
        ClaimRequest(stage="validated", batches=request.keys, limit=2, owner=run_id, lease=120.0),
        clock(),
    )
    assert len(held) == 2
    for _ in range(20):
        clock.pass_by(30)
        if instance.tick():
            break
    run = instance.dagster.get_run_by_id(run_id)
    assert run is not None
    assert run.status is DagsterRunStatus.FAILURE
    clock.pass_by(60)
    instance.work_off()
    assert curated(instance.place) == IMAGES
    live = instance.dagster.get_run_records(RunsFilter(statuses=[DagsterRunStatus.STARTED]))
    assert live == []
