"""The chain on a real instance: images land while it runs, and Truth settles.

The tests share one instance and follow one another: the last ones stop it and start it again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas
import pytest
from dagster import AssetCheckKey, AssetKey, AssetRecordsFilter, DagsterRun, RunsFilter

from parjanya_dagster.execution.manifest import manifest_key
from parjanya_dagster.truth.stages import STAGES
from tests.support.instance import Instance
from tests.support.pictures import picture

ACME = {  # file -> bytes, ingested by the command line
    **{f"day one/{n:02}.jpg": picture(n) for n in range(10)},
    "day one/colour #1 (ä).png": picture(10, kind="PNG"),
    "day one/eleven.webp": picture(11, kind="WEBP"),
    "day one/truncated.jpg": picture(12)[:6000],
    "day one/empty.jpg": b"",
    "day one/text.jpg": b"Buy milk.\nCall the framer.\n",
}
ACME_AGAIN = {"again.jpg": ACME["day one/00.jpg"], "eleven-again.webp": ACME["day one/eleven.webp"]}
BOLT = {  # copied by hand into a bucket that nobody registered
    **{f"{n}.jpg": picture(100 + n) for n in range(6)},
    "broken.png": picture(110, kind="PNG")[:3000],
}
SLOW = picture(200)
FAILED = {
    "day one/truncated.jpg": "truncated",
    "day one/empty.jpg": "empty",
    "day one/text.jpg": "not_an_image",
    "broken.png": "truncated",
}


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An instance that has seen everything land, some of it badly, and has settled."""
    instance = Instance(tmp_path_factory.mktemp("chain") / "home", of_its_own=True, standby=1)
    try:
        instance.start()
        land(instance, tmp_path_factory.mktemp("uploads"))
        expected = {"acme": len(ACME) + len(ACME_AGAIN), "bolt": len(BOLT) + 1}
        instance.until(lambda: instance.settled(expected), "every image is terminal")
        instance.until(instance.idle, "every run has ended")
        yield instance
    finally:
        instance.close()


def land(instance: Instance, folder: Path) -> None:
    """Drop images in for two tenants, in each way that there is."""
    incoming = instance.incoming("bolt")
    incoming.mkdir(parents=True)
    with (incoming / "slow.jpg").open("wb") as slow:
        slow.write(SLOW[:5000])
        slow.flush()
        write(folder / "first", ACME)
        done = instance.parjanya("ingest", "--tenant", "acme", str(folder / "first" / "day one"))
        assert done.returncode == 0, done.stderr
        write(incoming, BOLT)
        # The sweep has met the file that is being written, and took everything else.
        instance.until(
            lambda: instance.rows("bolt").keys() == BOLT.keys() and unfinished(instance) == 1,
            "all but the unfinished file is registered",
        )
        assert "slow.jpg" not in instance.rows("bolt")
        slow.write(SLOW[5000:])
    write(folder / "second", ACME_AGAIN)
    done = instance.parjanya(
        "ingest", "--tenant", "acme", *(str(folder / "second" / name) for name in ACME_AGAIN)
    )
    assert done.returncode == 0, done.stderr


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def unfinished(instance: Instance) -> int:
    beat = instance.platform.store.heartbeats().get("arrivals")
    return int(beat.payload["unfinished"]) if beat else 0


def everything(instance: Instance):  # type: ignore[no-untyped-def]
    return {**instance.rows("acme"), **instance.rows("bolt")}


def test_every_image_that_can_be_curated_is_curated_and_the_others_fail_with_their_class(
    instance: Instance,
) -> None:
    rows = everything(instance)
    assert rows.keys() == {*ACME, *ACME_AGAIN, *BOLT, "slow.jpg"}
    for name, row in rows.items():
        if name in FAILED:
            assert (row.pipeline_status, row.failure_class) == ("failed", FAILED[name]), name
            assert row.failure_reason
        else:
            assert row.pipeline_status == "curated", (name, row.failure_reason)
            assert row.verdict in ("accept", "review", "reject")
            assert row.policy == "default@3"


def test_a_file_written_slowly_is_registered_once_and_whole(instance: Instance) -> None:
    rows = instance.platform.store.find("incoming/slow.jpg", "bolt")
    assert [row.size for row in rows] == [len(SLOW)]


