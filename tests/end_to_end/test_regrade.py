"""A regrade through a real instance: two tenants, there and back, killed in the middle.

The images have recorded evidence and no pixels: whoever asked a model for one would fail.
"""

from __future__ import annotations

import io
import json
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pandas
import pytest
from dagster import DagsterRun

from bench.recorded import land
from parjanya_dagster.execution.manifest import manifest_key, write_manifest
from parjanya_dagster.execution.stages.build import stage_work
from parjanya_dagster.execution.worker import Pace, work_off
from parjanya_dagster.instance.standby.launcher import PROCESS_TAG
from parjanya_dagster.platform import Platform, open_platform
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.models import ImageRow
from tests.support.instance import Instance
from tests.support.printed import printed

TENANTS = {"acme": 240, "bolt": 160, "calm": 60}
REGRADED = ("acme", "bolt")  # the third stays as it is
DECISION = ["key", "status", "verdict", "reasons", "policy", "policy_hash", "duplicate_of"]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An instance over three tenants whose images were decided under default@1."""
    home = tmp_path_factory.mktemp("regrade") / "home"
    instance = Instance(home, arrivals__batch_size="50")
    try:
        make_history(instance.platform)
        instance.start()
        instance.until(lambda: settled(instance), "the manifests are written")
        yield instance
    finally:
        instance.close()


def make_history(platform: Platform, policy: str = "default@1") -> None:
    for tenant, count in TENANTS.items():
        land(platform, tenant, count, policy=policy)
    work_off(
        platform.store,
        stage_work(platform, "curated", "first"),
        platform.store.batches(),
        owner="first",
        pace=Pace(rows=500),
        clock=platform.clock,
    )


def settled(instance: Instance) -> bool:
    store = instance.platform.store
    return not store.due(1e12) and not store.stale_manifests() and instance.idle()


def rows(instance: Instance, *tenants: str) -> dict[str, ImageRow]:
    store = instance.platform.store
    return {row.image_id: row for t in tenants for row in store.present(t, "", 10_000)}


def manifests(instance: Instance, *tenants: str) -> dict[str, bytes]:
    """The decision columns of the manifests as they lie in the buckets."""
    found = {}
    for tenant in tenants:
        for batch in instance.platform.store.batches(tenant):
            path = instance.home / "buckets" / tenant / manifest_key(batch)
            table: Any = pandas.read_parquet(io.BytesIO(path.read_bytes()))
            found[batch] = table[DECISION].to_json(orient="records").encode()
    return found


def regrade(instance: Instance, *arguments: str) -> subprocess.CompletedProcess[str]:
    tenants = [word for tenant in REGRADED for word in ("--tenant", tenant)]
    done = instance.parjanya("regrade", *tenants, "--yes", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return done


def runs_since(instance: Instance, known: set[str]) -> list[DagsterRun]:
    with instance.dagster() as dagster:
        return [run for run in dagster.get_runs() if run.run_id not in known]


def known_runs(instance: Instance) -> set[str]:
    with instance.dagster() as dagster:
        return {run.run_id for run in dagster.get_runs()}


def test_there_and_back_through_dagster_without_a_model(
    instance: Instance, fresh: dict[str, bytes]
) -> None:
    before, outside = manifests(instance, *REGRADED), rows(instance, "calm")
    known = known_runs(instance)
    said = printed("regrade", regrade(instance, "--to", "default@2", "--no-backfill").stdout)
    instance.until(lambda: settled(instance), "regraded and written")
    assert said["decided_again"] == sum(TENANTS[tenant] for tenant in REGRADED)
    assert {row.policy for row in rows(instance, *REGRADED).values()} == {"default@2"}
    runs = runs_since(instance, known)
    assert {run.job_name for run in runs} == {"embedded_lane_job"}
    assert len(runs) <= 4, "eight partitions do not make eight runs"
    for run in runs:
        assert run.tags[PROCESS_TAG], "it was forked, though nothing stands by"
        assert run.tags["parjanya/policy"] == "default@2"
        assert run.tags["parjanya/replay"] == said["replay_id"]
        assert {key.path[-1] for key in run.asset_selection or ()} == {"curated"}
    assert models_loaded(instance, runs) == set()
    assert manifests(instance, *REGRADED) == fresh
    assert rows(instance, "calm") == outside

    regrade(instance, "--to", "default@1", "--no-backfill")
    instance.until(lambda: settled(instance), "back and written")
    assert manifests(instance, *REGRADED) == before
    assert rows(instance, "calm") == outside


def models_loaded(instance: Instance, runs: list[DagsterRun]) -> set[str]:
    """What the runs say of the modules that only models need."""
    found: set[str] = set()
    with instance.dagster() as dagster:
        for run in runs:
            for record in dagster.all_logs(run.run_id):
                event = record.dagster_event
                if event is None or not event.is_step_materialization:
                    continue
                metadata = event.step_materialization_data.materialization.metadata
                said = str(metadata["run/models_loaded"].value)
                found |= set() if said == "none" else {said}
    return found


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The same evidence decided under default@2 from the start, in another Truth."""
    home = tmp_path_factory.mktemp("fresh") / "home"
    platform = open_platform(Settings(home=home, arrivals={"batch_size": 50}), migrating=True)
    make_history(platform, "default@2")
    for batch, decided in platform.store.stale_manifests().items():
        write_manifest(platform.store, platform.objects, batch, decided)
    found = {}
    for tenant in REGRADED:
        for batch in platform.store.batches(tenant):
            path = home / "buckets" / tenant / manifest_key(batch)
            table: Any = pandas.read_parquet(path)
            found[batch] = table[DECISION].to_json(orient="records").encode()
    platform.store.close()
    return found


