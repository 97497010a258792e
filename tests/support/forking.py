"""Programs of ours, forked from one process that has imported what they import (decision 0055).

`parjanya up` in an interpreter of its own imports for six seconds of processor time before it does
anything, and most commands for two. So one process for the whole session imports once. Each program
is a fork of it, with an environment, a folder and an output of its own. Whoever tests the start of
the program itself starts a real one.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from parjanya_dagster.instance.process_names import set_command_line
from tests.support.servers import die_with_parent
from tests.support.shared import borrowed
from tests.support.waiting import tail, wait_for_end, wait_until, work_of

IMPORTED = (
    "parjanya_dagster.cli.web",
    "parjanya_dagster.doctor.instance",
    "parjanya_dagster.ingest.copy_files",
    "parjanya_dagster.instance.run",
    "parjanya_dagster.platform",
)
"""Beside what services of an instance share."""
ROOM = 4096  # bytes of the environment that lists of processes show


@dataclass
class Forks:
    """The process that forks. See `shared.Server`."""

    folder: Path = field(
        default_factory=lambda: Path(tempfile.mkdtemp(prefix="parjanya-forks-of-tests-"))
    )
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __getstate__(self) -> dict[str, Any]:
        """For another process: it uses this, and does not end it."""
        return {**vars(self), "_process": None}

    @property
    def address(self) -> Path:
        return self.folder / "socket"

    def start(self) -> None:
        log = self.folder / "log"
        foreign = ("PARJANYA_", "DAGSTER_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        with log.open("ab") as output:
            self._process = process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.forking", str(self.address)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"ROOM": "x" * ROOM, **kept},
                preexec_fn=die_with_parent(signal.SIGTERM),
            )
        wait_until(
            self.address.exists,
            "programs can be forked",
            moves=lambda: work_of(process.pid),
            died=lambda: process.poll() is not None,
            log=lambda: tail(log),
        )

    def remove(self) -> None:
        if self._process is not None:
            self._process.terminate()
            wait_for_end(self._process, "the process that forks ends")
            self._process = None
        shutil.rmtree(self.folder)


class Program:
    """A fork that runs a module as `python -m` would. It has what is asked of a `Popen`.

    `output` and `errors` are files that are appended to. The program ends with who began it.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        environment: Mapping[str, str],
        folder: Path | None = None,
        output: Path,
        errors: Path | None = None,
    ) -> None:
        wanted = {
            "module": module,
            "arguments": arguments,
            "environment": dict(environment),
            "folder": str(folder or Path.cwd()),
            "output": str(output.resolve()),
            "errors": str((errors or output).resolve()),
        }
        self.returncode: int | None = None
        self._said = b""
        self._control = socket.socket(socket.AF_UNIX)
        self._control.connect(str(_forks().address))
        self._control.sendall(json.dumps(wanted).encode() + b"\n")
        while b"\n" not in self._said:
            self._hear()
        number, _, self._said = self._said.partition(b"\n")
        self.pid = int(number)

    def poll(self) -> int | None:
        return self._waited(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Raises TimeoutError."""
        status = self._waited(timeout)
        if status is None:
            raise TimeoutError
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _waited(self, patience: float | None) -> int | None:
        if self.returncode is None:
            self._control.settimeout(patience)
            with suppress(TimeoutError, BlockingIOError):
                while b"\n" not in self._said:
                    self._hear()
                self.returncode = int(self._said)
                self._control.close()
        return self.returncode

    def _hear(self) -> None:
        heard = self._control.recv(64)
        if not heard:
            raise RuntimeError("The process that forks programs for tests has died.")
        self._said += heard


class _Sharing:
    """Which session this is, and what it uses."""

    config: pytest.Config | None = None
    forks: Forks | None = None
    ours = False  # started here, where there are no workers


def pytest_configure(config: pytest.Config) -> None:
    _Sharing.config = config


def pytest_unconfigure() -> None:
    forks, _Sharing.forks = _Sharing.forks, None
    if forks is not None and _Sharing.ours:
        forks.remove()


def _forks() -> Forks:
    if _Sharing.forks is None:
        config = _Sharing.config
        forks = borrowed(config, Forks) if config is not None else None
        if forks is None:
            forks = Forks()
            forks.start()
            _Sharing.ours = True
        _Sharing.forks = forks
    return _Sharing.forks


# --- the process that forks ---


def serve(address: str) -> None:
    """Fork what is asked for, and tell who asked how it ended. One thread: a fork is safe."""
    from parjanya_dagster.instance.prefork import live  # only this process needs it

    listening = socket.socket(socket.AF_UNIX)
    selector = selectors.DefaultSelector()
    ended, wake = socket.socketpair()
    for one in (ended, wake):
        one.setblocking(False)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    asked: dict[int, socket.socket] = {}  # who asked, by process
    selector.register(ended, selectors.EVENT_READ)
    listening.bind(f"{address}.new")
    listening.listen(64)
    os.rename(f"{address}.new", address)
    selector.register(listening, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listening:
                control, _ = listening.accept()
                selector.register(control, selectors.EVENT_READ)
            elif key.fileobj is ended:
                with suppress(BlockingIOError):
                    ended.recv(4096)
                for pid, status in _ended():
                    _tell(asked.pop(pid), status, selector)
            else:
                control = key.fileobj  # type: ignore[assignment]
                if wanted := _asked(control):
                    pid = os.fork()
                    if not pid:
                        live(partial(_served, json.loads(wanted)))
                    asked[pid] = control
                    with suppress(OSError):
                        control.sendall(f"{pid}\n".encode())
                else:  # who asked is gone
                    selector.unregister(control)
                    for pid, who in asked.items():
                        if who is control:
                            os.kill(pid, signal.SIGTERM)


def _asked(control: socket.socket) -> bytes:
    """One line. Nothing where who asked is gone."""
    wanted = b""
    with suppress(ConnectionError):
        while not wanted.endswith(b"\n"):
            if not (more := control.recv(65_536)):
                return b""
            wanted += more
    return wanted


def _ended() -> list[tuple[int, int]]:
    found = []
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            found.append((pid, os.waitstatus_to_exitcode(status)))
    return found


def _tell(control: socket.socket, status: int, selector: selectors.BaseSelector) -> None:
    with suppress(KeyError):  # who asked is gone
        selector.unregister(control)
    with control, suppress(OSError):
        control.sendall(f"{status}\n".encode())


def _served(wanted: dict[str, Any]) -> int:
    _begin()
    return _run(**wanted)


def _begin() -> None:
    signal.set_wakeup_fd(-1)
    die_with_parent(signal.SIGTERM)()
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for opened in map(int, os.listdir("/proc/self/fd")):
        if opened > 2:
            with suppress(OSError):
                os.close(opened)


def _run(
    module: str,
    arguments: Sequence[str],
    environment: dict[str, str],
    folder: str,
    output: str,
    errors: str,
) -> int:
    for number, file in ((1, output), (2, errors)):
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    set_command_line(f"python -m {' '.join((module, *arguments))}")
    _show_environment()
    sys.argv[1:] = arguments
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="runpy")  # it is imported
    status = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    # As the interpreter does at its end.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    return status & 0xFF


def _show_environment() -> None:
    """As other processes see it, and those that are forked from this one: they are found by it.

    The kernel shows the memory of the start. Nothing points there any more: each variable was set
    anew.
    """
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = int(fields[47]), int(fields[48])  # `env_start`, `env_end` of proc_pid_stat(5)
    ours = {name: os.environ[name] for name in ("PARJANYA_HOME",) if name in os.environ}
    text = b"".join(f"{name}={value}\0".encode() for name, value in ours.items())
    ctypes.memmove(begin, text.ljust(end - begin, b"\0"), end - begin)


def main() -> None:
    from parjanya_dagster.instance.prefork import SHARED  # only this process needs it

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in (*SHARED, *IMPORTED):
            importlib.import_module(module)
    gc.freeze()
    serve(sys.argv[1])


if __name__ == "__main__":
    main()
