"""What a preflight leaves in Truth, and when a stage is looked at all."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Any

import pytest
from typer.testing import CliRunner

from gpu_ops.detectors import language
from gpu_ops.preflight import Check, Report
from parjanya_dagster.belief.observe import observe
from parjanya_dagster.belief.snapshot import Seen, Unfit
from parjanya_dagster.cli.main import app
from parjanya_dagster.errors import PreflightFailed
from parjanya_dagster.execution.preflight import (
    anything_to_do,
    examine,
    passed_last,
    record,
    require_fit,
)
from parjanya_dagster.media import jail
from parjanya_dagster.platform import Platform, open_platform
from parjanya_dagster.settings import Settings
from tests.support.clock import Clock
from tests.support.pictures import picture
from tests.support.printed import printed
from tests.support.settings import changed
from tests.support.stages import House

FIT = Report("transformers", (Check("gpu", True, "there"),), {"model": "m"})
UNFIT = Report("transformers", (Check("gpu", False, "it is gone"),))


class Idle:
    def read(self, now: float) -> Seen:
        return Seen(keys=(), runs=(), failed=())

    def expire(self, run_id: str, reason: str) -> bool:
        return False


def beat(platform: Platform, stage: str = "enriched") -> dict[str, Any] | None:
    found = platform.store.preflights().get(stage)
    return asdict(found) if found else None


def look(platform: Platform, report: Report, enricher: str = "transformers") -> None:
    settings = changed(platform.settings, engines={"enricher": enricher}, vlm={"model": "m"})
    require_fit(settings, platform.store, "enriched", "run-1", platform.clock, lambda *_: report)


def test_a_failing_one_raises_and_is_kept_since_when_and_how_often(
    platform: Platform, clock: Clock
) -> None:
    began = clock()
    for _ in range(3):
        with pytest.raises(PreflightFailed) as failed:
            look(platform, UNFIT)
        clock.pass_by(60.0)
    assert str(failed.value) == (
        "Execution cannot realize Intent: enriched with the engine transformers: gpu: it is gone"
    )
    assert failed.value.transient is False
    kept = beat(platform)
    assert kept
    assert (kept["ok"], kept["since"], kept["times"], kept["run_id"]) == (False, began, 3, "run-1")
    seen = observe(platform.store, Idle(), clock())
    assert seen.unfit == {"enriched": Unfit(clock() - 60.0, 3)}


def test_one_that_passes_clears_it_and_the_next_failure_counts_anew(
    platform: Platform, clock: Clock
) -> None:
    with pytest.raises(PreflightFailed):
        look(platform, UNFIT)
    look(platform, FIT)
    kept = beat(platform)
    assert kept
    assert (kept["ok"], kept["identity"]) == (True, {"model": "m"})
    assert observe(platform.store, Idle(), clock()).unfit == {}
    clock.pass_by(60.0)
    with pytest.raises(PreflightFailed):
        look(platform, UNFIT)
    again = beat(platform)
    assert again
    assert (again["times"], again["since"]) == (1, clock())


def test_an_engine_that_ships_with_us_is_not_looked_at_and_forgets_the_other(
    platform: Platform,
) -> None:
    with pytest.raises(PreflightFailed):
        look(platform, UNFIT)
    look(platform, UNFIT, enricher="embedded")
    assert beat(platform) is None


def test_rows_are_kept_only_for_a_stage_that_passed_its_last_preflight(platform: Platform) -> None:
    settings = changed(platform.settings, engines={"enricher": "transformers"}, vlm={"model": "m"})
    expected = partial(passed_last, settings, platform.store)
    assert not expected("enriched")  # nobody has looked
    with pytest.raises(PreflightFailed):
        look(platform, UNFIT)
    assert not expected("enriched")
    look(platform, FIT)
    assert expected("enriched")
    assert expected("scored"), "it ships with us"
    assert expected("curated"), "it has no engine"


def test_a_detector_may_lack_its_package_so_it_is_looked_at(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(language, "PACKAGE", "no_such_package_of_languages")
    settings = changed(platform.settings, engines={"detectors": "language"})
    with pytest.raises(PreflightFailed, match=r"pip install 'parjanya\[language\]'"):
        require_fit(settings, platform.store, "enriched", "run-1", platform.clock)
    require_fit(settings, platform.store, "scored", "run-1", platform.clock)


def test_stages_without_an_engine_are_none_of_its_business(platform: Platform) -> None:
    for stage in ("validated", "curated"):
        require_fit(platform.settings, platform.store, stage, "r", platform.clock, lambda *_: UNFIT)
        assert anything_to_do(platform.settings, platform.store, stage, [], 0.0)


def test_with_nothing_due_in_its_batches_no_engine_is_needed(
    platform: Platform, clock: Clock
) -> None:
    house = House(platform, clock)
    house.drop("a.jpg", picture(1))
    house.sweep()
    house.validate()
    settings = changed(platform.settings, engines={"enricher": "openai"})
    batches = platform.store.batches()

    def needed(stage: str, keys: list[str]) -> bool:
        return anything_to_do(settings, platform.store, stage, keys, clock())

    assert needed("enriched", batches)
    assert not needed("enriched", ["acme/1999-01-01/001"])
    assert needed("scored", [])  # the embedded scorer loads nothing until it must


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({"engines": {"enricher": "transformers"}}, "needs a model: a folder or an id"),
        ({"engines": {"enricher": "openai"}, "vlm": {"model": "m"}}, "needs the URL of a server"),
        (
            {"engines": {"enricher": "openai"}, "endpoint": {"url": "http://h/v1"}},
            "needs a model: its name",
        ),
        ({"engines": {"scorer": "pyiqa"}}, "needs a folder of weights"),
        pytest.param(
            {"engines": {"scorer": "pyiqa", "device": "cpu"}, "iqa": {"weights": "/nowhere"}},
            "SHA256SUMS",
            marks=pytest.mark.model,  # torch is imported
        ),
        (
            {"engines": {"enricher": "transformers"}, "vlm": {"model": "/nowhere"}},
            "there is no model folder",
        ),
    ],
)
def test_settings_that_do_not_fit_together_are_findings(chosen: Any, says: str) -> None:
    stage = "scored" if "scorer" in chosen["engines"] else "enriched"
    report = examine(Settings(**chosen), stage)
    assert not report.ok
    assert says in report.problem


def test_the_command_tells_programs_and_keeps_its_result_where_asked(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = platform.settings.home
    open_platform(platform.settings, migrating=True).store.close()
    record(platform.store, "enriched", UNFIT, "r", platform.clock())
    monkeypatch.setenv("PARJANYA_ENGINES__SCORER", "pyiqa")
    arguments = ["preflight", "--home", str(home), "--quick", "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    told = printed("preflight", done.stdout)
    stages = told["stages"]
    assert (stages["enriched"]["ok"], stages["scored"]["ok"]) == (True, False)
    assert told["jail"] == str(jail.offered())
    assert stages["scored"]["problem"] == "options: the engine `pyiqa` needs a folder of weights"
    kept = beat(platform)
    assert kept is not None
    assert kept["ok"] is False
    done = CliRunner().invoke(app, [*arguments, "--stage", "enriched", "--record"])
    assert done.exit_code == 0, done.output
    kept = beat(platform)
    assert kept is not None
    assert (kept["ok"], kept["run_id"]) == (True, "by hand")
