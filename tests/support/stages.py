"""A platform with the stages' work over it, and an engine that answers at once.

The engine has no weights: what is under test is what a stage makes of its answers and failures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gpu_ops import LABELS, Identity
from parjanya_dagster import policy
from parjanya_dagster.execution.previews import Previews
from parjanya_dagster.execution.stages.curate import Curate
from parjanya_dagster.execution.stages.infer import Enrich, Score
from parjanya_dagster.execution.stages.validate import Validate
from parjanya_dagster.execution.worker import Pace, StageWork, Tally, work_off
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.models import ImageRow
from tests.support.clock import Clock

IDENTITY = Identity("test", "none", "1", "", "exact")


PHOTO = dict.fromkeys(LABELS, 0.0) | {"photo": 1.0}


class Engine:
    """Answers "a good photo", unless a picture is among those that break it."""

    identity = IDENTITY

    def __init__(
        self, breaks: Callable[[Sequence[Any]], Exception | None] = lambda _: None
    ) -> None:
        self.breaks = breaks
        self.asked: list[int] = []

    def check(self) -> None:
        return

    def warm(self) -> None:
        return

    def asking(self, prompt: str) -> Engine:
        raise ValueError(f"the engine {self.identity.engine} asks nothing")

    def has(self, metric: str) -> bool:
        return True

    def measuring(self, metrics: Sequence[str]) -> Engine:
        return self

    def _answer(self, images: Sequence[Any], body: dict[str, Any]) -> list[dict[str, Any]]:
        self.asked.append(len(images))
        if (error := self.breaks(images)) is not None:
            raise error
        return [dict(body) for _ in images]

    def describe(self, images: Sequence[Any], hints: Any = None) -> list[dict[str, Any]]:
        body = {"category": "photo", "probabilities": PHOTO, "confidence": 1.0,
                "distinguishes": [[label] for label in LABELS], "tags": [],
                "caption": None, "caption_source": "none"}  # fmt: skip
        return self._answer(images, body)

    def score(self, images: Sequence[Any], hints: Any = None) -> list[dict[str, Any]]:
        metric = {"piqe": {"value": 10.0, "lower_better": True, "weights": "none"}}
        return self._answer(images, {"metrics": metric, "quality": 90.0, "calibration": "test"})


class House:
    """A platform with the stages' work over it."""

    def __init__(self, platform: Platform, clock: Clock) -> None:
        self.platform, self.clock = platform, clock
        self.buckets = platform.settings.home / "buckets"

    def drop(self, name: str, data: bytes, tenant: str = "acme") -> Path:
        path = self.buckets / tenant / "incoming" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def sweep(self) -> None:
        self.platform.sweeper.sweep(1e12)
        self.clock.pass_by(1)

    def row(self, name: str, tenant: str = "acme") -> ImageRow:
        (row,) = [
            row
            for row in self.platform.store.find(f"incoming/{name}", tenant)
            if row.object_state == "present"
        ]
        return row

    def preview(self, row: ImageRow) -> Path:
        return self.buckets / str(row.preview_bucket) / str(row.preview_key)

    def run(self, work: StageWork) -> Tally:
        return work_off(
            self.platform.store,
            work,
            self.platform.store.batches(),
            owner="run-1",
            pace=Pace(),
            clock=self.clock,
        )

    def validate(self, **more: Any) -> Tally:
        work = Validate(self.platform.objects, run_id="run-1", clock=self.clock, **more)
        return self.run(work)

    def infer(self, kind: type[Enrich] | type[Score], engine: Engine, batch: int = 16) -> Tally:
        previews = Previews(self.platform.objects)
        return self.run(
            kind(
                engine, previews, self.platform.store, run_id="run-1", clock=self.clock, batch=batch
            )
        )

    def curate(self, policy_of: Callable[[str], policy.Policy] | None = None) -> Tally:
        chosen = policy_of or self.platform.policy_of
        return self.run(Curate(self.platform.store, chosen, run_id="run-1", clock=self.clock))

    def all(self) -> None:
        self.validate()
        self.infer(Enrich, Engine())
        self.infer(Score, Engine())
        self.curate()
