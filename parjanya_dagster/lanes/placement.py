"""Where a lane's runs go, as tags of the lane's job that a run launcher reads.

Pure. It writes the formats of two run launchers, and imports neither.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from parjanya_dagster.errors import SettingsInvalid
from parjanya_dagster.lanes import Lane, Needs

Launcher = Literal["local", "kubernetes", "ecs"]

LANE_LABEL = "parjanya/lane"
"""The label of nodes and of the pods of runs: a lane's pods run on its nodes only."""

GPU = "nvidia.com/gpu"
GRACE = 60  # seconds a pod gets to hand back what it holds
KEPT = 86_400  # seconds that a finished Job can be looked at
MODELS = "/models"  # where images have their models, and where a claim with models is mounted
DISK = "4Gi"  # of the node, for logs and temporary files: a pod that asks for none goes first
SHARED_MEMORY = "2Gi"  # data loaders hand over pixels through /dev/shm; the default is 64 MiB

_FARGATE = {  # CPU units -> least and most memory in MiB
    256: (512, 2048),
    512: (1024, 4096),
    1024: (2048, 8192),
    2048: (4096, 16_384),
    4096: (8192, 30_720),
    8192: (16_384, 61_440),
    16_384: (32_768, 122_880),
}


class Placement(BaseModel):
    """What an operator sets for one lane. What is left out keeps the value of the lane."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    cpu: float | None = Field(default=None, gt=0, description="Cores of one run.")
    memory_mib: int | None = Field(default=None, ge=512, description="Memory of one run, in MiB.")
    gpus: int | None = Field(default=None, ge=0, description="GPUs of one run.")
    image: str | None = Field(default=None, description="Kubernetes: the image of the lane's runs.")
    models: str | None = Field(
        default=None,
        description="Kubernetes: the claim of a volume with models, mounted at /models to read.",
    )
    task_definition: str | None = Field(
        default=None, description="ECS: the definition of the lane's tasks."
    )
    capacity_provider: str | None = Field(
        default=None, description="ECS: where the lane's tasks run. Fargate has no GPU."
    )

    def needs(self, usual: Needs) -> Needs:
        wished = self.model_dump(include={"cpu", "memory_mib", "gpus"}, exclude_none=True)
        return replace(usual, **wished)


def placed(
    lanes: Sequence[Lane], launcher: Launcher, placements: Mapping[str, Placement]
) -> tuple[Lane, ...]:
    """The lanes with the tags that this launcher reads.

    Raises SettingsInvalid for what a launcher cannot give.
    """
    if launcher == "local":
        return tuple(lanes)
    tags = _kubernetes if launcher == "kubernetes" else _ecs
    usual = Placement()
    return tuple(
        replace(lane, tags={**lane.tags, **tags(lane, placements.get(lane.name, usual))})
        for lane in lanes
    )


def _kubernetes(lane: Lane, wishes: Placement) -> dict[str, Any]:
    needs = wishes.needs(lane.needs)
    memory = f"{needs.memory_mib}Mi"
    limits = {"memory": memory} | ({GPU: str(needs.gpus)} if needs.gpus else {})
    container: dict[str, Any] = {
        # No limit on CPU: decoding may use what is idle.
        "resources": {
            "requests": {"cpu": f"{needs.cpu:g}", "memory": memory, "ephemeral-storage": DISK},
            "limits": limits,
        },
        "volume_mounts": [{"name": "shared-memory", "mount_path": "/dev/shm"}],
        # Beside the grace that it tells of: said elsewhere, the two would differ one day.
        "env": [{"name": "PARJANYA_RUNS__STOP_TIMEOUT", "value": str(GRACE)}],
    }
    if wishes.image:
        container["image"] = wishes.image
    pod: dict[str, Any] = {
        "node_selector": {LANE_LABEL: lane.name},
        "priority_class_name": f"parjanya-{lane.name}-runs",
        "termination_grace_period_seconds": GRACE,
        "volumes": [
            {
                "name": "shared-memory",
                "empty_dir": {"medium": "Memory", "size_limit": SHARED_MEMORY},
            }
        ],
        "tolerations": [
            {"key": LANE_LABEL, "operator": "Equal", "value": lane.name, "effect": "NoSchedule"}
        ],
    }
    if wishes.models:
        claim = {"claim_name": wishes.models, "read_only": True}
        pod["volumes"].append({"name": "models", "persistent_volume_claim": claim})
        container["volume_mounts"].append(
            {"name": "models", "mount_path": MODELS, "read_only": True}
        )
    if needs.gpus:
        pod["tolerations"].append({"key": GPU, "operator": "Exists", "effect": "NoSchedule"})
    config = {
        "container_config": container,
        "pod_spec_config": pod,
        "pod_template_spec_metadata": {
            "labels": {LANE_LABEL: lane.name},
            # Moving a run to another node to save money costs more than it saves.
            "annotations": {"karpenter.sh/do-not-disrupt": "true"},
        },
        "job_spec_config": {"ttl_seconds_after_finished": KEPT},
    }
    return {"dagster-k8s/config": config}


def _ecs(lane: Lane, wishes: Placement) -> dict[str, Any]:
    needs = wishes.needs(lane.needs)
    units = round(needs.cpu * 1024)
    tags = {"ecs/cpu": str(units), "ecs/memory": str(needs.memory_mib)}
    run_task: dict[str, Any] = {}
    if wishes.task_definition:
        run_task["taskDefinition"] = wishes.task_definition
    if wishes.capacity_provider:
        run_task["capacityProviderStrategy"] = [
            {"capacityProvider": wishes.capacity_provider, "weight": 1}
        ]
    elif needs.gpus:
        raise SettingsInvalid(
            f"The lane {lane.name} needs a GPU, and Fargate has none: name its capacity provider "
            f"in PARJANYA_LANES__{lane.name.upper()}__CAPACITY_PROVIDER."
        )
    if not needs.gpus and (wishes.capacity_provider or "FARGATE").startswith("FARGATE"):
        _check_fargate(lane.name, units, needs.memory_mib)
    if run_task:
        tags["ecs/run_task_kwargs"] = json.dumps(run_task)
    if needs.gpus:
        gpus = [{"type": "GPU", "value": str(needs.gpus)}]
        tags["ecs/container_overrides"] = json.dumps({"resourceRequirements": gpus})
    return tags


def _check_fargate(lane: str, units: int, memory_mib: int) -> None:
    if units not in _FARGATE:
        sizes = ", ".join(f"{size / 1024:g}" for size in _FARGATE)
        raise SettingsInvalid(f"Lane {lane}: Fargate has tasks of {sizes} cores.")
    least, most = _FARGATE[units]
    if not least <= memory_mib <= most:
        raise SettingsInvalid(
            f"Lane {lane}: Fargate gives {units / 1024:g} cores {least} to {most} MiB of memory."
        )