def test_the_same_bytes_under_another_name_are_rejected_as_a_duplicate(instance: Instance) -> None:
    rows = instance.rows("acme")
    for again, first in (
        ("again.jpg", "day one/00.jpg"),
        ("eleven-again.webp", "day one/eleven.webp"),
    ):
        decision = instance.platform.store.evidence([rows[again]])[rows[again].image_id]["curated"]
        assert decision.body["duplicate_of"] == rows[first].image_id
        assert rows[again].verdict == "reject"


def test_each_image_was_worked_once(instance: Instance) -> None:
    store = instance.platform.store
    for name, row in everything(instance).items():
        kinds = [event.kind for event in store.history(row.image_id) if event.kind != "claimed"]
        stages = [one.stage for one in store.all_evidence(row.image_id)]
        if name in FAILED:
            assert (kinds, stages) == (["registered", "failed"], []), name
        else:
            assert kinds == ["registered", *["completed"] * len(STAGES)], name
            assert stages == list(STAGES), name
        assert row.lease_owner is None


def test_nothing_is_missing_by_the_conservation_law(instance: Instance) -> None:
    counts = {one.tenant: one for one in instance.platform.store.counts()}
    assert counts.keys() == {"acme", "bolt"}
    for one in counts.values():
        assert one.registered == one.rows + one.departed
        assert one.departed == 0


def test_the_manifest_of_each_batch_holds_exactly_its_rows(instance: Instance) -> None:
    store = instance.platform.store
    rows = everything(instance)
    assert {row.batch for row in rows.values()} == set(store.batches())
    for batch in store.batches():
        tenant = batch.split("/")[0]
        manifest = pandas.read_parquet(instance.home / "buckets" / tenant / manifest_key(batch))
        mine = {row.image_id: row for row in rows.values() if row.batch == batch}
        assert sorted(manifest["image_id"]) == sorted(mine)
        for record in manifest.to_dict("records"):
            row = mine[record["image_id"]]
            assert record["status"] == row.pipeline_status
            assert (
                record["verdict"] if record["verdict"] is not pandas.NA else None
            ) == row.verdict
            assert list(record["reasons"]) == list(row.reasons)


def test_each_asset_is_materialized_for_each_partition_with_what_people_want_to_see(
    instance: Instance,
) -> None:
    batches = instance.platform.store.batches()
    with instance.dagster() as dagster:
        assert set(dagster.get_dynamic_partitions("image_batches")) == set(batches)
        for stage in STAGES:
            assert dagster.get_materialized_partitions(AssetKey(stage)) == set(batches)
        for batch in batches:
            found = dagster.fetch_materializations(
                AssetRecordsFilter(AssetKey("curated"), asset_partitions=[batch]), limit=1
            )
            metadata = found.records[0].asset_materialization.metadata  # type: ignore[union-attr]
            assert metadata["images"].value == len(instance.rows(batch.split("/")[0]))
            assert metadata["pending"].value == 0
            assert "data:image/webp;base64," in str(metadata["contact_sheet"].value)
            assert len(str(metadata)) < 100_000


def test_the_checks_ran_and_passed(instance: Instance) -> None:
    names = ("no_rows_stuck", "failure_rate", "conservation", "doctor_finds_nothing")
    keys = [AssetCheckKey(AssetKey("curated"), name) for name in names]
    with instance.dagster() as dagster:
        latest = dagster.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    assert {key.name: latest[key].status.value for key in latest} == dict.fromkeys(
        names, "SUCCEEDED"
    )


def test_the_doctor_finds_nothing_while_it_runs(instance: Instance) -> None:
    done = instance.parjanya("doctor", "--json")
    assert done.returncode == 0, done.stdout + done.stderr


def test_runs_cover_ranges_of_partitions_and_not_single_images(instance: Instance) -> None:
    with instance.dagster() as dagster:
        runs = dagster.get_runs()
    assert all(run.is_success for run in runs), [(run.run_id, run.status) for run in runs]
    assert {run.job_name for run in runs} == {"embedded_lane_job"}
    assert all("dagster/asset_partition_range_start" in run.tags for run in runs)
    assert len(runs) < len(everything(instance)) / 3


