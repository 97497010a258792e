"""The checks look at the whole house, so of many runs one per interval looks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from dagster import AssetCheckEvaluation, DagsterInstance, asset, materialize

from parjanya_dagster.belief.tags import INTENT_TAG, RECONCILER
from parjanya_dagster.defs import asset_checks, resources
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.platform import Platform
from tests.support import world
from tests.support.clock import Clock


@asset
def curated() -> None:
    """Stands in for the stage: the checks read Truth and not what a run did."""


@pytest.fixture
def instance(
    platform: Platform, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DagsterInstance]:
    monkeypatch.setattr(resources, "shared_platform", lambda: replace(platform, clock=clock))
    with DagsterInstance.ephemeral() as instance:
        yield instance


def run(instance: DagsterInstance, intent: str = RECONCILER) -> AssetCheckEvaluation:
    """What a run says about stuck rows. It answers every check."""
    done = materialize(
        [curated, asset_checks.house_checks],
        instance=instance,
        resources={"platform": PlatformResource()},
        tags={INTENT_TAG: intent} if intent else {},
    )
    by_name = {one.check_name: one for one in done.get_asset_check_evaluations()}
    assert by_name.keys() == asset_checks.CHECKS.keys()
    return by_name["no_rows_stuck"]


def stick(platform: Platform, clock: Clock) -> None:
    world.arrive(platform.store, 1, now=clock() - 2 * asset_checks.STUCK_AFTER)


def test_of_many_runs_one_per_interval_looks_and_the_others_repeat_what_it_found(
    instance: DagsterInstance, platform: Platform, clock: Clock
) -> None:
    looked_at = clock()
    first = run(instance)
    stick(platform, clock)
    clock.pass_by(asset_checks.EVERY - 1)
    repeated = run(instance)
    assert (first.passed, repeated.passed) == (True, True)
    assert repeated.metadata == first.metadata
    assert repeated.metadata["looked_at"].value == looked_at
    clock.pass_by(1)
    found = run(instance)
    assert not found.passed
    assert found.metadata["rows"].value == 1


def test_a_repeated_answer_is_as_bad_as_it_was(
    instance: DagsterInstance, platform: Platform, clock: Clock
) -> None:
    stick(platform, clock)
    first, second = run(instance), run(instance)
    assert (first.passed, second.passed) == (False, False)
    assert second.severity == first.severity


def test_who_runs_the_checks_by_hand_has_them_looked_at(
    instance: DagsterInstance, platform: Platform, clock: Clock
) -> None:
    run(instance)
    stick(platform, clock)
    assert not run(instance, "").passed
    assert not run(instance).passed, "and runs repeat that from then on"


def test_an_answer_from_a_clock_that_was_ahead_is_not_repeated(
    instance: DagsterInstance, platform: Platform, clock: Clock
) -> None:
    clock.pass_by(30 * world.DAY)
    run(instance)
    clock.pass_by(-30 * world.DAY)
    stick(platform, clock)
    assert not run(instance).passed
