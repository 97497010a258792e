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
    along: tuple[str, ...] = ()  # stages right before, of another lane, that its runs may do too

    @property
    def job(self) -> str:
        return f"{self.name}_lane_job"

    @property
    def reach(self) -> tuple[str, ...]:
        """All stages that its runs may do, in order."""
        return (*self.along, *self.stages)


EMBEDDED = (Lane("embedded", STAGES),)
"""One machine: one run does it all, so models load once."""

SPLIT = (
    Lane("cpu", STAGES[:1], Needs(cpu=4, memory_mib=8192), launch_deadline=900.0),
    Lane(
        "gpu",
        STAGES[1:],
        along=STAGES[:1],
        needs=Needs(cpu=7, memory_mib=26_624, gpus=1),
        launch_deadline=2700.0,
    ),
)
"""A cluster: decoding scales apart from models. A GPU node may take long to start. Where little is
to be decoded, the run that waits for the node does that too (`intent.along`).

The gpu lane fills a node of 8 cores, 32 GiB and one GPU, less what the node keeps for itself.
"""

BY_NAME = {"embedded": EMBEDDED, "split": SPLIT}
