"""A home is backed up while it works, and brought back: by doing it, on real stores."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from parjanya_dagster.backup import postgres, sqlite
from parjanya_dagster.backup.contents import read_contents
from parjanya_dagster.cli.main import app
from parjanya_dagster.errors import BackupInvalid, BackupRefused, HomeBusy, SchemaOutdated
from parjanya_dagster.platform import Platform, open_platform
from parjanya_dagster.settings import Settings, read
from parjanya_dagster.truth.sql.engine import writing
from parjanya_dagster.truth.store import Store
from tests.support.backends import POSTGRESQL
from tests.support.pictures import picture
from tests.support.servers import MotoServer, PostgresServer, postgres_binaries


@pytest.fixture(params=["sqlite", POSTGRESQL])
def opened(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Platform]]:
    """Opens homes by name, each with a Truth of its own, all of the same kind."""
    servers: list[PostgresServer] = []
    platforms: list[Platform] = []
    urls: dict[str, str] = {}
    if request.param == "postgresql":
        servers.append(request.getfixturevalue("postgres"))
        monkeypatch.setenv("PATH", f"{postgres_binaries()}:{os.environ['PATH']}")

    def open_home(name: str) -> Platform:
        home = tmp_path / name
        home.mkdir(exist_ok=True)
        if servers:
            url = urls.setdefault(name, "") or servers[0].url(servers[0].create_database())
            urls[name] = url
            (home / "parjanya.env").write_text(f"PARJANYA_TRUTH__URL={url}\n")
        settings = read(
            home,
            {"PARJANYA_ARRIVALS__SETTLE": "0"},
            (home / "parjanya.env").read_text() if servers else "",
        )
        platforms.append(open_platform(settings, migrating=True))
        return platforms[-1]

    yield open_home
    for platform in platforms:
        platform.store.close()


def run(*arguments: str, home: Platform) -> Result:
    return CliRunner().invoke(app, [*arguments, "--home", str(home.settings.home)])


def live(home: Platform, images: int = 3) -> None:
    """Images of a tenant land and are registered."""
    folder = home.settings.home / "buckets" / "acme" / "incoming"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(images):
        path = folder / f"{number}.jpg"
        path.write_bytes(picture(number))
        os.utime(path, (1_760_000_000, 1_760_000_000))
    home.sweeper.add_tenant("acme")
    home.sweeper.sweep(home.clock() + 60)


def truth(store: Store) -> dict[str, Any]:
    """What must be the same afterwards."""
    rows = store.present("acme", "", 1000)
    return {
        "tenants": [asdict(tenant) for tenant in store.tenants()],
        "rows": [asdict(row) for row in rows],
        "events": [asdict(event) for row in rows for event in store.history(row.image_id)],
        "buckets": {name: asdict(one) for name, one in store.known_buckets().items()},
        "policies": [(one.ref, one.hash) for one in store.policies()],
    }


def test_what_was_backed_up_comes_back_in_another_home(
    opened: Callable[[str], Platform], tmp_path: Path
) -> None:
    old = opened("old")
    live(old)
    before = truth(old.store)
    assert len(before["rows"]) == 3
    made = run("backup", str(tmp_path / "kept"), home=old)
    assert made.exit_code == 0, made.output
    assert "1 tenants with 3 images" in made.stdout
    assert "all that 3 images need is in acme" in made.stdout
    live(old, 5)  # what happens afterwards is not in it
    shutil.copytree(old.settings.home / "buckets", tmp_path / "new" / "buckets")
    new = opened("new")
    new.store.close()
    came = run("restore", str(tmp_path / "kept"), "--replace", home=new)
    assert came.exit_code == 0, came.output
    assert truth(opened("new").store) == before


def test_a_truth_that_is_there_is_put_aside_only_where_that_is_asked_for(
    opened: Callable[[str], Platform], tmp_path: Path
) -> None:
    home = opened("old")
    live(home, 1)
    assert run("backup", str(tmp_path / "kept"), home=home).exit_code == 0
    live(home, 4)
    refused = run("restore", str(tmp_path / "kept"), home=home)
    assert isinstance(refused.exception, BackupRefused)
    assert "--replace" in str(refused.exception)
    assert len(home.store.present("acme", "", 10)) == 4
    home.store.close()
    came = run("restore", str(tmp_path / "kept"), "--replace", home=home)
    assert came.exit_code == 0, came.output
    assert len(opened("old").store.present("acme", "", 10)) == 1
    (aside,) = [line for line in came.stdout.splitlines() if line.startswith("What was there")]
    assert _rows_aside(home, aside.partition(": ")[2]) == 4


def _rows_aside(home: Platform, aside: str) -> int:
    if home.settings.truth_file is not None:
        kept = open_platform(
            Settings(home=home.settings.home, truth={"url": f"sqlite:///{aside}"})
        ).store
        rows = len(kept.present("acme", "", 10))
        kept.close()
        return rows
    import psycopg2

    schema = aside.split()[2]
    connection = psycopg2.connect(home.settings.truth_url)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {schema}.images")
        (rows,) = cursor.fetchone()
    connection.close()
    return int(rows)


def test_what_is_missing_in_the_buckets_is_told_and_is_no_failure(
    opened: Callable[[str], Platform], tmp_path: Path
) -> None:
    home = opened("old")
    live(home)
    incoming = home.settings.home / "buckets" / "acme" / "incoming"
    (incoming / "1.jpg").unlink()
    made = run("backup", str(tmp_path / "one"), home=home)
    assert made.exit_code == 0
    assert "1 objects and previews of 3 images are not in acme" in made.stderr
    assert "incoming/1.jpg" in made.stderr
    shutil.rmtree(home.settings.home / "buckets" / "acme")
    made = run("backup", str(tmp_path / "two"), home=home)
    assert made.exit_code == 0
    assert "3 images are expected in acme, which could not be compared" in made.stderr


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Platform]:
    platform = open_platform(
        Settings(home=tmp_path / "home", arrivals={"settle": 0.0}), migrating=True
    )
    live(platform)
    yield platform
    platform.store.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from parjanya_dagster.backup import sqlite
sqlite.PAGES = 1
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] == "backup":
    from parjanya_dagster.backup.write import write_backup
    from parjanya_dagster.platform import open_platform
    from parjanya_dagster.settings import load
    write_backup(open_platform(load(Path(sys.argv[2]))), Path(sys.argv[3]), die)
else:
    from parjanya_dagster.backup.restore import restore_backup
    from parjanya_dagster.settings import load
    if sys.argv[4] == "replace":
        sqlite.os.replace = die
    else:
        sqlite.os.link = die
    restore_backup(load(Path(sys.argv[2])), Path(sys.argv[3]), True, 1e9, print)
"""


