"""v23 was declared. The launch template still names v20, and v20 is what runs: for weeks.

v20 and v23 are real here: two copies of the package that differ in a line, each asked by a process
of its own what it is. Runs go through Dagster's own executor, in process.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from dagster import AssetCheckResult, DagsterInstance, materialize

from parjanya_dagster.belief.drift import declare, drifts, note_running
from parjanya_dagster.defs import asset_checks, resources
from parjanya_dagster.defs.assets import validated
from parjanya_dagster.defs.partitions import image_batches
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.intent.plan import plan
from parjanya_dagster.metrics.families import families
from parjanya_dagster.metrics.measure import measure
from parjanya_dagster.platform import Platform
from tests.incidents.steps import ask_doctor, statuses, upload
from tests.simulation.house import LIMITS, House
from tests.support.clock import Clock
from tests.support.pictures import picture
from tests.support.settings import changed

ROOT = Path(__file__).parents[2]


def image(folder: Path, tag: str, line: str) -> dict[str, str]:
    """Build an "image": a copy of the code with a line of its own. Returns what it says it is."""
    for package in ("parjanya_dagster", "gpu_ops"):
        shutil.copytree(ROOT / package, folder / tag / package)
    with (folder / tag / "gpu_ops" / "engines.py").open("a") as file:
        file.write(f"\n# {line}\n")
    done = subprocess.run(
        [sys.executable, "-m", "parjanya_dagster.cli", "declare", "--print"],
        cwd=folder / tag,
        env={
            **os.environ,
            "PYTHONPATH": str(folder / tag),
            "PARJANYA_HOME": str(folder / "empty"),
            "PARJANYA_IDENTITY__IMAGE": "registry/parjanya:v23",  # what the manifest says, in both
        },
        capture_output=True,
        text=True,
        check=True,
    )
    said: dict[str, str] = json.loads(done.stdout)["embedded"]
    return said


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], dict[str, str]]:
    folder = tmp_path_factory.mktemp("images")
    return image(folder, "v20", "as it was"), image(
        folder, "v23", "the fix that everybody waits for"
    )


def test_the_code_that_runs_tells_the_two_apart(
    images: tuple[dict[str, str], dict[str, str]],
) -> None:
    v20, v23 = images
    assert v20["code"] != v23["code"]
    assert {part for part in v20 if v20[part] != v23[part]} == {"code"}


def test_the_doctor_names_the_run_and_both_versions_and_a_good_run_clears_it(
    house: House, images: tuple[dict[str, str], dict[str, str]]
) -> None:
    v20, v23 = images
    declare(house.store, "embedded", v23, house.clock())
    assert "drifted" not in ask_doctor(house)
    house.clock.pass_by(60.0)
    note_running(house.store, "embedded", v20, "run-7", house.clock())
    found = ask_doctor(house)["drifted"]
    assert (found.boundary, found.evidence["run"]) == ("Execution", "run-7")
    assert v20["code"] in found.summary
    assert v23["code"] in found.summary
    house.clock.pass_by(60.0)
    note_running(house.store, "embedded", v23, "run-8", house.clock())
    assert "drifted" in ask_doctor(house), "one good node among stale ones hides nothing"
    house.clock.pass_by(3600.0)
    note_running(house.store, "embedded", v23, "run-9", house.clock())
    assert "drifted" not in ask_doctor(house)


def test_a_run_that_began_before_the_declaration_is_no_drift(
    house: House, images: tuple[dict[str, str], dict[str, str]]
) -> None:
    v20, v23 = images
    note_running(house.store, "embedded", v20, "run-1", house.clock())
    house.clock.pass_by(1.0)
    declare(house.store, "embedded", v23, house.clock())
    assert drifts(house.store) == []


def test_a_held_lane_asks_for_nothing_until_it_is_declared_anew(
    house: House, images: tuple[dict[str, str], dict[str, str]]
) -> None:
    v20, v23 = images
    upload(house, "acme", 5)
    house.sweep()
    declare(house.store, "embedded", v23, house.clock())
    house.clock.pass_by(1.0)
    note_running(house.store, "embedded", v20, "run-1", house.clock())

    def requests() -> int:
        from parjanya_dagster.belief.observe import observe

        held = frozenset(one.lane for one in drifts(house.store))
        seen = observe(house.store, house.dagster, house.clock())
        return len(plan(seen, house.lanes, replace(LIMITS, held_lanes=held), 1).requests)

    assert requests() == 0
    house.clock.pass_by(1.0)
    declare(house.store, "embedded", v23, house.clock())  # the template was corrected
    assert requests() > 0
    house.settle()
    assert statuses(house) == {"curated"}


@dataclass
class Real:
    """A platform whose runs are Dagster's own."""

    platform: Platform
    instance: DagsterInstance
    batch: str

    def run(self) -> bool:
        return materialize(
            [validated],
            instance=self.instance,
            partition_key=self.batch,
            resources={"platform": PlatformResource()},
            raise_on_error=False,
        ).success

    def checked(self) -> AssetCheckResult:
        return asset_checks.runs_as_declared(asset_checks.House(self.platform, self.instance))

    def waiting(self) -> int:
        return sum(due.rows for due in self.platform.store.due(self.platform.clock()))


