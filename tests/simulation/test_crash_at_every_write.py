"""Everything dies before or after each write of a full journey; then it starts again.

The loops are the real ones: the sweep, the reconciling loop as the platform wires it for its
sensor (settling and eligibility included), and the stage runner of the assets with its claims,
micro-batches, heartbeats and manifests. Only the work on pixels is a stand-in, since what is
proved here is about writes. Dagster is the model, which keeps believing in dead runs.
"""

from __future__ import annotations

import contextlib
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parjanya_dagster.belief.tags import INTENT_TAG, RECONCILER
from parjanya_dagster.defs import assets
from parjanya_dagster.execution import stage_run
from parjanya_dagster.execution.manifest import manifest_key
from parjanya_dagster.execution.stage_run import StageRunner
from parjanya_dagster.execution.worker import Pace
from parjanya_dagster.ingest.arrivals import Sweeper
from parjanya_dagster.intent.loop import Timing
from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.platform import Platform
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.reviews import ReviewDecision
from parjanya_dagster.truth.sql import SqlStore
from parjanya_dagster.truth.stages import STAGES, Status
from parjanya_dagster.truth.transitions import rebuild
from tests.simulation.dagster_model import DagsterModel, Run
from tests.simulation.memory import in_memory
from tests.simulation.mortal import Died, Mortal
from tests.simulation.standing import Standing
from tests.support.clock import Clock
from tests.support.simulated import COUNTED, EXAMPLES, SEED, WIDE