def killed(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False)
    assert done.returncode == -signal.SIGKILL


def test_a_backup_that_is_killed_leaves_none_and_the_next_one_is_whole(
    embedded: Platform, tmp_path: Path
) -> None:
    target = tmp_path / "kept"
    killed("backup", str(embedded.settings.home), str(target))
    assert not target.exists()
    assert (tmp_path / "kept.part").exists()
    assert run("backup", str(target), home=embedded).exit_code == 0
    assert not (tmp_path / "kept.part").exists()
    read_contents(target)


@pytest.mark.parametrize("at", ["link", "replace"])
def test_a_restore_that_is_killed_leaves_the_old_truth_and_can_be_done_again(
    embedded: Platform, tmp_path: Path, at: str
) -> None:
    before = truth(embedded.store)
    assert run("backup", str(tmp_path / "kept"), home=embedded).exit_code == 0
    live(embedded, 5)
    later = truth(embedded.store)
    embedded.store.close()
    killed("restore", str(embedded.settings.home), str(tmp_path / "kept"), at)
    still = open_platform(embedded.settings)
    assert truth(still.store) == later
    still.store.close()
    assert run("restore", str(tmp_path / "kept"), "--replace", home=embedded).exit_code == 0
    again = open_platform(embedded.settings)
    assert truth(again.store) == before
    again.store.close()


def test_a_damaged_truth_is_replaced_and_kept(embedded: Platform, tmp_path: Path) -> None:
    before = truth(embedded.store)
    assert run("backup", str(tmp_path / "kept"), home=embedded).exit_code == 0
    embedded.store.close()
    file = embedded.settings.home / "truth.db"
    file.write_bytes(b"no database at all" * 1000)
    assert run("restore", str(tmp_path / "kept"), "--replace", home=embedded).exit_code == 0
    again = open_platform(embedded.settings)
    assert truth(again.store) == before
    again.store.close()
    (aside,) = embedded.settings.home.glob("truth.db.before-restore-*")
    assert aside.read_bytes().startswith(b"no database at all")


def test_a_truth_that_is_in_use_is_not_replaced(embedded: Platform, tmp_path: Path) -> None:
    assert run("backup", str(tmp_path / "kept"), home=embedded).exit_code == 0
    with writing(embedded.store.engine):  # type: ignore[attr-defined]
        done = run("restore", str(tmp_path / "kept"), "--replace", home=embedded)
    assert isinstance(done.exception, HomeBusy)
    assert len(embedded.store.present("acme", "", 10)) == 3


