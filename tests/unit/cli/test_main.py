"""The program itself: what it imports, and where its options may stand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from parjanya_dagster import settings
from parjanya_dagster.catalog import FILE as CATALOG
from parjanya_dagster.cli import options
from parjanya_dagster.cli.main import app
from parjanya_dagster.cli.options import platform_of
from parjanya_dagster.platform import Platform, open_platform
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth import reader

HEAVY = {
    "alembic",
    "boto3",
    "dagster",
    "numpy",
    "pandas",
    "pyarrow",
    "pyvips",
    "structlog",
    "torch",
    "transformers",
}
ROOMS = {
    f"parjanya_dagster.{room}"
    for room in ("execution", "ingest", "intent", "media", "regrade", "release", "web")
}
STORE = {"sqlalchemy", "parjanya_dagster.truth.sql"}
MODEL = {"pydantic", "parjanya_dagster.settings.model"}
SETTINGS = MODEL | {"parjanya_dagster.settings"}
IMAGE = "IMAGE"  # that is decided
ASKED_OFTEN: list[tuple[list[str], set[str]]] = [  # what is not imported, less with each
    (["--version"], HEAVY | ROOMS | STORE | SETTINGS),
    (["--help"], HEAVY | ROOMS | STORE | SETTINGS),
    (["doctor", "--quick"], HEAVY | ROOMS | STORE | MODEL),
    (["status", "--json"], HEAVY | ROOMS | STORE | MODEL),
    (["status"], HEAVY | ROOMS | STORE | MODEL),
    (["tenant", "list"], HEAVY | ROOMS | STORE | MODEL),
    (["policy", "list"], HEAVY | ROOMS | STORE | MODEL),
    (["explain", IMAGE], HEAVY | ROOMS | STORE | MODEL),
    (["images"], (HEAVY | ROOMS | STORE | MODEL) - {"numpy"}),  # the catalog counts with it
    (
        ["images", "--text", "jpg", "--verdict", "accept", "--limit", "2"],
        (HEAVY | ROOMS | STORE | MODEL) - {"numpy"},
    ),
]
LOADED = """
import json, sys
from parjanya_dagster.cli.main import app
loaded = []
for arguments in json.loads(sys.argv[1]):
    try:
        app(arguments)
    except SystemExit as ended:
        assert not ended.code, (arguments, ended.code)
    loaded.append(sorted(sys.modules))
print(json.dumps(loaded), file=sys.stderr)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PARJANYA_HOME", raising=False)
    home = tmp_path / "home"
    open_platform(Settings(home=home), migrating=True).store.close()
    return home


def test_what_is_asked_often_imports_nothing_heavy(decided: Platform) -> None:
    """One process for all, which import more and more."""
    image = decided.store.present("acme", "", 1)[0].image_id
    asked = json.dumps([arguments for arguments, _ in ASKED_OFTEN]).replace(IMAGE, image)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOADED, asked],
        env={**os.environ, "PARJANYA_HOME": str(decided.settings.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    needless = {
        " ".join(arguments): sorted(heavy & set(loaded))
        for (arguments, heavy), loaded in zip(ASKED_OFTEN, json.loads(done.stderr), strict=True)
        if heavy & set(loaded)
    }
    assert needless == {}


def test_a_home_is_told_of_alike_by_the_reader_and_by_the_store(
    decided: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is printed is equal, with all settings read and the store asked, and without."""
    home, image = decided.settings.home, decided.store.present("acme", "", 1)[0]
    asked = [
        ["status", "--json"],
        ["tenant", "list"],
        ["tenant", "list", "--json"],
        ["policy", "list", "--json"],
        ["explain", image.image_id],
        ["explain", image.key, "--json"],
        ["explain", "copy.jpg"],
        ["explain", "*.jpg"],
        ["explain", "nobody"],
        ["images"],
        ["images", "--json", "--verdict", "accept", "--sort", "quality"],
        ["images", "--paths", "--limit", "3"],
    ]

    def told() -> list[tuple[str, str, str]]:
        (home / CATALOG).unlink(missing_ok=True)
        done = (CliRunner().invoke(app, [*words, "--home", str(home)]) for words in asked)
        return [(one.stdout, one.stderr, repr(one.exception)) for one in done]

    quick = told()
    assert sum(len(stdout) for stdout, _, _ in quick) > 5000
    opened: list[str] = []

    def store_of(home: Path | None) -> Platform:
        opened.append("store")
        return platform_of(home)

    monkeypatch.setattr(reader, "open_reader", lambda file, kind: None)
    monkeypatch.setattr(settings, "plain_places", lambda home: None)
    monkeypatch.setattr(options, "platform_of", store_of)
    assert told() == quick
    assert len(opened) >= len(asked)


def test_the_home_may_be_named_before_the_command_and_the_commands_own_counts(
    home: Path, tmp_path: Path
) -> None:
    def listed(*arguments: str) -> list[str]:
        done = CliRunner().invoke(app, [*arguments, "--json"])
        assert done.exit_code == 0, done.output
        return [tenant["slug"] for tenant in json.loads(done.stdout)]

    elsewhere = ["--home", str(tmp_path / "elsewhere")]
    assert CliRunner().invoke(app, ["--home", str(home), "tenant", "add", "acme"]).exit_code == 0
    assert listed("--home", str(home), "tenant", "list") == ["acme"]
    assert listed("tenant", "list", "--home", str(home)) == ["acme"]
    assert listed(*elsewhere, "tenant", "list", "--home", str(home)) == ["acme"]
    missing = CliRunner().invoke(app, ["--home", str(home), "tenant", "list", *elsewhere])
    assert missing.exit_code == 1
    assert "There is no home at" in str(missing.exception)


def test_the_version_is_that_of_the_package_and_needs_no_home(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["--home", str(tmp_path / "none"), "--version"])
    assert done.exit_code == 0, done.output
    assert done.output == f"parjanya {version('parjanya')}\n"


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ({"COMP_WORDS": "parjanya stat", "COMP_CWORD": "1"}, ["status"]),
        ({"COMP_WORDS": "parjanya tenant li", "COMP_CWORD": "2"}, ["list"]),
    ],
    ids=["a command", "a command of a group"],
)
def test_a_shell_completes(asked: dict[str, str], answer: list[str]) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("parjanya")],
        env=os.environ | {"_PARJANYA_COMPLETE": "complete_bash"} | asked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == answer, done.stderr