def test_ingesting_and_looking_work_while_it_runs(instance: Instance) -> None:
    status = json.loads(instance.parjanya("status", "--json").stdout)
    assert [(one["tenant"], one["images"], one["law"]) for one in status["tenants"]] == [
        ("acme", len(ACME) + len(ACME_AGAIN), 0),
        ("bolt", len(BOLT) + 1, 0),
    ]
    assert status["loops"].keys() == {"arrivals", "reconciler"}
    explained = json.loads(instance.parjanya("explain", "again.jpg", "--json").stdout)
    assert explained["decision"]["verdict"] == "reject"
    assert [one["stage"] for one in explained["evidence"]] == list(STAGES)


REPLAY = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
MATERIALIZE = """
mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
REPOSITORY = {
    "repositoryName": "__repository__",
    "repositoryLocationName": "parjanya",
}


def decisions(instance: Instance, batch: str) -> set[int]:
    """How often the images of a batch that could be curated were decided."""
    store = instance.platform.store
    counts = set()
    for row in store.rows([batch]):
        if row.pipeline_status == "curated":
            events = store.history(row.image_id)
            counts.add(sum(e.kind == "completed" and e.to_status == "curated" for e in events))
    return counts


def runs_of(instance: Instance, tag: str, value: str) -> list[DagsterRun]:
    with instance.dagster() as dagster:
        return list(dagster.get_runs(RunsFilter(tags={tag: value})))


def test_a_click_on_materialize_computes_the_partition_again_once(instance: Instance) -> None:
    batch, *others = sorted(instance.platform.store.batches())
    answer = instance.graphql(
        MATERIALIZE,
        params={
            "mode": "default",
            "selector": {
                **REPOSITORY,
                "jobName": "__ASSET_JOB",
                "assetSelection": [{"path": ["curated"]}],
                "assetCheckSelection": [],
            },
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": batch}]},
        },
    )["launchRun"]
    assert answer["__typename"] == "LaunchRunSuccess", answer
    instance.until(
        lambda: instance.idle() and decisions(instance, batch) == {2}, "decided a second time"
    )
    assert {frozenset(decisions(instance, other)) for other in others} == {frozenset({1})}
    for row in instance.platform.store.rows([batch]):
        assert len(instance.platform.store.all_evidence(row.image_id)) in (0, len(STAGES))


def test_a_backfill_of_curated_computes_each_partition_again_once(instance: Instance) -> None:
    """One after the other: two at once may rightly be answered by a single decision."""
    batches = sorted(instance.platform.store.batches())
    before = {batch: max(decisions(instance, batch)) for batch in batches}

    def decided_again(times: int) -> bool:
        return instance.idle() and all(
            decisions(instance, one) == {before[one] + times} for one in batches
        )

    by_assets = instance.graphql(
        REPLAY,
        params={"assetSelection": [{"path": ["curated"]}], "partitionNames": batches},
    )["launchPartitionBackfill"]
    assert by_assets["__typename"] == "LaunchBackfillSuccess", by_assets
    instance.until(lambda: decided_again(1), "the backfill of the asset decided everything once")
    by_job = instance.graphql(
        REPLAY,
        params={
            "selector": {
                "partitionSetName": "embedded_lane_job_partition_set",
                "repositorySelector": REPOSITORY,
            },
            "partitionNames": batches,
            "assetSelection": [{"path": ["curated"]}],
        },
    )["launchPartitionBackfill"]
    assert by_job["__typename"] == "LaunchBackfillSuccess", by_job
    instance.until(lambda: decided_again(2), "the backfill of the job decided everything once")
    assert instance.settled({"acme": len(ACME) + len(ACME_AGAIN), "bolt": len(BOLT) + 1})


def test_sigterm_leaves_no_process_and_a_second_start_finds_nothing_to_do(
    instance: Instance,
) -> None:
    assert instance.stop() == 0
    assert instance.processes() == []
    with instance.dagster() as dagster:
        runs = len(dagster.get_runs())
    store = instance.platform.store
    events = {r.image_id: len(store.history(r.image_id)) for r in everything(instance).values()}
    generation = store.heartbeats()["reconciler"].payload["generation"]
    instance.start()
    instance.until(
        lambda: store.heartbeats()["reconciler"].payload["generation"] > generation + 1,
        "the reconciler looked twice",
    )
    with instance.dagster() as dagster:
        assert len(dagster.get_runs()) == runs
    assert events == {
        r.image_id: len(store.history(r.image_id)) for r in everything(instance).values()
    }