IMAGES = {"acme": 5, "globex": 2}
ANA = ("reject", "undo", "accept")
TICK = 30.0
TIMING = Timing(tick=1.5)  # short ticks, so that a death comes between them too
MOST_TICKS = 40
DOUBLE_FAULTS = max(3, EXAMPLES // 3)


class SmallCommits(Platform):
    """It commits after every second row, so that there are more places to die at."""

    @property
    def pace(self) -> Pace:
        return replace(super().pace, rows=2)


@dataclass
class Machine:
    """One machine: its disk (Truth, buckets) survives; its processes and their memory do not."""

    disk: SqlStore
    home: Path
    clock: Clock = field(default_factory=Clock)
    retried: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.settings = Settings(home=self.home, arrivals={"settle": 0.0}, media={"workers": 1})
        self.objects = FolderObjects(self.home / "buckets", 0.0)
        self.dagster = DagsterModel(self.clock)
        for tenant, count in IMAGES.items():
            for n in range(count):
                self.objects.put(tenant, f"incoming/{n}.jpg", f"{tenant}{n}".encode(), "image/jpeg")

    def live(self, store: Any, ticks: int) -> bool:
        """Sweep, reconcile and run until all is terminal. False: not within so many ticks."""
        place = SmallCommits(self.settings, store, self.objects, self.clock, self.clock.pass_by)
        dagster = self.dagster
        loop = replace(place.loop(dagster), timing=TIMING)
        for _ in range(ticks):
            sweeper = Sweeper(store, self.objects, self.clock, lambda: "default@2")
            dagster.add(sweeper.sweep(self.clock() + 1e9).registered)
            for emission in loop.tick():
                dagster.add(emission.add_keys)
            dagster.apply(emission)
            while run := dagster.launch():
                dagster.start(run)
                self._run(run, place)
            self._people(store)
            if self._terminal():
                return True
            self.clock.pass_by(TICK)
        return False

    def _run(self, run: Run, place: Platform) -> None:
        assert run.process is not None
        context: Any = SimpleNamespace(
            partition_keys=list(run.process.keys),
            log=SimpleNamespace(info=lambda _: None),
            run=SimpleNamespace(
                run_id=run.run_id,
                job_name=run.request.lane.job,
                tags={INTENT_TAG: RECONCILER},
                asset_selection=None,
                step_keys_to_execute=None,
            ),
        )
        lane = run.request.lane
        runner = StageRunner.begin(
            place, lane, run_id=run.run_id, ledger_id=run.run_id, job=lane.job
        )
        for stage in run.request.stages:
            assets.run_asset(context, place, runner, stage)
        self.dagster.finished(run.process)

    def _people(self, store: Any) -> None:
        """Ana decides one image. She is not sure that she was heard, and says all of it again."""
        for row in self.disk.find("incoming/0.jpg", "acme"):
            if row.pipeline_status == Status.CURATED:
                for seen, action in enumerate(ANA):
                    asked = ReviewDecision(
                        image_id=row.image_id, who="ana", action=action, request_id=action
                    )
                    store.review(asked, self.clock(), seen=seen)

    def _terminal(self) -> bool:
        counts = self.disk.counts()
        done = sum(c.by_status.get(status, 0) for c in counts for status in TERMINAL)
        return done == sum(IMAGES.values()) and not self.disk.stale_manifests()

    def check(self) -> None:
        """Each image is there, curated, once; its evidence is single; its events tell it all."""
        rows = self.disk.rows(self.disk.batches())
        COUNTED["images lost"] += sum(IMAGES.values()) - len(rows)
        assert Counter((row.tenant, row.key) for row in rows) == Counter(
            {(t, f"incoming/{n}.jpg"): 1 for t, count in IMAGES.items() for n in range(count)}
        )
        for row in rows:
            assert row.pipeline_status == Status.CURATED, row.failure_reason
            found = [one.stage for one in self.disk.all_evidence(row.image_id)]
            assert sorted(found) == sorted(STAGES), "evidence is missing, or not single"
            history = self.disk.history(row.image_id)
            done = [event.from_status for event in history if event.kind == "completed"]
            assert len(done) == len(set(done)) == len(STAGES), "an outcome was applied twice"
            assert rebuild(history) == row
            decided = row.key == "incoming/0.jpg" and row.tenant == "acme"
            said = [review.action for review in self.disk.reviews(row.image_id)]
            assert said == (list(ANA) if decided else []), "a decision is lost, or made twice"
            assert row.person_verdict == ("accept" if decided else None)
        for counts in self.disk.counts():
            assert counts.registered == counts.rows + counts.departed
        for batch in self.disk.batches():
            tenant = batch.partition("/")[0]
            assert self.objects.get(tenant, manifest_key(batch)).data


TERMINAL = (Status.CURATED, Status.FAILED)


@pytest.fixture(autouse=True)
def standing_in(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The work on pixels and what is only shown are left out; everything that writes is real."""
    retried: set[str] = set()
    monkeypatch.setattr(stage_run, "stage_work", lambda _, stage, __: Standing(stage, retried))
    monkeypatch.setattr(assets, "_preload", lambda *_: None)
    monkeypatch.setattr(assets, "_report", lambda *_: None)
    return retried


def journey(template: Path, home: Path, retried: set[str], *deaths: tuple[int, bool]) -> list[str]:
    """A full journey that dies at each of these writes in turn. Returns the writes of the last."""
    retried.clear()
    machine = Machine(in_memory(template, SEED), home)
    try:
        for at, after in deaths:
            mortal = Mortal(machine.disk, at, after=after)
            with contextlib.suppress(Died):
                machine.live(mortal, MOST_TICKS)
            if mortal.died:
                COUNTED[f"crash points: {mortal.died}"] += 1
        last = Mortal(machine.disk)
        assert machine.live(last, MOST_TICKS), "not terminal"
        machine.check()
        COUNTED["journeys"] += 1
        return last.writes
    finally:
        machine.disk.close()


def places_to_die(writes: list[str], after: bool) -> list[int]:
    """Numbers of writes, from 1: all of them at night, else one of each kind, and before or after
    it: what is after one write is before the next."""
    if EXAMPLES >= WIDE:
        return list(range(1, len(writes) + 1))
    rng, of_kind = random.Random(SEED), defaultdict[str, list[int]](list)
    for at, kind in enumerate(writes, start=1):
        of_kind[kind].append(at)
    chosen = [(rng.choice(places), rng.random() < 0.5) for _, places in sorted(of_kind.items())]
    return sorted(at for at, is_after in chosen if is_after == after)


def test_a_journey_without_deaths_writes_this(
    template: Path, tmp_path: Path, standing_in: set[str]
) -> None:
    """So that a kind of write that the journey no longer makes is missed here."""
    writes = Counter(journey(template, tmp_path, standing_in))
    expected = {
        "put_tenant",
        "register",
        "expire_leases",
        "note_holder",
        "beat",
        "claim",
        "commit",
        "manifest_written",
        "review",
    }
    assert expected <= set(writes)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_all_images_survive_a_death_at_any_write(
    template: Path, tmp_path: Path, standing_in: set[str], after: bool
) -> None:
    """By day before or after one write of each kind; at night all."""
    writes = journey(template, tmp_path / "whole", standing_in)
    for at in places_to_die(writes, after):
        try:
            journey(template, tmp_path / str(at), standing_in, (at, after))
        except AssertionError as error:
            when = "after" if after else "before"
            error.add_note(f"SIMULATION_SEED={SEED}, died {when} write {at} of {len(writes)}")
            raise


def test_all_images_survive_a_second_death_while_they_recover(
    template: Path, tmp_path: Path, standing_in: set[str]
) -> None:
    rng = random.Random(SEED)
    writes = len(journey(template, tmp_path / "whole", standing_in))
    for number in range(DOUBLE_FAULTS):
        deaths = [(rng.randint(1, writes), rng.random() < 0.5) for _ in range(3)]
        try:
            journey(template, tmp_path / str(number), standing_in, *deaths)
        except AssertionError as error:
            error.add_note(f"SIMULATION_SEED={SEED}, deaths at {deaths}")
            raise
