"""A node that runs the stage `enriched` with a real model engine, inside a real Dagster run.

The model is tiny and random, its files are as published ones. Store, buckets, reconciler, run and
engine are real; the daemon between them is not there: the test takes its place.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from dagster import DagsterInstance, ExecuteInProcessResult, materialize

from gpu_ops import engines
from parjanya_dagster import platform
from parjanya_dagster.belief.snapshot import Seen
from parjanya_dagster.belief.tags import INTENT_TAG, PARTITIONS, RECONCILER
from parjanya_dagster.defs import assets, resources
from parjanya_dagster.doctor.case import Case
from parjanya_dagster.doctor.examine import Examiner
from parjanya_dagster.doctor.findings import Finding
from parjanya_dagster.doctor.rules import diagnose
from parjanya_dagster.execution.stages.build import stage_work
from parjanya_dagster.execution.worker import work_off
from parjanya_dagster.intent.loop import Timing
from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.sql import open_store
from tests.support import tiny_models
from tests.support.clock import Clock
from tests.support.pictures import picture
from tests.support.settings import changed


class Node:
    """Three images of a tenant wait for the model; the settings name a model's folder."""

    def __init__(self, home: Path, model: Path, monkeypatch: Any, **settings: Any) -> None:
        self.clock = Clock()
        usual = Settings(
            home=home,
            arrivals={"settle": 0.0},
            media={"workers": 2},
            engines={"enricher": "transformers", "device": "cpu"},
            vlm={
                "model": str(model),
                "visual_tokens": 64,
                "answer_mass": 0.0,
                "prompt": tiny_models.BRIEF,
                "prompts": str(tiny_models.write_brief_prompt(home.with_name("prompts"))),
            },
        )
        self.settings = changed(usual, **settings)
        incoming = home / "buckets" / "acme" / "incoming"
        incoming.mkdir(parents=True)
        for n in range(3):
            (incoming / f"{n}.jpg").write_bytes(picture(n, 160, 120))
        self.store = open_store(
            self.settings.truth_url, rules=self.settings.rules, batch_size=2, migrating=True
        )
        objects = FolderObjects(home / "buckets", 0.0)
        self.platform = platform.Platform(self.settings, self.store, objects, self.clock)
        self.platform.registry.publish_builtin()
        monkeypatch.setattr(resources, "shared_platform", lambda: self.platform)
        monkeypatch.setattr(engines, "_engines", {})  # a run is a process of its own
        self.dagster = DagsterInstance.ephemeral()
        self.platform.sweeper.sweep(1e12)
        self.batches = self.store.batches()
        self.dagster.add_dynamic_partitions(PARTITIONS, list(self.batches))
        work = stage_work(self.platform, "validated", "earlier")
        work_off(self.store, work, self.batches, owner="earlier", pace=self.platform.pace,
                 clock=self.clock)  # fmt: skip

    def close(self) -> None:
        self.dagster.dispose()
        self.store.close()

    def use(self, **settings: Any) -> None:
        """Other settings, in the next process."""
        self.settings = changed(self.settings, **settings)
        object.__setattr__(self.platform, "settings", self.settings)
        engines._engines.clear()

    def run(self, batch: str | None = None, by_hand: bool = False) -> ExecuteInProcessResult:
        """A run that the reconciler, or a person, asked for. It may fail."""
        engines._engines.clear()
        return materialize(
            [assets.enriched],
            partition_key=batch or self.batches[0],
            instance=self.dagster,
            resources={"platform": resources.PlatformResource()},
            tags={} if by_hand else {INTENT_TAG: RECONCILER},
            raise_on_error=False,
        )

    def rows(self) -> list[ImageRow]:
        return self.store.present("acme", "", 100)

    def requests(self) -> int:
        """Runs that the reconciler asks for now, where none runs."""
        self.clock.pass_by(1.0)
        loop = self.platform.loop(_Idle(self.batches))
        (emission,) = replace(loop, timing=Timing(tick=0.0)).tick()
        return len(emission.runs)

    def doctor(self) -> dict[str, Finding]:
        """Findings by code, without those that say that nobody runs the sensors here."""
        belief = _Idle(self.batches)
        examiner = Examiner(
            store=self.store,
            objects=self.platform.objects,
            belief=belief,
            sensors=lambda: (),
            clock=self.clock,
        )
        case = Case(
            facts=examiner.examine(), lanes=self.platform.lanes, limits=self.platform.limits
        )
        found = {one.code: one for one in diagnose(case)}
        return {code: one for code, one in found.items() if not code.endswith("_blind")}


class _Idle:
    """A Dagster that knows the partitions, and where nothing runs."""

    def __init__(self, keys: Any) -> None:
        self._keys = tuple(keys)

    def read(self, now: float) -> Seen:
        return Seen(keys=self._keys, runs=(), failed=())

    def expire(self, run_id: str, reason: str) -> bool:
        return False


def said(result: ExecuteInProcessResult) -> str:
    """Why the run failed."""
    (event,) = [event for event in result.all_node_events if event.is_step_failure]
    error = event.step_failure_data.error
    assert error is not None
    cause = error.cause or error
    return cause.message
