"""The server as a process: started, waited for, ended. It never outlives whoever started it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from parjanya_dagster.errors import ModelServerDied, SettingsInvalid
from parjanya_dagster.model_server.command import DRAIN, HOST, Command

PATIENCE = 30.0  # seconds that it gets to say that it is well, and to end after its last answer
AFTER = 5.0  # seconds that its own processes get to end after it
SAID = 3000  # characters of its log that are repeated
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def log_of(home: Path) -> Path:
    """Where the server of a home writes."""
    return home / "logs" / "model.log"


class ModelServer:
    """One server, until the block is left. What it writes is appended to a log."""

    def __init__(self, command: Command, log: Path) -> None:
        self.command, self.log = command, log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Raises SettingsInvalid where its port is taken: whoever has it would answer for it."""
        _require_free(self.command.port)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command.arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(self.command.environment),
                start_new_session=True,  # Ctrl-C reaches us alone: it is asked to end in its turn
                preexec_fn=_end_with_parent,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end()

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def wait_until_ready(
        self,
        seconds: float,
        stopping: Callable[[], bool] = lambda: False,
        tell: Callable[[float, str], None] = lambda _, __: None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> bool:
        """Wait until it answers; False: `stopping` came first.

        `tell` hears every time how long it has been, and the last line that the server wrote.
        Raises ModelServerDied where it ends, and where it takes longer.
        """
        began = clock()
        while not stopping():
            self.require_alive()
            if self.ready():
                return True
            waited = clock() - began
            if waited > seconds:
                raise ModelServerDied(
                    f"The model server did not answer in {waited:.0f} s "
                    f"(PARJANYA_MODEL_SERVER__READY_SECONDS).{self._last_lines()}"
                )
            tell(waited, self._last_lines().rpartition("\n")[2])
            pause(0.5)
        return False

    def ready(self) -> bool:
        """Whether it takes requests now."""
        health = self.command.url.removesuffix("/v1") + "/health"
        try:
            with _direct.open(health, timeout=PATIENCE) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def require_alive(self) -> None:
        """Raise ModelServerDied where it has ended."""
        assert self._process
        status = self._process.poll()
        if status is not None:
            how = f"by signal {-status}" if status < 0 else f"with status {status}"
            raise ModelServerDied(f"The model server ended {how}.{self._last_lines()}")

    def end(self) -> None:
        """Let it finish what it was asked, then end it and all that it started."""
        process, self._process = self._process, None
        if process is None:
            return
        family = _family(process.pid)
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(DRAIN + PATIENCE)
        _, left = psutil.wait_procs(family, timeout=AFTER)  # those that it started end with it
        for one in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        psutil.wait_procs(left, timeout=PATIENCE)

    def _last_lines(self) -> str:
        try:
            with self.log.open("rb") as written:
                written.seek(max(0, self.log.stat().st_size - SAID))
                said = written.read().decode(errors="replace").strip()
        except OSError:
            return ""
        return f" It wrote last ({self.log}):\n{said}" if said else ""


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise SettingsInvalid(
                f"Port {port} of {HOST} cannot be had ({error.strerror}). Set another one: "
                "PARJANYA_MODEL_SERVER__LISTEN."
            ) from None


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _family(pid: int) -> list[psutil.Process]:
    try:
        head = psutil.Process(pid)
        return [head, *head.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _end_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
