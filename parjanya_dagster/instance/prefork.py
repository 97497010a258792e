"""Processes of an instance, forked from one that has imported what they share (decision 0048).

A service imports for seconds what the others import as well. So this process imports it once and
forks, while it has one thread, no connection and no event loop. A fork waits until it hears which
program to become. It then runs that program as `python -m` would, with an environment, a folder
and an output of its own. Only services of a start are such forks: one that is started again later
is a new interpreter, which reads the code that lies on the disk then.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import io
import json
import os
import runpy
import signal
import socket
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, Protocol

from parjanya_dagster import logs
from parjanya_dagster.instance import process_names
from parjanya_dagster.instance.standby import freshness, wire
from parjanya_dagster.lines import get_logger
from parjanya_dagster.settings import Settings

log = get_logger(__name__)
SHARED = (
    "dagster._cli.api",
    "dagster._daemon.cli",
    "dagster._grpc.server",
    "dagster_webserver.cli",
    "fastapi",
    "jinja2",
    "parjanya_dagster.cli.main",
    "parjanya_dagster.client",
    "parjanya_dagster.defs.asset_checks",
    "parjanya_dagster.defs.assets",
    "parjanya_dagster.defs.jobs",
    "parjanya_dagster.defs.released",
    "parjanya_dagster.defs.resources",
    "parjanya_dagster.defs.schedules",
    "parjanya_dagster.defs.sensors.arrivals",
    "parjanya_dagster.defs.sensors.pending_rows",
    "parjanya_dagster.defs.sensors.releases",
    "parjanya_dagster.defs.taste",
    "parjanya_dagster.instance.standby.server",
    "parjanya_dagster.instance.storage",
)
"""What more than one service imports, and what starts no thread: so nothing that needs numpy.

`definitions` is not among them. It reads the settings, so the process that serves it imports it.
"""
ENABLED = wire.AVAILABLE
"""Where this is false, every service is a new interpreter, as it is on other systems than Linux."""
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Process(Protocol):
    """What the supervisor asks of a process: as of subprocess.Popen."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...
    def wait(self) -> int: ...


@dataclass(slots=True, eq=False)
class Forked:
    """A child of this process."""

    pid: int
    returncode: int | None = None  # negative for a signal

    def poll(self) -> int | None:
        return self._waited(os.WNOHANG)

    def wait(self) -> int:
        return self._waited(0) or 0

    def _waited(self, options: int) -> int | None:
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, options)
            except ChildProcessError:  # somebody else has waited for it
                self.returncode = 0
            else:
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


@dataclass
class Prefork:
    """Forks of this process that wait to become a program."""

    waiting: list[tuple[Forked, socket.socket]] = field(default_factory=list)

    def become(
        self,
        name: str,
        program: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        output: Path,
    ) -> Forked | None:
        """Let a fork run `python -m PROGRAM…`. None where none is left that could.

        `name` is what lists of processes show. `output` is appended to.
        """
        while self.waiting:
            process, control = self.waiting.pop()
            with control:
                message = {"name": name, "program": list(program), "folder": str(folder),
                           "environment": dict(environment), "output": str(output)}  # fmt: skip
                with suppress(OSError):  # it has died
                    control.sendall(json.dumps(message).encode())
                    return process
            process.wait()
        return None

    def close(self) -> None:
        """End those that still wait."""
        for _, control in self.waiting:
            control.close()
        for process, _ in self.waiting:
            process.wait()
        self.waiting.clear()


@contextmanager
def preforked(settings: Settings, count: int) -> Iterator[Prefork]:
    """Import what services share, and fork `count` processes. What is not used ends with this.

    It has none where no fork is safe. Call it from the main thread, before anything is opened.
    """
    prefork = Prefork()
    if ENABLED:
        freshness.note(settings)
        _import_shared()
        threads = _threads()
        if threads == 1:
            gc.freeze()  # collections in the forks do not touch, and so copy, what they share
            for _ in range(count):
                prefork.waiting.append(_fork())
        else:
            log.warning("not_preforked", threads=threads)
    try:
        yield prefork
    finally:
        prefork.close()


def end_with_parent() -> None:
    """Ask the kernel to end this process with its parent."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))  # libraries have threads that Python does not know


def _import_shared() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in SHARED:
            importlib.import_module(module)


def _fork() -> tuple[Forked, socket.socket]:
    ours, theirs = socket.socketpair()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # or the fork would write it as well
    parent = os.getpid()
    pid = os.fork()
    if not pid:
        live(lambda: _served(theirs, parent))
    theirs.close()
    return Forked(pid), ours


def live(life: Callable[[], int]) -> NoReturn:
    """The life of a fork, which ends with this status. It never returns to what its parent did."""
    status = 1
    try:
        status = life()
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        os._exit(status)


def _served(control: socket.socket, parent: int) -> int:
    _begin(control, parent)
    with control, control.makefile("rb") as reader:
        text = reader.read()
    return _run(**json.loads(text)) if text else 0  # else nobody needs it


def _begin(control: socket.socket, parent: int) -> None:
    os.setsid()
    end_with_parent()
    if os.getppid() != parent:  # it died before the kernel was asked
        os._exit(1)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for opened in map(int, os.listdir("/proc/self/fd")):
        if opened > 2 and opened != control.fileno():  # among them is what locks the home
            with suppress(OSError):
                os.close(opened)


def _run(
    name: str, program: list[str], folder: str, environment: dict[str, str], output: str
) -> int:
    """Run the program to its end. Returns its exit status."""
    _redirect(output)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    process_names.set_command_line(f"parjanya {name}")
    process_names.set_short_name(f"parjanya-{name}")
    sys.warnoptions[:] = ["ignore"]  # as `-W ignore`, which processes that it starts are given
    warnings.simplefilter("ignore")
    logs.configure_for_commands()  # anew, since the output is another
    module, *arguments = program
    sys.argv[1:] = arguments
    status = _status_of(module)
    # As the interpreter does at its end.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    return status


def _status_of(module: str) -> int:
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _redirect(output: str) -> None:
    """Nothing to read; what is written is appended to this file at once."""
    with open(os.devnull, "rb") as nothing, open(output, "ab") as file:
        os.dup2(nothing.fileno(), 0)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, "rb", closefd=False))
    sys.stdout, sys.stderr = _unbuffered(1), _unbuffered(2)


def _unbuffered(number: int) -> io.TextIOWrapper:
    raw = io.FileIO(number, "wb", closefd=False)
    return io.TextIOWrapper(raw, "utf-8", "backslashreplace", write_through=True)