def test_killed_in_the_middle_it_goes_on_and_ends_in_the_same_place(
    instance: Instance, fresh: dict[str, bytes]
) -> None:
    before = manifests(instance, *REGRADED)
    store = instance.platform.store
    tenants = [word for tenant in REGRADED for word in ("--tenant", tenant)]
    asking = instance.begun(
        "regrade", *tenants, "--yes", "--json", "--to", "default@2", "--no-backfill",
        log="asking.log",
    )  # fmt: skip
    instance.until(lambda: len(store.regrading()) >= 2, "some rows are sent back")
    asking.send_signal(signal.SIGKILL)
    asking.wait()
    instance.stop(signal.SIGKILL)
    instance.until_gone()
    instance.start()
    instance.until(lambda: not store.open_regrades(), "the reconciler sent back the rest")
    instance.until(lambda: settled(instance), "decided and written")
    assert manifests(instance, *REGRADED) == fresh
    regrade(instance, "--to", "default@1", "--no-backfill")
    instance.until(lambda: settled(instance), "back and written")
    assert manifests(instance, *REGRADED) == before


def test_with_the_ui_it_is_a_backfill_of_the_lane_job(instance: Instance) -> None:
    known = known_runs(instance)
    regrade(instance, "--to", "default@2")
    instance.until(lambda: settled(instance), "regraded and written")
    runs = runs_since(instance, known)
    assert {run.job_name for run in runs} == {"embedded_lane_job"}
    assert all("dagster/backfill" in run.tags for run in runs)
    assert {run.tags["parjanya/policy"] for run in runs} == {"default@2"}
    assert {row.policy for row in rows(instance, *REGRADED).values()} == {"default@2"}


def test_a_check_names_what_is_decided_under_another_version_than_its_pin(
    instance: Instance,
) -> None:
    assert instance.platform.store.mispinned() == []
    done = instance.parjanya("policy", "pin", "--tenant", "calm", "default@2")
    assert done.returncode == 0, done.stderr
    assert sum(one.rows for one in instance.platform.store.mispinned()) == TENANTS["calm"]


POLICY = """
mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""


def test_a_run_by_hand_decides_under_the_policy_of_its_config(instance: Instance) -> None:
    first, *others = instance.platform.store.batches("acme")
    answer = instance.graphql(
        POLICY,
        params={
            "mode": "default",
            "selector": {
                "repositoryName": "__repository__",
                "repositoryLocationName": "parjanya",
                "jobName": "embedded_lane_job",
                "assetSelection": [{"path": ["curated"]}],
                "assetCheckSelection": [],
            },
            "runConfigData": json.dumps({"ops": {"curated": {"config": {"policy": "default@1"}}}}),
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": first}]},
        },
    )["launchRun"]
    assert answer["__typename"] == "LaunchRunSuccess", answer
    store = instance.platform.store
    instance.until(
        lambda: {r.policy for r in store.rows([first])} == {"default@1"} and settled(instance),
        "decided under the policy of the run",
    )
    assert {r.policy for r in store.rows(others[:1])} == {"default@2"}
    assert store.tenant("acme").policy == "default@2"  # type: ignore[union-attr]
    assert {one.batch for one in store.mispinned() if one.tenant == "acme"} == {first}
