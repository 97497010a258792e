"""doctor --quick, doctor --maintenance, declare and metrics as an operator types them."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance
from typer.testing import CliRunner, Result

from parjanya_dagster.belief.drift import declare, declared
from parjanya_dagster.belief.instance import oldest_ended_run, open_dagster
from parjanya_dagster.cli.main import app
from parjanya_dagster.doctor.checklist import (
    CHECKS,
    Checked,
    Ground,
    checklist,
)
from parjanya_dagster.doctor.instance import examined
from parjanya_dagster.execution.identity import hash_of_sources
from parjanya_dagster.instance.home import write_home
from parjanya_dagster.platform import Platform, open_platform
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.models import Tenant
from parjanya_dagster.truth.outcomes import TerminalFailure
from tests.support import world
from tests.support.dagster_runs import make_run
from tests.support.printed import printed

DAY = 86_400.0


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PARJANYA_HOME", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def platform(home: Path, prepared_home: Path) -> Platform:
    """An instance in order: Dagster is made, both loops completed now, its lane is declared."""
    shutil.copytree(prepared_home, home)
    platform = open_platform(Settings(home=home), migrating=True)
    write_home(platform.settings, 4000)
    for loop in ("reconciler", "arrivals"):
        platform.store.beat(loop, platform.clock(), {})
    declare(platform.store, "embedded", {"code": "v23"}, platform.clock() - 60)
    return platform


def run(*arguments: str, home: Path) -> Result:
    return CliRunner().invoke(app, [*arguments, "--home", str(home)])


def test_quick_is_zero_where_truth_answers_whatever_else_is_wrong(
    platform: Platform, home: Path
) -> None:
    platform.store.beat("reconciler", platform.clock() - 3600, {})
    done = run("doctor", "--quick", "--json", home=home)
    assert done.exit_code == 0
    said = printed("doctor --quick", done.stdout)
    assert said["truth"] == "answers"
    assert said["heartbeat_age_seconds"]["reconciler"] >= 3600


def test_quick_is_two_where_truth_does_not_answer(platform: Platform, home: Path) -> None:
    platform.store.close()
    (home / "truth.db").write_bytes(b"no database" * 1000)
    assert run("doctor", "--quick", home=home).exit_code == 2


def test_quick_imports_nothing_of_dagsters_and_no_other_command(
    platform: Platform, home: Path
) -> None:
    """A container's health is asked every few seconds."""
    ask = (
        "import sys; sys.argv = ['parjanya', 'doctor', '--quick', '--home', sys.argv[1]]\n"
        "from parjanya_dagster.cli.main import app\n"
        "try:\n    app()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'dagster', 'torch', 'pandas', 'pyarrow', 'pyvips'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert 'parjanya_dagster.cli.release' not in sys.modules, 'another command'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", ask, str(home)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_maintenance_of_an_instance_in_order_is_zero(platform: Platform, home: Path) -> None:
    done = run("doctor", "--maintenance", "--json", home=home)
    lines = printed("doctor --maintenance", done.stdout)
    assert [one["name"] for one in lines] == [check.__name__ for check in CHECKS]
    of_the_machine = ("room_on_the_disk", "decoders_are_shut_in")
    wrong = [one for one in lines if not one["passed"] and one["name"] not in of_the_machine]
    assert wrong == []
    assert done.exit_code in (0, 1)  # 1 where the disk is nearly full, or the kernel has no jail


def ground(platform: Platform, **changed: Any) -> Ground:
    def oldest() -> float | None:
        with open_dagster(platform.settings) as instance:
            return oldest_ended_run(instance)

    looks = {"disk": lambda _: (100 << 30, 50 << 30), **changed}
    return Ground(
        platform=platform, examine=lambda: examined(platform, None), oldest_run=oldest, **looks
    )


def checked(platform: Platform, name: str, **changed: Any) -> Checked:
    return next(one for one in checklist(ground(platform, **changed)) if one.name == name)


def blind(platform: Platform) -> None:
    platform.store.beat("reconciler", platform.clock() - 3600, {})


def a_row_is_lost(platform: Platform) -> None:
    world.arrive(platform.store, 2)
    with closing(sqlite3.connect(platform.settings.home / "truth.db")) as db, db:
        db.execute("DELETE FROM images WHERE rowid = (SELECT min(rowid) FROM images)")


def counters_are_spoilt(platform: Platform) -> None:
    world.arrive(platform.store, 2)
    with closing(sqlite3.connect(platform.settings.home / "truth.db")) as db, db:
        db.execute("UPDATE tallies SET n = n + 1")


def large_logs(platform: Platform) -> None:
    with (platform.settings.home / "logs" / "daemon.log").open("wb") as file:
        file.truncate(2 << 30)


def old_runs(platform: Platform) -> None:
    with DagsterInstance.from_config(str(platform.settings.home / "dagster")) as instance:
        make_run(instance, platform.clock() - 90 * DAY)


def another_ran(platform: Platform) -> None:
    from parjanya_dagster.belief.drift import note_running

    note_running(platform.store, "embedded", {"code": "v20"}, "r1", platform.clock())


def an_unpublished_pin(platform: Platform) -> None:
    platform.store.put_tenant(
        Tenant(slug="acme", bucket="acme", prefix="incoming/", policy="secret@9")
    )


def decided_otherwise(platform: Platform) -> None:
    world.arrive(platform.store, 1)
    world.carry(platform.store, through="scored")
    (claim,) = world.claim(platform.store, "curated")
    world.commit(platform.store, [claim], world.completed(claim, verdict="accept", policy="old@1"))


def an_old_failure(platform: Platform) -> None:
    world.arrive(platform.store, 1)
    world.commit(platform.store, world.claim(platform.store), TerminalFailure("retry_horizon", "x"))


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("nothing_wrong_now", blind),
        ("every_row_accounted_for", a_row_is_lost),
        ("counters_are_right", counters_are_spoilt),
        ("logs_are_small", large_logs),
        ("old_runs_are_let_go", old_runs),
        ("lanes_are_declared", another_ran),
        ("pinned_policies_are_published", an_unpublished_pin),
        ("decided_under_the_pin", decided_otherwise),
        ("failures_are_looked_at", an_old_failure),
    ],
)
def test_each_check_notices_what_it_is_for(
    platform: Platform, name: str, broken: Callable[[Platform], None]
) -> None:
    assert checked(platform, name).passed is True
    broken(platform)
    found = checked(platform, name)
    assert found.passed is False
    assert found.next_step


