"""What commands print beside their results: notes, progress and colours."""

from __future__ import annotations

import os
import pty
import sys

import pytest
import typer
from typer.testing import CliRunner

from parjanya_dagster.cli import main
from parjanya_dagster.cli.output import print_note, print_warning

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
