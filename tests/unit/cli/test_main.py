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

from parjanya_dagster.cli.main import app
from parjanya_dagster.platform import open_platform
from parjanya_dagster.settings import Settings

HEAVY = (
    "alembic",
    "dagster",
    "numpy",
    "pandas",
    "pyarrow",
    "pyvips",
    "structlog",
    "torch",
    "transformers",
)
LOADED = """
import json, sys
from parjanya_dagster.cli.main import app
try:
    app(sys.argv[1:])
except SystemExit as ended:
    assert not ended.code, ended.code
print(json.dumps(sorted(name for name in sys.modules if "." not in name)), file=sys.stderr)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PARJANYA_HOME", raising=False)
    home = tmp_path / "home"
    open_platform(Settings(home=home), migrating=True).store.close()
    return home


@pytest.mark.parametrize("arguments", [["--help"], ["status"], ["status", "--json"]])
def test_what_is_asked_often_imports_nothing_heavy(home: Path, arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOADED, "--home", str(home), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stderr)
    assert "typer" in loaded
    assert [name for name in HEAVY if name in loaded] == []


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
