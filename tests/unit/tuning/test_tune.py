"""parjanya policy tune, over decisions of people on recorded evidence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from parjanya_dagster.cli.main import app
from parjanya_dagster.platform import Platform
from parjanya_dagster.policy import diff
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.reviews import ReviewDecision
from parjanya_dagster.tuning.tune import next_version
from tests.support.clock import Clock
from tests.support.printed import printed
from tests.unit.regrade.world import history, rows

IMAGES = 150


@pytest.fixture
def run(platform: Platform) -> Callable[..., Result]:
    def run(*arguments: str) -> Result:
        home = str(platform.settings.home)
        return CliRunner().invoke(app, ["policy", *arguments, "--home", home])

    return run


def decide_as_people(platform: Platform, wants: Callable[[ImageRow, dict[str, Any]], bool]) -> None:
    for row in rows(platform, "acme").values():
        bodies = {
            stage: e.body for stage, e in platform.store.evidence([row])[row.image_id].items()
        }
        action = "accept" if wants(row, bodies) else "reject"
        decision = ReviewDecision(
            image_id=row.image_id, who="ana", action=action, request_id=row.image_id
        )
        platform.store.review(decision, platform.clock(), seen=0)


def test_thresholds_that_people_ask_for_are_proposed_and_published_by_a_person(
    platform: Platform, clock: Clock, run: Callable[..., Result], tmp_path: Path
) -> None:
    """They keep whatever has a quality of 50 and more, and no graphic."""
    history(platform, {"acme": IMAGES}, "default@3")
    clock.pass_by(60)

    def wants(_: ImageRow, bodies: dict[str, Any]) -> bool:
        photo: float = bodies["enriched"]["probabilities"]["photo"]
        return bool(bodies["scored"]["quality"] >= 50 and photo > 0.5
                    and bodies["validated"]["technical"]["shorter_side"] >= 200)  # fmt: skip

    decide_as_people(platform, wants)
    before = rows(platform, "acme")
    file = tmp_path / "next.yaml"
    told = run("tune", "-t", "acme", "--policy", "default@3", "--curves", "--write", str(file))
    assert told.exit_code == 0, told.output
    assert "Proposed: default-acme@1" in told.stdout
    assert "poor_quality: scored.quality below 20, review from 35 → " in told.stdout
    assert "keep their verdict" in told.stdout
    assert rows(platform, "acme") == before
    assert "default-acme@1" not in platform.registry.published()

    tuned = run("tune", "-t", "acme", "--policy", "default@3", "--json").stdout
    body = printed("policy tune", tuned)
    rules = {rule["rule"]: rule for rule in body["rules"]}
    assert 45 < rules["poor_quality"]["learned"]["threshold"] < 55
    assert body["saved"]["interval"][0] > 0
    assert body["held_out"]["cost"] < body["now"]["cost"]
    assert body["decisions"]["n"] == IMAGES == sum(body["decisions"]["policy_said"].values())
    assert sum(flip["images"] for flip in body["preview"]["flips"]) > 0
    published = run("publish", str(file))
    assert published.exit_code == 0, published.output
    changes = diff(platform.registry.get("default@3"), platform.registry.get("default-acme@1"))
    assert changes.threshold_only
    assert all(".when." in change.field for change in changes.changes)
    assert next_version(platform.registry.get("default-acme@1"), "acme",
                        platform.registry.published()) == ("default-acme", 2)  # fmt: skip


def test_few_decisions_and_those_that_agree_with_the_policy_propose_nothing(
    platform: Platform, clock: Clock, run: Callable[..., Result], tmp_path: Path
) -> None:
    history(platform, {"acme": 60}, "default@2")
    clock.pass_by(60)
    few = printed("policy tune", run("tune", "-t", "acme", "--json").stdout)
    assert (few["proposed"], few["preview"]) == (None, None)
    file = tmp_path / "next.yaml"
    told = run("tune", "-t", "acme", "--policy", "default@2", "--write", str(file))
    assert told.exit_code == 1
    assert "0 decisions (0 accepts, 0 rejects) are too few" in told.stdout

    def coin(row: ImageRow, _: dict[str, Any]) -> bool:
        heads = int(str(row.sha256)[:2], 16) % 2 == 0
        return row.verdict == "accept" or (row.verdict == "review" and heads)

    decide_as_people(platform, coin)
    told = run("tune", "-t", "acme", "--policy", "default@2", "--write", str(file))
    assert told.exit_code == 1
    assert "Nothing is proposed" in told.stdout
    assert not file.exists()
