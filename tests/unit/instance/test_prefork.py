"""Forks that become a program: as a new interpreter would be, and gone where nobody needs them."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

import parjanya_dagster
from parjanya_dagster.instance import prefork
from parjanya_dagster.instance.home import alone
from parjanya_dagster.settings import Settings

pytestmark = pytest.mark.skipif(not prefork.ENABLED, reason="services are not forked here")
TELLS = """
import json, os, signal, sys, warnings
warnings.warn("not shown")
print("to the other stream", file=sys.stderr)
print(json.dumps({
    "argv": sys.argv[1:], "name": __name__, "folder": os.getcwd(), "home": os.environ["HOME"],
    "variables": len(os.environ), "read": sys.stdin.read(), "leads": os.getpgrp() == os.getpid(),
    "handlers": [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)],
    "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    "open": sorted(os.readlink(f"/proc/self/fd/{one}") for one in os.listdir("/proc/self/fd")[3:]
                   if os.path.exists(f"/proc/self/fd/{one}")),
    "command": open("/proc/self/cmdline").read().rstrip("\\0"), "short": open("/proc/self/comm").read(),
}))
sys.exit(3)
"""  # noqa: E501
PARENT = """
import json, signal, sys, threading, time
from pathlib import Path
from parjanya_dagster.instance import prefork
from parjanya_dagster.instance.home import alone
from parjanya_dagster.settings import Settings
prefork.SHARED = ("colorsys",)
folder = Path(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: None)
with alone(Settings(home=folder)), prefork.preforked(Settings(home=folder), 6) as forks:
    print(json.dumps([one.pid for one, _ in forks.waiting]), flush=True)
    for order in sys.stdin:
        given = json.loads(order)
        process = forks.become(given["name"], given["program"], given["environment"],
                               folder, folder / "log")
        print(json.dumps(None if process is None else process.wait()), flush=True)
print("ended", flush=True)
time.sleep(600)
"""


class Parent:
    """A process that forks six, and lets them become what it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "log"
        self.process = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])},
            text=True,
        )
        self.forks = [psutil.Process(pid) for pid in self.hear()]

    def hear(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def become(self, name: str, *program: str) -> Any:
        assert self.process.stdin is not None
        order = {"name": name, "program": program, "environment": {"HOME": "/é"}}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self.hear()


@contextmanager
def parent_over(folder: Path) -> Iterator[Parent]:
    parent = Parent(folder)
    with parent.process:
        try:
            yield parent
        finally:
            parent.process.kill()
            psutil.wait_procs(parent.forks)


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parent]:
    with parent_over(tmp_path_factory.mktemp("parent")) as parent:
        yield parent


def test_a_fork_becomes_what_a_new_interpreter_would_be(parent: Parent) -> None:
    (parent.folder / "tells.py").write_text(TELLS)
    assert parent.become("test", "tells", "-w", "x") == 3
    other, line = parent.log.read_text().splitlines()
    assert other == "to the other stream"
    assert json.loads(line) == {
        "argv": ["-w", "x"],
        "name": "__main__",
        "folder": str(parent.folder),
        "home": "/é",
        "variables": 1,
        "read": "",
        "leads": True,
        "handlers": [signal.SIG_DFL, signal.SIG_DFL],
        "interrupt": True,
        "open": [],
        "command": "parjanya test",
        "short": "parjanya-test\n",
    }


def test_what_goes_wrong_in_it_is_its_exit_status_and_in_its_log(parent: Parent) -> None:
    (parent.folder / "kills.py").write_text("import os; os.kill(os.getpid(), 9)")
    (parent.folder / "raises.py").write_text("import atexit; atexit.register(print, 'bye'); 1 / 0")
    assert parent.become("test", "kills") == -9
    assert parent.become("test", "raises") == 1
    assert parent.become("test", "absent_module") == 1
    log = parent.log.read_text()
    assert 0 < log.index("\nZeroDivisionError") < log.index("\nbye") < log.index("absent_module")


def test_one_that_was_killed_while_it_waited_is_passed_over(parent: Parent) -> None:
    (parent.folder / "works.py").write_text("")
    waiting, last = parent.forks[0], parent.forks[1]
    assert waiting.status() == last.status() == psutil.STATUS_SLEEPING
    last.kill()
    while last.status() != psutil.STATUS_ZOMBIE:
        pass
    assert parent.become("test", "works") == 0
    assert parent.become("test", "works") is None  # all are used
    assert not waiting.is_running()
    assert not last.is_running()


def test_those_that_nobody_needs_end_with_the_start(tmp_path: Path) -> None:
    with parent_over(tmp_path) as parent:
        assert parent.process.stdin is not None
        parent.process.stdin.close()
        assert parent.process.stdout is not None
        assert parent.process.stdout.readline() == "ended\n"
        assert not any(fork.is_running() for fork in parent.forks)


def test_a_parent_that_is_killed_leaves_no_fork_and_no_lock(tmp_path: Path) -> None:
    with parent_over(tmp_path) as parent:
        parent.process.kill()
        psutil.wait_procs(parent.forks)
        with alone(Settings(home=tmp_path)):
            pass


def test_nothing_is_forked_beside_another_thread(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(prefork, "SHARED", ())
    monkeypatch.setattr(prefork, "_threads", lambda: 2)
    with prefork.preforked(Settings(home=tmp_path), 3) as forks:
        assert forks.become("test", ["works"], {}, tmp_path, tmp_path / "log") is None


def test_all_that_definitions_needs_is_imported_before_the_fork() -> None:
    tree = ast.parse(Path(str(parjanya_dagster.__file__)).with_name("definitions.py").read_text())
    needed = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {one for one in needed if one and ".defs." in one} <= set(prefork.SHARED)