def test_dagsters_records_of_the_time_after_the_backup_are_put_aside(
    embedded: Platform, tmp_path: Path
) -> None:
    assert run("backup", str(tmp_path / "kept"), home=embedded).exit_code == 0
    embedded.store.close()
    storage = embedded.settings.home / "dagster" / "storage"
    storage.mkdir(parents=True)
    (storage / "runs.db").write_bytes(b"x")
    catalog = embedded.settings.home / "catalog.db"
    catalog.write_bytes(b"of the time after the backup")
    assert run("restore", str(tmp_path / "kept"), "--replace", home=embedded).exit_code == 0
    assert not storage.exists()
    assert not catalog.exists()
    (kept,) = storage.parent.glob("storage.before-restore-*")
    assert (kept / "runs.db").exists()


def test_settings_come_along_and_overwrite_none(embedded: Platform, tmp_path: Path) -> None:
    env = embedded.settings.home / "parjanya.env"
    env.write_text("PARJANYA_ARRIVALS__SETTLE=0\n")
    assert run("backup", str(tmp_path / "kept"), home=embedded).exit_code == 0
    assert (tmp_path / "kept" / "parjanya.env").stat().st_mode & 0o777 == 0o600
    env.write_text("PARJANYA_ARRIVALS__SETTLE=2\n")
    embedded.store.close()
    assert run("restore", str(tmp_path / "kept"), "--replace", home=embedded).exit_code == 0
    assert env.read_text() == "PARJANYA_ARRIVALS__SETTLE=2\n"
    saved = env.with_name("parjanya.env.of-backup")
    assert saved.read_text() == "PARJANYA_ARRIVALS__SETTLE=0\n"


@pytest.mark.parametrize("fault", ["a file", "contents", "format", "schema"])
def test_what_is_no_whole_backup_is_refused_and_nothing_changes(
    embedded: Platform, tmp_path: Path, fault: str
) -> None:
    kept = tmp_path / "kept"
    assert run("backup", str(kept), home=embedded).exit_code == 0
    said = json.loads((kept / "backup.json").read_text())
    if fault == "a file":
        with (kept / "truth.db").open("r+b") as file:
            file.seek(5000)
            file.write(b"rot")
    elif fault == "contents":
        (kept / "backup.json").write_text("{")
    else:
        changed = {"format": 99} if fault == "format" else {"schema": "9999"}
        (kept / "backup.json").write_text(json.dumps(said | changed))
    done = run("restore", str(kept), "--replace", home=embedded)
    expected = SchemaOutdated if fault == "schema" else BackupInvalid
    assert isinstance(done.exception, expected), done.exception
    assert len(embedded.store.present("acme", "", 10)) == 3


def test_a_backup_overwrites_none(embedded: Platform, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    done = run("backup", str(tmp_path / "kept"), home=embedded)
    assert isinstance(done.exception, BackupRefused)


def test_dynamodb_is_left_to_its_own_backups(
    aws: MotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"dynamodb://{aws.name('truth')}"
    place = open_platform(Settings(home=tmp_path / "home", truth={"url": url}), migrating=True)
    monkeypatch.setenv("PARJANYA_TRUTH__URL", url)
    for command in ("backup", "restore"):
        done = run(command, str(tmp_path / "kept"), home=place)
        assert isinstance(done.exception, BackupRefused)
        assert "point-in-time recovery" in str(done.exception)
    place.store.close()


def test_without_postgresqls_programs_the_sentence_names_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    from sqlalchemy import make_url

    with pytest.raises(BackupRefused, match="pg_dump is not installed"):
        postgres.dump(make_url("postgresql://nobody@127.0.0.1:1/none"), tmp_path / "x")


def test_a_copy_is_of_one_moment_though_others_write_meanwhile(
    embedded: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "PAGES", 20)
    before = truth(embedded.store)
    copied: list[int] = []

    def write_beside(done: int, total: int) -> None:
        copied.append(done)
        embedded.store.beat(f"n{done}", 1.0, {})

    file = embedded.settings.home / "truth.db"
    sqlite.dump(file, tmp_path / "truth.db", write_beside)
    assert copied == sorted(copied)  # it never began again
    assert len(copied) > 2
    copy = open_platform(Settings(home=tmp_path))
    assert truth(copy.store) == before
    assert copy.store.heartbeats().keys() & {f"n{done}" for done in copied} == set()
    copy.store.close()