def test_counters_that_are_wrong_are_told_and_made_anew(platform: Platform, home: Path) -> None:
    assert "right" in run("recount", home=home).stdout
    counters_are_spoilt(platform)
    told = run("recount", home=home)
    assert (told.exit_code, "acme: kept 3" in told.stdout) == (1, True)
    assert run("recount", "--repair", home=home).exit_code == 0
    assert run("recount", home=home).exit_code == 0
    assert platform.store.counts()[0].rows == 2


def test_a_full_disk_is_noticed(platform: Platform) -> None:
    for total, free in ((100 << 30, 5 << 30), (10 << 30, 1 << 30)):
        assert not checked(platform, "room_on_the_disk", disk=lambda _: (total, free)).passed  # noqa: B023


def test_too_many_partition_keys_are_noticed(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parjanya_dagster.doctor import checklist

    monkeypatch.setattr(checklist, "MOST_KEYS", 2)
    with DagsterInstance.from_config(str(platform.settings.home / "dagster")) as instance:
        keys = [f"acme/2025-10-09/{n:03}" for n in range(3)]
        instance.add_dynamic_partitions("image_batches", keys)
    assert not checked(platform, "partition_keys_are_few").passed


def test_what_cannot_be_checked_is_unknown_and_never_ok(platform: Platform, home: Path) -> None:
    (home / "dagster" / "dagster.yaml").unlink()
    done = run("doctor", "--maintenance", home=home)
    assert done.exit_code == 2
    assert "unknown   old_runs_are_let_go" in done.stdout
    assert "ok        every_row_accounted_for" in done.stdout


def test_declare_says_what_this_process_is_and_show_tells_the_difference(
    platform: Platform, home: Path
) -> None:
    from parjanya_dagster.belief.drift import note_running

    assert run("declare", home=home).exit_code == 0
    mine = declared(platform.store)["embedded"]
    assert {"code", "packages", "schema", "enriched", "scored"} <= mine.keys()
    assert "image" not in mine  # nobody told it one
    note_running(platform.store, "embedded", {**mine, "code": "v20"}, "r1", platform.clock())
    said = run("declare", "--show", home=home).stdout
    assert f"code 'v20', declared '{mine['code']}'" in said
    shown = run("declare", "--show", "--json", home=home).stdout
    (ran,) = printed("declare --show", shown)["ran"]
    assert ran["differs"] == {"code": [mine["code"], "v20"]}
    again = printed("declare", run("declare", "--json", home=home).stdout)
    assert again == {"declared": {"embedded": mine}}
    own = printed("declare --print", run("declare", "--print", home=home).stdout)
    assert own == {"embedded": mine}


def test_an_identity_that_a_build_printed_can_be_declared_elsewhere(
    platform: Platform, home: Path, tmp_path: Path
) -> None:
    printed = run("declare", "--print", home=home).stdout
    before = declared(platform.store)
    assert before == {"embedded": {"code": "v23"}}, "printing declares nothing"
    (tmp_path / "identity.json").write_text(printed)
    done = run(
        "declare", "--file", str(tmp_path / "identity.json"), "--set", "image=gpu:v23", home=home
    )
    assert done.exit_code == 0, done.output
    assert declared(platform.store)["embedded"] == {
        **json.loads(printed)["embedded"],
        "image": "gpu:v23",
    }


@pytest.mark.parametrize("wrong", [["--lane", "warp"], ["--set", "image"]])
def test_a_declaration_that_makes_no_sense_is_refused(
    platform: Platform, home: Path, wrong: list[str]
) -> None:
    assert run("declare", *wrong, home=home).exit_code != 0
    assert declared(platform.store) == {"embedded": {"code": "v23"}}


def test_the_hash_of_code_changes_with_content_and_name_and_nothing_else(tmp_path: Path) -> None:
    root = tmp_path / "package"
    (root / "part").mkdir(parents=True)
    (root / "part" / "a.py").write_text("x = 1\n")
    first = hash_of_sources(root)
    (root / "part" / "a.pyc").write_bytes(b"compiled")
    assert hash_of_sources(root) == first
    (root / "part" / "a.py").write_text("x = 2\n")
    second = hash_of_sources(root)
    assert second != first
    (root / "part" / "a.py").rename(root / "part" / "b.py")
    assert hash_of_sources(root) not in (first, second)


def test_in_a_cluster_dagster_is_where_its_own_variable_says(
    platform: Platform, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The home of a container has no Dagster in it: its configuration is mounted elsewhere."""
    (home / "dagster").rename(tmp_path / "mounted")
    assert run("doctor", home=home).exit_code == 2
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "mounted"))
    assert run("doctor", home=home).exit_code == 0


def test_metrics_once_prints_what_prometheus_reads(platform: Platform, home: Path) -> None:
    world.arrive(platform.store, 3)
    done = run("metrics", "--once", home=home)
    assert done.exit_code == 0, done.output
    assert 'parjanya_images{status="pending_validation",tenant="acme"} 3.0' in done.stdout
    assert 'parjanya_readable{layer="belief"} 1.0' in done.stdout
