"""What is old in Dagster's storage is let go; Truth never is. A real storage, aged by hand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus
from sqlalchemy import func, select

from parjanya_dagster.belief.drift import note_running, running
from parjanya_dagster.belief.observe import observe
from parjanya_dagster.belief.retention import DAY, RETENTION_BEAT, Retained, Retention
from parjanya_dagster.belief.runs import DagsterBelief
from parjanya_dagster.belief.tags import PARTITION, PARTITIONS
from parjanya_dagster.defs import resources
from parjanya_dagster.defs.schedules import retention_job
from parjanya_dagster.intent.plan import plan
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.outcomes import TerminalFailure
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.sql import SqlStore
from parjanya_dagster.truth.sql.schema import events, evidence, images
from tests.support import world
from tests.support.clock import NOON, Clock
from tests.support.dagster_runs import make_run


@pytest.fixture
def instance(empty_dagster: Path, tmp_path: Path) -> Iterator[DagsterInstance]:
    folder = shutil.copytree(empty_dagster, tmp_path / "dagster")
    with DagsterInstance.local_temp(str(folder)) as instance:
        yield instance


def let_go(platform: Platform, instance: DagsterInstance, **options: float) -> Retained:
    chosen = {"runs_days": 35.0, "keys_days": 30.0, **options}
    place = platform
    return Retention(place.store, instance, place.lanes, place.clock, **chosen).run()


def runs(instance: DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs()}


def keys(instance: DagsterInstance) -> set[str]:
    return set(instance.get_dynamic_partitions(PARTITIONS))


def decided(platform: Platform, instance: DagsterInstance, count: int = 3) -> str:
    """A batch whose images are decided and whose manifest is written. Returns its key."""
    world.arrive(platform.store, count)
    world.carry(platform.store)
    for batch, changes in platform.store.stale_manifests().items():
        platform.store.manifest_written(batch, changes)
    (key,) = platform.store.batches()
    instance.add_dynamic_partitions(PARTITIONS, [key])
    return key


def test_ended_runs_and_their_events_go_after_their_time_and_live_ones_never(
    platform: Platform, instance: DagsterInstance
) -> None:
    old = make_run(instance, NOON - 36 * DAY)
    failed = make_run(instance, NOON - 36 * DAY, DagsterRunStatus.FAILURE)
    recent = make_run(instance, NOON - 34 * DAY)
    working = make_run(instance, NOON - 90 * DAY, DagsterRunStatus.STARTED)
    queued = make_run(instance, NOON - 90 * DAY, DagsterRunStatus.QUEUED)
    run = instance.get_run_by_id(old)
    assert run is not None
    instance.report_engine_event("it was here", run)
    assert instance.all_logs(old)
    done = let_go(platform, instance)
    assert (done.runs, done.complete) == (2, True)
    assert runs(instance) == {recent, working, queued}
    for run_id in (old, failed):
        events = instance.event_log_storage.path_for_shard(run_id)  # type: ignore[attr-defined]
        assert not Path(events).exists()
    assert let_go(platform, instance).runs == 0


def test_a_decided_partition_goes_and_its_truth_stays(
    platform: Platform, instance: DagsterInstance, clock: Clock
) -> None:
    key = decided(platform, instance)
    clock.pass_by(29 * DAY)
    assert let_go(platform, instance).keys == 0
    clock.pass_by(3 * DAY)
    assert let_go(platform, instance).keys == 1
    assert keys(instance) == set()
    assert len(platform.store.rows([key])) == 3


@pytest.mark.parametrize("why", ["pending", "stale manifest", "a live run", "somebody else's"])
def test_a_partition_that_is_needed_stays(
    platform: Platform, instance: DagsterInstance, clock: Clock, why: str
) -> None:
    key = decided(platform, instance)
    if why == "pending":
        world.arrive(platform.store, 4)  # one more than there were
    elif why == "stale manifest":
        (one, *_) = platform.store.rows([key])
        platform.store.reset_images([one.image_id], Reset(stage="curated", reason="again"), clock())
        world.carry(platform.store)
    elif why == "a live run":
        make_run(instance, clock(), DagsterRunStatus.STARTED, **{PARTITION: key})
    else:
        instance.delete_dynamic_partition(PARTITIONS, key)
        instance.add_dynamic_partitions(PARTITIONS, ["not one of ours"])
    before = keys(instance)
    clock.pass_by(60 * DAY)
    let_go(platform, instance)
    assert keys(instance) == before


def test_failed_images_are_as_terminal_as_decided_ones(
    platform: Platform, instance: DagsterInstance, clock: Clock
) -> None:
    world.arrive(platform.store, 1)
    world.commit(platform.store, world.claim(platform.store), TerminalFailure("truncated", "x"))
    for batch, changes in platform.store.stale_manifests().items():
        platform.store.manifest_written(batch, changes)
    instance.add_dynamic_partitions(PARTITIONS, platform.store.batches())
    clock.pass_by(60 * DAY)
    assert let_go(platform, instance).keys == 1


def test_a_partition_that_was_let_go_comes_back_when_a_row_of_it_is_due(
    platform: Platform, instance: DagsterInstance, clock: Clock
) -> None:
    key = decided(platform, instance)
    clock.pass_by(60 * DAY)
    let_go(platform, instance)
    platform.store.reset([key], Reset(stage="scored", reason="again"), clock(), "replay-1")
    seen = observe(platform.store, DagsterBelief(instance, platform.lanes), clock())
    wanted = plan(seen, platform.lanes, platform.limits, 1)
    assert wanted.add_keys == (key,)
    assert [request.keys for request in wanted.requests] == [(key,)]


def test_nothing_of_truth_is_ever_deleted(
    platform: Platform, instance: DagsterInstance, clock: Clock
) -> None:
    decided(platform, instance)
    store = platform.store
    assert isinstance(store, SqlStore)

    def held() -> list[int]:
        with store.engine.connect() as connection:
            return [
                connection.scalar(select(func.count()).select_from(table)) or 0
                for table in (images, evidence, events)
            ]

    before = held()
    assert all(before)
    clock.pass_by(3650 * DAY)
    let_go(platform, instance)
    assert held() == before


def test_zero_days_keeps_for_ever(
    platform: Platform, instance: DagsterInstance, clock: Clock
) -> None:
    key = decided(platform, instance)
    kept = make_run(instance, NOON - 900 * DAY)
    clock.pass_by(3650 * DAY)
    done = let_go(platform, instance, runs_days=0.0, keys_days=0.0)
    assert (done.runs, done.keys) == (0, 0)
    assert (runs(instance), keys(instance)) == ({kept}, {key})


def test_a_pass_is_bounded_in_time_and_the_next_one_goes_on(
    platform: Platform, instance: DagsterInstance
) -> None:
    make_run(instance, NOON - 90 * DAY)
    done = let_go(platform, instance, seconds=0.0)
    assert (done.runs, done.complete) == (0, False)
    assert let_go(platform, instance).runs == 1


def test_a_pass_says_that_it_was_and_forgets_what_ran_long_ago(
    platform: Platform, instance: DagsterInstance, clock: Clock
) -> None:
    note_running(platform.store, "embedded", {"code": "a"}, "r1", NOON - 31 * DAY)
    note_running(platform.store, "embedded", {"code": "b"}, "r2", NOON - 29 * DAY)
    assert let_go(platform, instance).identities == 1
    assert [run_id for _, _, run_id, _ in running(platform.store)] == ["r2"]
    assert platform.store.heartbeats()[RETENTION_BEAT].payload["complete"] is True


def test_the_job_does_it_as_dagster_runs_it(
    platform: Platform, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make_run(instance, NOON - 90 * DAY)
    monkeypatch.setattr(resources, "shared_platform", lambda: replace(platform))
    from parjanya_dagster.defs.resources import PlatformResource

    done = retention_job.execute_in_process(
        instance=instance, resources={"platform": PlatformResource()}
    )
    assert done.success
    assert old not in runs(instance)
