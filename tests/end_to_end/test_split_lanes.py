"""A cpu and a gpu lane over PostgreSQL, Dagster's own storage included."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from dagster import AssetKey

from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.lanes import SPLIT
from parjanya_dagster.truth.stages import STAGES
from tests.support.instance import Instance
from tests.support.pictures import picture
from tests.support.servers import PostgresServer

START = "dagster/asset_partition_range_start"
IMAGES = {
    "acme": {
        **{f"{n}.jpg": picture(n) for n in range(5)},
        **{f"text-{n}.jpg": f"Buy {n} litres.\n".encode() for n in range(Limits().fewest_rows)},
    },
    "bolt": {f"{n}.png": picture(50 + n, kind="PNG") for n in range(3)},
}


@pytest.fixture(scope="module")
def instance(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Instance]:
    """Images lie there before it starts; it settles."""
    name = postgres.create_database()
    home = tmp_path_factory.mktemp("split") / "home"
    instance = Instance(home, lanes__layout="split", truth__url=postgres.url(name))
    for tenant, files in IMAGES.items():
        instance.incoming(tenant).mkdir(parents=True)
        for file, data in files.items():
            (instance.incoming(tenant) / file).write_bytes(data)
    try:
        instance.start()
        expected = {tenant: len(files) for tenant, files in IMAGES.items()}
        instance.until(lambda: instance.settled(expected), "every image is terminal")
        instance.until(instance.idle, "every run has ended")
        yield instance
    finally:
        instance.close()
        postgres.drop_database(name)


def test_images_go_through_both_lanes_once(instance: Instance) -> None:
    store = instance.platform.store
    for tenant in IMAGES:
        for name, row in instance.rows(tenant).items():
            stages = [one.stage for one in store.all_evidence(row.image_id)]
            if name.startswith("text"):
                assert (row.pipeline_status, row.failure_class) == ("failed", "not_an_image")
            else:
                assert (row.pipeline_status, stages) == ("curated", list(STAGES))
    assert all(one.registered == one.rows for one in store.counts())


def test_much_is_validated_apart_and_little_goes_along(instance: Instance) -> None:
    """While nobody knows how long an image takes, 25 are much, and 3 are little."""
    batches = set(instance.platform.store.batches())
    with instance.dagster() as dagster:
        runs = dagster.get_runs()
        for stage in STAGES:
            assert dagster.get_materialized_partitions(AssetKey(stage)) == batches
    assert all(run.is_success for run in runs)
    stages = {lane.name: set(lane.reach) for lane in SPLIT}
    lanes = {run.tags["parjanya/lane"] for run in runs}
    assert lanes == stages.keys()
    for run in runs:
        assert {key.path[-1] for key in run.asset_selection or ()} <= stages[
            run.tags["parjanya/lane"]
        ]
        assert run.tags[START] in batches
    of_bolt = [one for one in runs if one.tags[START].startswith("bolt/")]
    assert {run.tags["parjanya/lane"] for run in of_bolt} == {"gpu"}
    assert len(runs) < sum(len(files) for files in IMAGES.values())


def test_dagster_keeps_its_records_in_the_same_database(instance: Instance) -> None:
    with instance.dagster() as dagster:
        assert type(dagster.run_storage).__name__ == "PostgresRunStorage"
    assert not (instance.home / "truth.db").exists()


def test_sigkill_leaves_no_process_either(instance: Instance) -> None:
    assert len(instance.processes()) > 3
    instance.stop(signal.SIGKILL)
    instance.until_gone()
