"""What each launcher is told of a lane. That launchers understand it is shown in tests/deploy."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from parjanya_dagster.errors import SettingsInvalid
from parjanya_dagster.lanes import EMBEDDED, SPLIT, Lane
from parjanya_dagster.lanes.placement import GPU, Placement, placed

GPUS = {"gpu": Placement(capacity_provider="gpus")}


def kubernetes(lanes: tuple[Lane, ...] = SPLIT, **said: Placement) -> dict[str, Any]:
    return {
        lane.name: lane.tags["dagster-k8s/config"] for lane in placed(lanes, "kubernetes", said)
    }


def test_on_one_machine_lanes_ask_for_nothing() -> None:
    assert placed(SPLIT, "local", {}) == SPLIT


def test_a_lane_keeps_all_else_that_it_is() -> None:
    for before, after in zip(SPLIT, placed(SPLIT, "ecs", GPUS), strict=True):
        same = (after.name, after.stages, after.job, after.launch_deadline)
        assert same == (before.name, before.stages, before.job, before.launch_deadline)


def test_only_a_lane_that_needs_a_gpu_asks_for_one_and_tolerates_its_nodes() -> None:
    for lanes in (SPLIT, EMBEDDED):
        for name, config in kubernetes(lanes).items():
            resources = config["container_config"]["resources"]
            asked = resources["limits"].get(GPU)
            tolerated = GPU in [one["key"] for one in config["pod_spec_config"]["tolerations"]]
            assert (asked, tolerated) == (("1", True) if name == "gpu" else (None, False))


def test_an_operator_may_say_otherwise_lane_by_lane() -> None:
    said = Placement(cpu=15, memory_mib=60_000, gpus=4, image="r/parjanya-gpu:2")
    container = kubernetes(gpu=said)["gpu"]["container_config"]
    assert container["image"] == "r/parjanya-gpu:2"
    named = {one["name"] for one in container["env"]}
    assert named == {"PARJANYA_RUNS__STOP_TIMEOUT"}  # which image it is, the image itself says
    assert container["resources"] == {
        "requests": {"cpu": "15", "memory": "60000Mi", "ephemeral-storage": "4Gi"},
        "limits": {"memory": "60000Mi", GPU: "4"},
    }
    assert "image" not in kubernetes(gpu=said)["cpu"]["container_config"]


def test_what_is_left_out_stays_as_the_lane_has_it() -> None:
    resources = kubernetes(gpu=Placement(image="i"))["gpu"]["container_config"]["resources"]
    assert (resources["requests"]["cpu"], resources["requests"]["memory"]) == ("7", "26624Mi")


def test_a_lane_reads_its_models_from_a_volume_that_it_cannot_change() -> None:
    config = kubernetes(gpu=Placement(models="parjanya-models"))
    (mount,) = [
        one
        for one in config["gpu"]["container_config"]["volume_mounts"]
        if one["mount_path"] == "/models"
    ]
    (volume,) = [
        one for one in config["gpu"]["pod_spec_config"]["volumes"] if one["name"] == mount["name"]
    ]
    assert mount["read_only"] is True
    assert volume["persistent_volume_claim"] == {
        "claim_name": "parjanya-models",
        "read_only": True,
    }
    assert "persistent_volume_claim" not in str(config["cpu"])


def test_a_run_asks_for_disk_so_that_a_full_node_does_not_take_it_first() -> None:
    for config in kubernetes().values():
        assert config["container_config"]["resources"]["requests"]["ephemeral-storage"] == "4Gi"


def test_data_loaders_get_shared_memory() -> None:
    for config in kubernetes().values():
        (volume,) = config["pod_spec_config"]["volumes"]
        (mount,) = config["container_config"]["volume_mounts"]
        assert (mount["name"], mount["mount_path"]) == (volume["name"], "/dev/shm")


def test_ecs_is_told_in_its_own_units() -> None:
    cpu, gpu = placed(SPLIT, "ecs", {"gpu": Placement(capacity_provider="g", task_definition="d")})
    assert cpu.tags == {"ecs/cpu": "4096", "ecs/memory": "8192"}
    assert (gpu.tags["ecs/cpu"], gpu.tags["ecs/memory"]) == ("7168", "26624")
    assert json.loads(gpu.tags["ecs/run_task_kwargs"]) == {
        "taskDefinition": "d",
        "capacityProviderStrategy": [{"capacityProvider": "g", "weight": 1}],
    }
    assert json.loads(gpu.tags["ecs/container_overrides"]) == {
        "resourceRequirements": [{"type": "GPU", "value": "1"}]
    }


def test_fargate_is_not_asked_for_a_gpu() -> None:
    with pytest.raises(SettingsInvalid, match="gpu needs a GPU, and Fargate has none"):
        placed(SPLIT, "ecs", {})


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Placement(cpu=3), "Fargate has tasks of 0.25, 0.5, 1, 2, 4, 8, 16 cores"),
        (Placement(cpu=4, memory_mib=4096), "4 cores 8192 to 30720 MiB"),
        (Placement(cpu=1, capacity_provider="FARGATE_SPOT"), "1 cores 2048 to 8192 MiB"),
    ],
)
def test_fargate_is_asked_for_sizes_that_it_has(said: Placement, why: str) -> None:
    if "2048" in why:
        said = said.model_copy(update={"memory_mib": 9000})
    with pytest.raises(SettingsInvalid, match=why):
        placed(SPLIT, "ecs", {**GPUS, "cpu": said})


def test_machines_of_ones_own_may_have_any_size() -> None:
    said = {**GPUS, "cpu": Placement(cpu=3, memory_mib=5000, capacity_provider="ours")}
    cpu, _ = placed(SPLIT, "ecs", said)
    assert cpu.tags["ecs/cpu"] == "3072"


def test_a_word_that_means_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="gpuz"):
        Placement.model_validate({"gpuz": 1})
