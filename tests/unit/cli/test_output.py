"""What commands print beside their results: notes, progress and colours."""

from __future__ import annotations

import os
import pty
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from parjanya_dagster.cli import main, output
from parjanya_dagster.cli.output import Line, print_error, print_note, print_warning
from parjanya_dagster.platform import Platform

ESCAPE = b"\x1b["


@pytest.fixture
def waiting() -> typer.Typer:
    """The program, with one command that takes long and then warns."""
    app = typer.Typer()
    app.callback()(main.parjanya)

    @app.command()
    def wait() -> None:
        print_note("12 of 30 parts")
        print_warning("one is left out")
        typer.echo("30")

    return app


def test_notes_go_to_standard_error(waiting: typer.Typer) -> None:
    done = CliRunner().invoke(waiting, ["wait"])
    assert (done.stdout, done.stderr) == ("30\n", "12 of 30 parts\none is left out\n")


@pytest.mark.parametrize("option", ["--quiet", "-q"])
def test_who_wants_quiet_gets_results_and_warnings(waiting: typer.Typer, option: str) -> None:
    done = CliRunner().invoke(waiting, [option, "wait"])
    assert (done.stdout, done.stderr) == ("30\n", "one is left out\n")


@pytest.mark.parametrize("asked", ["", "1"])
def test_a_terminal_gets_colours_unless_it_wants_none(asked: str) -> None:
    shown = on_a_terminal("tenant", "list", "--home", "/nowhere", NO_COLOR=asked)
    assert b"parjanya: " in shown
    assert (ESCAPE in shown) is not bool(asked)


RELEASE, VECTORS = "release create -t acme --as ana --name birds{n}", "embeddings make"


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("doctor", "looking at Dagster's ticks …"),
        ("doctor --maintenance", "checking: counters are right …"),
        ("recount", "counting all rows"),
        (VECTORS, "batches, "),
        (RELEASE, " parts, "),
        ("restore {kept} --no-check --home {kept}-{n}", "comparing the backup's files"),
        ("restore {kept} --no-check --home {kept}-{n}", "bringing Truth back"),
    ],
)
def test_who_waits_at_a_terminal_sees_what_is_done(
    decided: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, says: str
) -> None:
    home = ["--home", str(decided.settings.home)]
    kept = tmp_path / "kept"
    if command.startswith("restore"):
        saved = CliRunner().invoke(main.app, ["backup", str(kept), "--no-check", *home])
        assert saved.exit_code == 0, saved.output

    def told(n: int, *options: str) -> str:
        words = command.format(n=n, kept=kept).split()
        done = CliRunner().invoke(main.app, [*options, *home, *words])
        assert done.exit_code == 0 or command.startswith("doctor"), done.output
        assert says not in done.stdout
        return done.stderr

    logged = told(1)
    assert (says in logged) is (command in (RELEASE, VECTORS)), "the log of a job has these"
    assert "\r" not in logged
    assert says not in told(2, "--quiet")
    seen = SimpleNamespace(stderr=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(output, "sys", seen)
    assert says not in told(3, "--quiet")
    shown = told(4)
    assert says in shown
    assert "\r" in shown.rpartition(says)[2], "the line is taken away"


def test_an_error_does_not_stand_behind_what_was_being_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = SimpleNamespace(stderr=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(output, "sys", seen)
    for prints in (print_note, print_warning, print_error):
        Line()("bringing Truth back …")
        prints("It is in use.")
        assert capsys.readouterr().err.endswith("… \rIt is in use.\n")
    print_error("It is in use.")
    assert capsys.readouterr().err == "It is in use.\n"


def on_a_terminal(*command: str, **environment: str) -> bytes:
    """What the program writes where its output is a terminal."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(
            sys.executable,
            [sys.executable, "-m", "parjanya_dagster.cli", *command],
            {**os.environ, **environment},
        )
    shown = b""
    try:
        while part := os.read(terminal, 4096):
            shown += part
    except OSError:  # EIO: the program has ended
        pass
    os.close(terminal)
    os.waitpid(child, 0)
    return shown
