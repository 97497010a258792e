"""Releases as Dagster has them: a run for each that nobody writes, and a partition for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from dagster import AssetKey, DagsterInstance, SensorResult, build_sensor_context, materialize

from parjanya_dagster.belief.tags import PARTITION
from parjanya_dagster.defs import resources
from parjanya_dagster.defs.released import PARTITIONS, release_job, released
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.defs.sensors.releases import releases_sensor
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.releases import COMPLETE
from tests.support import releases as made

KEY = "acme/birds@1"


@pytest.fixture
def instance(decided: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[DagsterInstance]:
    monkeypatch.setattr(resources, "shared_platform", lambda: decided)
    with DagsterInstance.ephemeral() as instance:
        yield instance


def tick(instance: DagsterInstance, cursor: str | None = None) -> SensorResult:
    with build_sensor_context(
        instance=instance, cursor=cursor, resources={"platform": PlatformResource()}
    ) as context:
        result = releases_sensor(context)
    assert isinstance(result, SensorResult)
    return result


def run(instance: DagsterInstance, raises: bool = True) -> Any:
    return materialize(
        [released],
        instance=instance,
        partition_key=KEY,
        resources={"platform": PlatformResource()},
        raise_on_error=raises,
        selection=[released],
    )


def test_a_release_that_is_only_begun_is_written_by_a_run(
    decided: Platform, instance: DagsterInstance
) -> None:
    made.begun(decided)
    (request,) = tick(instance).run_requests or []
    assert request.partition_key == KEY
    assert list(instance.get_dynamic_partitions(PARTITIONS)) == [KEY]
    done = run(instance)
    (event,) = done.asset_materializations_for_node("released")
    assert event.metadata["state"].value == COMPLETE
    assert event.metadata["split/train"].value == made.PICTURES + 1
    assert decided.store.open_releases() == []
    assert not tick(instance).run_requests
    assert not tick(instance).asset_events  # Dagster knows of it


def test_dagsters_storage_is_left_alone_where_there_is_nothing_to_do(
    decided: Platform, instance: DagsterInstance
) -> None:
    now = repr(decided.clock())
    with build_sensor_context(cursor=now) as context:  # of no instance
        result = releases_sensor(context)
    assert isinstance(result, SensorResult)
    assert (result.run_requests, result.cursor) == ([], now)


def test_a_release_that_the_command_line_wrote_is_told_once(
    decided: Platform, instance: DagsterInstance
) -> None:
    made.released(decided)
    first = tick(instance)
    (event,) = first.asset_events
    assert (event.asset_key, event.partition) == (AssetKey("released"), KEY)  # type: ignore[union-attr]
    assert list(instance.get_dynamic_partitions(PARTITIONS)) == [KEY]
    assert not tick(instance, first.cursor).asset_events  # no look at all releases so soon


def test_a_run_over_a_complete_release_reads_it_back(
    decided: Platform, instance: DagsterInstance
) -> None:
    release = made.released(decided)
    instance.add_dynamic_partitions(PARTITIONS, [KEY])
    assert run(instance).success
    folder = decided.settings.home / "buckets" / "acme" / "releases" / release.ref
    (folder / "README.md").unlink()
    assert not run(instance, raises=False).success


def test_a_run_that_waits_covers_its_release(decided: Platform, instance: DagsterInstance) -> None:
    made.begun(decided)
    instance.add_dynamic_partitions(PARTITIONS, [KEY])
    from dagster._core.test_utils import create_run_for_test

    create_run_for_test(instance, job_name=release_job.name, tags={PARTITION: KEY})
    assert not tick(instance).run_requests
