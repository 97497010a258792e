"""Programs that are forked behave as those that are interpreters of their own."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from tests.support.forking import Program
from tests.support.waiting import is_alive, tail, wait_until


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    return {**os.environ, "PARJANYA_HOME": str(tmp_path / "home")}


def serving(environment: Mapping[str, str], log: Path) -> Program:
    """A program that goes on until it is told to end."""
    return Program(
        "http.server", "0", "--bind", "127.0.0.1",
        environment=environment, folder=log.parent, output=log,
    )  # fmt: skip


def test_it_says_what_and_ends_as_the_program_does(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    for argument, status in (("--version", 0), ("--nonsense", 2)):
        output, errors = tmp_path / f"out{argument}", tmp_path / f"err{argument}"
        program = Program(
            "parjanya_dagster.cli", argument,
            environment=environment, folder=tmp_path, output=output, errors=errors,
        )  # fmt: skip
        assert program.wait() == program.returncode == status
        assert ("parjanya " in output.read_text()) is (status == 0)
        assert ("nonsense" in errors.read_text()) is (status == 2)


def test_it_is_found_by_its_home_and_ends_with_a_signal(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    program = serving(environment, log := tmp_path / "log")
    shown = psutil.Process(program.pid)
    wait_until(
        lambda: shown.environ().get("PARJANYA_HOME") == environment["PARJANYA_HOME"],
        "its environment is shown",
        died=lambda: program.poll() is not None,
        log=lambda: tail(log),
    )
    assert shown.cmdline()[0] == "python -m http.server 0 --bind 127.0.0.1"
    assert Path(shown.cwd()) == tmp_path
    with pytest.raises(TimeoutError):
        program.wait(0.01)
    program.kill()
    assert program.wait() == -signal.SIGKILL


def test_it_ends_with_who_began_it(environment: Mapping[str, str], tmp_path: Path) -> None:
    program = serving(environment, tmp_path / "log")
    process = psutil.Process(program.pid)
    program._control.close()
    wait_until(lambda: not is_alive(process), "it has ended")