@pytest.fixture
def real(platform: Platform, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Real]:
    held = replace(
        platform, settings=changed(platform.settings, identity={"hold_drifted": True}), clock=clock
    )
    monkeypatch.setattr(resources, "shared_platform", lambda: held)
    folder = held.settings.home / "buckets" / "acme" / "incoming"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(picture(1))
    (batch,) = held.sweeper.sweep(clock() + 60, True).registered
    with DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(image_batches.name or "", [batch])
        yield Real(held, instance, batch)


def test_a_stale_process_stops_before_it_claims_a_row_and_the_asset_check_says_why(
    real: Real, clock: Clock, images: tuple[dict[str, str], dict[str, str]]
) -> None:
    _, v23 = images
    store = real.platform.store
    declare(store, "embedded", v23, clock())
    clock.pass_by(1.0)
    assert not real.run()
    (row,) = store.present("acme")
    assert (row.fence, row.attempts, row.pipeline_status) == (0, 0, "pending_validation")
    (drift,) = drifts(store)
    assert drift.differs["code"][0] == v23["code"]
    assert real.platform.limits.held_lanes == {"embedded"}
    (run,) = real.instance.get_runs()
    assert run.tags["parjanya/code"] == drift.differs["code"][1]
    result = real.checked()
    assert not result.passed
    assert v23["code"] in str(result.metadata["drifted"].value)


def test_what_was_declared_works_and_is_shown_by_the_metrics(real: Real, clock: Clock) -> None:
    from parjanya_dagster.execution.identity import identity_of

    lane = real.platform.lanes[0]
    declare(real.platform.store, "embedded", identity_of(real.platform.settings, lane), clock())
    clock.pass_by(1.0)
    assert real.run()
    assert real.platform.store.present("acme")[0].pipeline_status == "pending_vlm_enrichment"
    assert real.checked().passed
    samples = {
        sample.name: sample.value
        for family in families(measure(real.platform, None, lambda: ()))
        for sample in family.samples
        if sample.labels.get("lane") == "embedded"
    }
    assert samples["parjanya_drifted"] == 0
    assert samples["parjanya_running_info"] == 1


def test_without_the_setting_a_stale_process_works_and_is_told_of(
    real: Real, monkeypatch: pytest.MonkeyPatch, images: tuple[dict[str, str], dict[str, str]]
) -> None:
    lenient = replace(
        real.platform,
        settings=changed(real.platform.settings, identity={"hold_drifted": False}),
    )
    monkeypatch.setattr(resources, "shared_platform", lambda: lenient)
    declare(lenient.store, "embedded", images[1], lenient.clock() - 1)
    assert real.run()
    assert [one.lane for one in drifts(lenient.store)] == ["embedded"]
    assert lenient.limits.held_lanes == frozenset()
