"""doctor and replay as an operator types them: exit status, JSON, the question before it acts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from parjanya_dagster.cli.main import app
from parjanya_dagster.instance.home import write_home
from parjanya_dagster.platform import Platform, open_platform
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.outcomes import TerminalFailure
from parjanya_dagster.truth.requests import Reset
from tests.support import world
from tests.support.printed import printed

NOW = 4e9  # later than any clock that a test meets


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PARJANYA_HOME", raising=False)
    return tmp_path / "home"


@pytest.fixture
def platform(home: Path, prepared_home: Path) -> Platform:
    """An instance whose Dagster was made, whose loops completed now, and where nothing runs."""
    shutil.copytree(prepared_home, home)
    platform = open_platform(Settings(home=home), migrating=True)
    write_home(platform.settings, 4000)
    for loop in ("reconciler", "arrivals"):
        platform.store.beat(loop, platform.clock(), {})
    return platform


def run(*arguments: str, home: Path, says: str | None = None):  # type: ignore[no-untyped-def]
    return CliRunner().invoke(app, [*arguments, "--home", str(home)], input=says)


def fail(platform: Platform, slug: str, classes: list[str], *, now: float = world.NOON) -> None:
    world.arrive(platform.store, len(classes), slug=slug)
    claims = world.claim(platform.store)
    for claim, one in zip(claims, classes, strict=True):
        world.commit(platform.store, [claim], TerminalFailure(one, "x"), now=now)


def test_health_is_status_zero(platform: Platform, home: Path) -> None:
    done = run("doctor", home=home)
    assert (done.exit_code, done.stdout) == (0, "Healthy: nothing is missing, stuck or blind.\n")
    said = printed("doctor", run("doctor", "--json", home=home).stdout)
    assert said == {"status": "healthy", "findings": [], "could_not_read": {}}


def test_findings_are_status_one_with_their_boundary_and_next_step(
    platform: Platform, home: Path
) -> None:
    platform.store.beat("reconciler", platform.clock() - 3600, {})
    done = run("doctor", home=home)
    assert done.exit_code == 1
    assert "Belief: reconciler_blind" in done.stdout
    assert "next: Is parjanya up running?" in done.stdout
    (one,) = printed("doctor", run("doctor", "--json", home=home).stdout)["findings"]
    assert (one["code"], one["boundary"], one["evidence"]["heartbeat"]) == (
        "reconciler_blind",
        "Belief",
        "reconciler",
    )


def test_what_cannot_be_read_is_status_two_and_named(home: Path) -> None:
    open_platform(Settings(home=home), migrating=True)
    done = run("doctor", "--json", home=home)
    assert done.exit_code == 2
    said = printed("doctor", done.stdout)
    assert said["status"] == "cannot_tell"
    assert set(said["could_not_read"]) == {"Dagster's runs and partitions", "Dagster's ticks"}
    assert {one["code"] for one in said["findings"]} == {"reconciler_blind", "arrivals_blind"}


def test_a_truth_that_is_no_database_is_status_two(platform: Platform, home: Path) -> None:
    platform.store.close()
    (home / "truth.db").write_bytes(b"no database" * 1000)
    done = run("doctor", "--json", home=home)
    assert done.exit_code == 2, done.stdout
    assert "Truth" in printed("doctor", done.stdout)["could_not_read"]


def test_an_unknown_tenant_is_no_health(platform: Platform, home: Path) -> None:
    done = run("doctor", "--tenant", "nobody", home=home)
    assert done.exit_code == 2
    assert "There is no tenant 'nobody'" in done.stderr
    assert "parjanya tenant add" in done.stderr


def test_a_preview_counts_by_tenant_class_and_stage_and_changes_nothing(
    platform: Platform, home: Path
) -> None:
    fail(platform, "acme", ["undecodable", "undecodable", "retry_horizon"])
    fail(platform, "zeta", ["undecodable"])
    done = run("replay", "--failed", "--preview", home=home)
    assert done.stdout.splitlines() == [
        "acme: 1 failed as retry_horizon, would go through validated again",
        "acme: 2 failed as undecodable, would go through validated again",
        "zeta: 1 failed as undecodable, would go through validated again",
    ]
    assert world.due_rows(platform.store, NOW) == 0


@pytest.mark.parametrize(
    ("options", "reset"),
    [
        ([], 4),
        (["--tenant", "acme"], 3),
        (["--reason", "undecodable"], 3),
        (["--tenant", "acme", "--reason", "retry_horizon"], 1),
        (["--since", "2025-10-10"], 1),
        (["--since", "2025-10-09"], 4),
        (["--since", "2025-10-11"], 0),
    ],
)
def test_failures_are_reset_by_tenant_class_and_day(
    platform: Platform, home: Path, options: list[str], reset: int
) -> None:
    fail(platform, "acme", ["undecodable", "undecodable", "retry_horizon"])
    fail(platform, "zeta", ["undecodable"], now=world.NOON + world.DAY)
    done = run("replay", "--failed", "--yes", "--json", *options, home=home)
    assert done.exit_code == 0, done.output
    assert printed("replay", done.stdout)["reset"] == reset
    assert world.due_rows(platform.store, NOW) == reset


def test_a_replay_that_prints_json_asks_nobody(platform: Platform, home: Path) -> None:
    """Its question would be no JSON."""
    fail(platform, "acme", ["undecodable"])
    done = run("replay", "--failed", "--json", home=home, says="y\n")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "nobody is asked" in done.stderr
    assert world.due_rows(platform.store, NOW) == 0


@pytest.mark.parametrize(("answer", "due"), [("y\n", 1), ("n\n", 0), ("", 0)])
def test_it_asks_first(platform: Platform, home: Path, answer: str, due: int) -> None:
    fail(platform, "acme", ["undecodable"])
    run("replay", "--failed", home=home, says=answer)
    assert world.due_rows(platform.store, NOW) == due


def test_each_row_goes_back_to_the_stage_at_which_it_failed(platform: Platform, home: Path) -> None:
    (one, two) = world.arrive(platform.store, 2)
    claims = {claim.image_id: claim for claim in world.claim(platform.store)}
    world.commit(platform.store, [claims[one]], TerminalFailure("undecodable", "x"))
    world.commit(platform.store, [claims[two]])
    late = world.claim(platform.store, "enriched")
    world.commit(platform.store, late, TerminalFailure("crashed_repeatedly", "x"))
    run("replay", "--failed", "--yes", home=home)
    assert world.row(platform.store, one).pipeline_status == "pending_validation"
    assert world.row(platform.store, two).pipeline_status == "pending_vlm_enrichment"
    assert world.row(platform.store, two).evidence.keys() == {"validated"}


def test_a_row_that_goes_on_meanwhile_is_left_alone(platform: Platform) -> None:
    (one,) = world.arrive(platform.store, 1)
    world.commit(platform.store, world.claim(platform.store))
    store = platform.store
    assert (
        store.reset_images([one], Reset(stage="validated", reason="replay"), NOW, failed_only=True)
        == 0
    )
    assert world.row(store, one).pipeline_status == "pending_vlm_enrichment"


def test_replay_without_failed_says_what_is_missing(platform: Platform, home: Path) -> None:
    done = run("replay", home=home)
    assert done.exit_code == 2
    assert "--failed" in done.stderr


def test_explain_says_where_an_image_is_held(platform: Platform, home: Path) -> None:
    (one,) = world.arrive(platform.store, 1)
    said = printed("explain", run("explain", one, "--json", home=home).stdout)
    assert said["boundary"] == "Intent"
    assert "Nobody asked for one." in said["why"]
    platform.store.beat("reconciler", platform.clock() - 3600, {})
    done = run("explain", one, home=home)
    assert "held at  Belief. Next: Is parjanya up running?" in done.stdout
