"""Both lanes on ECS, by the launcher's configuration that the images hold.

Launcher, code location and doctor's reading are the real ones; ECS is moto, an emulator.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus

from parjanya_dagster.doctor.launchers import OfInstance
from tests.deploy.ecs_account import GPUS, Account, create_account, metadata
from tests.support.forking import Program
from tests.support.servers import MotoServer
from tests.support.waiting import tail

ROOT = Path(__file__).parents[2]
INSTANCE = ROOT / "deploy" / "ecs" / "instance" / "dagster.yaml"


@dataclass
class Launched:
    """One run of each lane, launched on ECS."""

    account: Account
    dagster: DagsterInstance
    runs: dict[str, DagsterRun]  # by lane


@pytest.fixture(scope="module")
def launched(moto: MotoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    home = tmp_path_factory.mktemp("ecs")
    with pytest.MonkeyPatch.context() as environment:
        for name, value in moto.environment.items():
            environment.setenv(name, value)
        account = create_account(moto.url, moto.environment["AWS_REGION"])
        with metadata(account) as uri:
            for name, value in {
                "ECS_CONTAINER_METADATA_URI_V4": uri,
                "PARJANYA_HOME": str(home),
                "PARJANYA_LANES__LAYOUT": "split",
                "PARJANYA_LANES__LAUNCHER": "ecs",
                "PARJANYA_TRUTH__URL": "dynamodb://truth",
                "PARJANYA_ENGINES__ENRICHER": "transformers",
                "PARJANYA_OBJECTS__URL": (home / "buckets").as_uri(),
                "PARJANYA_RUN_TASK_DEFINITION": account.cpu_run,
                "PARJANYA_LANES__GPU__TASK_DEFINITION": account.gpu_run,
                "PARJANYA_LANES__GPU__CAPACITY_PROVIDER": GPUS,
                "DAGSTER_HOME": str(home / "dagster"),
            }.items():
                environment.setenv(name, value)
            write_instance(home / "dagster")
            for lane in ("cpu", "gpu"):
                launch(home, lane)
            with DagsterInstance.from_config(str(home / "dagster")) as dagster:
                runs = {run.tags["parjanya/lane"]: run for run in dagster.get_runs()}
                yield Launched(account, dagster, runs)


def write_instance(folder: Path) -> None:
    """The launcher as the images configure it; records in a file, and no queue before it."""
    folder.mkdir()
    launcher = yaml.safe_load(INSTANCE.read_text())["run_launcher"]
    config = {
        "telemetry": {"enabled": False},
        "storage": {"sqlite": {"base_dir": str(folder / "storage")}},
        "run_launcher": launcher,
        "run_coordinator": {
            "module": "dagster.core.run_coordinator",
            "class": "DefaultRunCoordinator",
        },
    }
    (folder / "dagster.yaml").write_text(yaml.safe_dump(config))


def launch(home: Path, lane: str) -> None:
    """`dagster job launch`, as a person would, through a code server of its own."""
    log = home / f"{lane}.log"
    launching = Program(
        "dagster", "job", "launch", "-m", "parjanya_dagster.definitions", "-j", f"{lane}_lane_job",
        environment=os.environ, folder=home, output=log,
    )  # fmt: skip
    assert launching.wait(900) == 0, tail(log)


def task(launched: Launched, lane: str) -> dict[str, Any]:
    return launched.account.tasks()[launched.runs[lane].run_id]


def test_each_lane_runs_as_its_own_task_definition(launched: Launched) -> None:
    account = launched.account
    assert task(launched, "cpu")["taskDefinitionArn"] == account.cpu_run
    assert task(launched, "gpu")["taskDefinitionArn"] == account.gpu_run


def test_a_gpu_is_asked_for_exactly_in_the_gpu_lane(launched: Launched) -> None:
    asked = {
        lane: [
            one.get("resourceRequirements", [])
            for one in task(launched, lane)["overrides"]["containerOverrides"]
        ]
        for lane in ("cpu", "gpu")
    }
    assert asked == {"cpu": [[]], "gpu": [[{"type": "GPU", "value": "1"}]]}


def test_lanes_get_the_cores_and_memory_they_need(launched: Launched) -> None:
    for lane, cpu, memory in (("cpu", 4096, 8192), ("gpu", 7168, 26_624)):
        (one,) = task(launched, lane)["overrides"]["containerOverrides"]
        assert (one["name"], one["cpu"], one["memory"]) == ("run", cpu, memory)
        assert one["command"][:3] == ["dagster", "api", "execute_run"]


def test_only_the_gpu_lane_leaves_fargate(launched: Launched) -> None:
    strategies = {
        lane: json.loads(run.tags["ecs/run_task_kwargs"]).get("capacityProviderStrategy")
        if "ecs/run_task_kwargs" in run.tags
        else None
        for lane, run in launched.runs.items()
    }
    assert strategies == {"cpu": None, "gpu": [{"capacityProvider": GPUS, "weight": 1}]}
    assert task(launched, "cpu")["launchType"] == "FARGATE"
    assert task(launched, "gpu").get("launchType") != "FARGATE"


def test_tasks_that_run_are_no_obstacle(launched: Launched) -> None:
    ids = [run.run_id for run in launched.runs.values()]
    assert OfInstance(launched.dagster).obstacles(ids) == []


def test_a_terminated_run_stops_its_task(launched: Launched) -> None:
    run = launched.runs["gpu"]
    assert launched.dagster.run_launcher.terminate(run.run_id)
    seen = launched.dagster.get_run_by_id(run.run_id)
    assert seen is not None
    assert seen.status is DagsterRunStatus.CANCELING
    assert task(launched, "gpu")["desiredStatus"] == "STOPPED"
    assert task(launched, "cpu")["desiredStatus"] == "RUNNING"
