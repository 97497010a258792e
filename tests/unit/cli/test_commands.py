"""The command line: what is wrong is a sentence and exit status 1, and `--json` is JSON."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from parjanya_dagster.objects.local import MARKER
from parjanya_dagster.platform import open_platform
from parjanya_dagster.settings import Settings
from tests.support import command_line
from tests.support.pictures import picture

OLD_HOME = Path(__file__).parents[2] / "contract" / "old_home" / "sqlite.sql"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def parjanya(home: Path) -> Run:
    """The program in a process of its own."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PARJANYA_")}
        environment |= {"PARJANYA_HOME": str(home)}
        environment |= {f"PARJANYA_{name.upper()}": value for name, value in settings.items()}
        return command_line.parjanya(*arguments, environment=environment)

    return run


def is_sentence(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("parjanya: ")
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


READING = [
    ["status"], ["status", "--json"], ["explain", "a.jpg"], ["tenant", "list"], ["report"],
    ["tenant", "show", "acme"], ["policy", "list"], ["uploads", "token", "list", "acme"],
    ["metrics", "--once"], ["replay", "--failed", "--preview"], ["declare", "--show"],
    ["regrade", "--to", "default@2", "--all", "--preview"],
]  # fmt: skip


@pytest.mark.parametrize("arguments", READING)
def test_a_home_that_is_not_there_is_a_sentence_and_is_not_made(
    parjanya: Run, home: Path, arguments: list[str]
) -> None:
    is_sentence(parjanya(*arguments), "There is no home at", "parjanya up", "--home")
    assert not home.exists()


def test_a_doctor_without_a_home_cannot_tell_and_makes_none(parjanya: Run, home: Path) -> None:
    for options in ([], ["--quick"], ["--json"]):
        done = parjanya("doctor", *options)
        assert done.returncode == 2
        assert "There is no home at" in done.stdout + done.stderr
    assert not home.exists()


def test_a_home_of_an_older_version_is_not_migrated_by_looking(parjanya: Run, home: Path) -> None:
    home.mkdir()
    with closing(sqlite3.connect(home / "truth.db")) as connection:
        connection.executescript(OLD_HOME.read_text())
    before = schema_of(home)
    is_sentence(parjanya("status"), "parjanya migrate")
    assert schema_of(home) == before
    assert parjanya("migrate").returncode == 0
    assert parjanya("status").returncode == 0


def schema_of(home: Path) -> list[Any]:
    with closing(sqlite3.connect(home / "truth.db")) as connection:
        return connection.execute("SELECT version_num FROM parjanya_schema").fetchall()


@pytest.mark.parametrize("arguments", [["status"], ["tenant", "list"], ["migrate"]])
def test_a_damaged_truth_is_a_sentence_that_names_the_backup(
    parjanya: Run, home: Path, arguments: list[str]
) -> None:
    home.mkdir()
    (home / "truth.db").write_bytes(b"no database at all" * 1000)
    is_sentence(parjanya(*arguments), "is damaged", "parjanya restore", "docs/backup.md")


def test_nobody_is_named_where_there_is_nobody(parjanya: Run) -> None:
    assert parjanya("migrate").returncode == 0
    is_sentence(parjanya("uploads", "token", "list", "nobody"), "no tenant 'nobody'")
    is_sentence(parjanya("regrade", "--to", "default@2", "--all"), "No tenant is registered")
    assert parjanya("tenant", "add", "acme").returncode == 0
    assert "acme has no token" in parjanya("uploads", "token", "list", "acme").stdout


def test_a_cluster_without_a_shared_truth_refuses_to_start(parjanya: Run, home: Path) -> None:
    for command in ("up", "preflight", "status", "migrate"):
        done = parjanya(command, lanes__launcher="kubernetes", objects__url="s3://")
        is_sentence(done, "PARJANYA_TRUTH__URL", "a Truth of its own")
    done = parjanya("up", lanes__launcher="ecs", truth__url="dynamodb://truth")
    is_sentence(done, "PARJANYA_OBJECTS__URL", "buckets of its own")
    assert not home.exists()


def test_a_home_that_its_own_settings_name_is_told_to_do_nothing(parjanya: Run, home: Path) -> None:
    assert parjanya("migrate").returncode == 0
    (home / "parjanya.env").write_text("PARJANYA_HOME=/elsewhere\n")
    done = parjanya("status")
    assert done.returncode == 0
    assert "PARJANYA_HOME does nothing" in done.stderr


def test_what_is_not_there_is_named(parjanya: Run, tmp_path: Path) -> None:
    assert parjanya("migrate").returncode == 0
    is_sentence(parjanya("explain", "nothing.jpg"), "nothing.jpg")
    is_sentence(parjanya("status", "--tenant", "nobody"), "'nobody'")
    is_sentence(parjanya("ingest", "--tenant", "acme", str(tmp_path / "none")), "no file or folder")


def test_a_tenant_that_cannot_be_is_refused_with_the_rule(parjanya: Run, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    is_sentence(parjanya("ingest", "--tenant", "No Way", str(tmp_path / "a.jpg")), "a-z, 0-9")


def test_a_wrong_setting_is_named_with_its_value(parjanya: Run) -> None:
    is_sentence(
        parjanya("status", arrivals__batch_size="many"), "PARJANYA_ARRIVALS__BATCH_SIZE", "'many'"
    )
    is_sentence(parjanya("status", lanes__layout="three"), "PARJANYA_LANES__LAYOUT", "'three'")
    is_sentence(parjanya("status", objects__url="ftp://x"), "PARJANYA_OBJECTS__URL")


def test_a_truth_that_cannot_be_reached_is_a_sentence(parjanya: Run) -> None:
    url = "postgresql://nobody@127.0.0.1:1/none"
    is_sentence(parjanya("status", truth__url=url), "does not answer")


def test_a_home_that_cannot_be_made_is_a_sentence(parjanya: Run, home: Path) -> None:
    home.write_text("a file")
    is_sentence(parjanya("status"), str(home))


def test_a_busy_port_and_a_busy_home_are_sentences(parjanya: Run, home: Path) -> None:
    import socket

    from parjanya_dagster.instance.home import alone

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        is_sentence(parjanya("up", "--port", port), f"Port {port} is in use", "--port")
    with alone(Settings(home=home)):
        is_sentence(parjanya("up"), "Another `parjanya up` runs", "--home")


def test_files_can_be_ingested_while_nothing_runs(
    parjanya: Run, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    for n in range(3):
        (tmp_path / "photos" / f"{n}.jpg").write_bytes(picture(n))
    (tmp_path / "photos" / "x.part").write_bytes(b"half")
    (tmp_path / "photos" / "2.xmp").write_bytes(b"<x/>")
    done = parjanya("ingest", "--tenant", "acme", str(tmp_path / "photos"))
    assert done.returncode == 1  # for the one that was left out
    assert "3 files are in the bucket of acme." in done.stdout
    assert "x.part: Its name ends like that of an unfinished download" in done.stderr
    assert "Sidecars beside them, which may say when and where: 1." in done.stderr
    lies = {path.name for path in (home / "buckets" / "acme" / "incoming" / "photos").iterdir()}
    assert lies == {"0.jpg", "1.jpg", "2.jpg", "2.xmp"}
    status = parjanya("status")
    assert "acme" in status.stdout
    assert "is `parjanya up` running" in status.stdout


def test_status_and_explain_print_json_that_parses(
    parjanya: Run, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "ü \U0001f5bc.jpg").write_bytes(picture(1))
    assert (
        parjanya("ingest", "--tenant", "acme", str(tmp_path / "ü \U0001f5bc.jpg")).returncode == 0
    )
    platform = open_platform(Settings(home=home, arrivals={"settle": 0.0}))
    platform.sweeper.sweep(1e12)
    platform.store.close()
    (tenant,) = json.loads(parjanya("status", "--json").stdout)["tenants"]
    assert (tenant["tenant"], tenant["images"], tenant["law"]) == ("acme", 1, 0)
    explained = json.loads(parjanya("explain", "ü \U0001f5bc.jpg", "--json").stdout)
    assert explained["status"] == "pending_validation"
    assert [event["kind"] for event in explained["history"]] == ["registered"]
    by_id = parjanya("explain", explained["image_id"])
    assert by_id.returncode == 0
    assert "waits for a run" in by_id.stdout


def test_two_homes_do_not_know_of_each_other(parjanya: Run, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(picture(1))
    parjanya("ingest", "--tenant", "acme", str(tmp_path / "a.jpg"))
    parjanya("migrate", "--home", str(tmp_path / "other"))
    other = parjanya("status", "--home", str(tmp_path / "other"), "--json")
    assert json.loads(other.stdout)["tenants"] == []


def test_a_reader_that_has_seen_enough_is_no_error_of_ours(parjanya: Run, home: Path) -> None:
    parjanya("migrate")
    command = f"{sys.executable} -m parjanya_dagster.cli status --home {home} | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


def test_a_person_adopts_a_bucket_and_confirms_departures(
    parjanya: Run, home: Path, tmp_path: Path
) -> None:
    """The two answers that only a person has: this is the bucket, and they were deleted."""
    for number in range(30):
        (tmp_path / f"{number}.jpg").write_bytes(b"x")
    pictures = [str(path) for path in tmp_path.glob("*.jpg")]
    assert parjanya("ingest", "--tenant", "acme", *pictures).returncode == 0
    platform = open_platform(Settings(home=home, arrivals={"settle": 0.0}))
    sweep = platform.sweeper.sweep
    sweep(platform.clock() + 60)
    marker = home / "buckets" / "acme" / MARKER
    marker.unlink()
    is_sentence(parjanya("ingest", "--tenant", "acme", *pictures), "has lost its marker")
    assert "from now on" in parjanya("tenant", "adopt", "acme").stdout
    assert "No departure" in parjanya("tenant", "departed", "acme").stdout
    for path in marker.parent.glob("incoming/*"):
        path.unlink()
    assert sweep(platform.clock() + 60).held == {"acme": 30}
    assert "30 images of acme" in parjanya("tenant", "departed", "acme").stdout
    assert sweep(platform.clock() + 60).departed == 30


def test_files_are_not_given_to_a_tenant_whose_bucket_is_anothers(
    parjanya: Run, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    assert parjanya("tenant", "add", "bolt", "--bucket", "zeta").returncode == 0
    done = parjanya("ingest", "--tenant", "zeta", str(tmp_path / "a.jpg"))
    is_sentence(done, "that of the tenant 'bolt'")
