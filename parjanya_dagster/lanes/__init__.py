"""Lanes: stages that run together in one process, and the unit of scaling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from parjanya_dagster.truth.stages import STAGES


@dataclass(frozen=True, slots=True)
class Needs:
    """What one run of a lane needs, wherever it is launched."""

    cpu: float = 2.0  # cores
    memory_mib: int = 8192
    gpus: int = 0


@dataclass(frozen=True, slots=True)
class Lane:
    """A group of neighbouring stages with a job of its own."""

    name: str
    stages: tuple[str, ...]
    needs: Needs = Needs()
    tags: Mapping[str, Any] = field(default_factory=dict)  # `placed` says where its runs go
    launch_deadline: float = 120.0  # seconds from its launch until its process runs

    @property
    def job(self) -> str:
        return f"{self.name}_lane_job"


EMBEDDED = (Lane("embedded", STAGES),)
"""One machine: one run does it all, so models load once."""

SPLIT = (
    Lane("cpu", STAGES[:1], Needs(cpu=4, memory_mib=8192), launch_deadline=900.0),
    Lane("gpu", STAGES[1:], Needs(cpu=7, memory_mib=26_624, gpus=1), launch_deadline=2700.0),
)
"""A cluster: decoding scales apart from models. A GPU node may take long to start.

The gpu lane fills a node of 8 cores, 32 GiB and one GPU, less what the node keeps for itself.
"""

BY_NAME = {"embedded": EMBEDDED, "split": SPLIT}
