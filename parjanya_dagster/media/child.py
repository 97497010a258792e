"""One decoder process as its parent sees it: start it, ask it, watch it, end it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from . import wire
from .jail import Jail

_START_SECONDS: Final = 120.0
_PIPE_BYTES: Final = 1 << 20
# A deadline may grow by this factor if the child got less than this share of a CPU.
_PATIENCE: Final = 4
_STARVED: Final = 0.5


# What starting and decoding need. A decoder that is taken over could write all that it was told
# into a preview: passwords of databases, keys of buckets.
_PASSED_ON: Final = frozenset(
    ("PATH", "HOME", "TMPDIR", "TZ", "LANG", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "LD_PRELOAD")
)
_FAMILIES_PASSED_ON: Final = ("LC_", "PYTHON", "DYLD_", "MALLOC_", "VIPS_")


def _harmless(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name in _PASSED_ON or name.startswith(_FAMILIES_PASSED_ON)
    }


class ChildDied(Exception):
    """The process ended without an answer."""

    def __init__(self, code: int | None, last_words: str) -> None:
        super().__init__(code, last_words)
        self.code = code
        self.last_words = last_words

    @property
    def killed_from_outside(self) -> bool:
        return self.code in (-signal.SIGKILL, -signal.SIGTERM)

    @property
    def out_of_memory(self) -> bool:
        """GLib and the C++ runtime abort where Python would raise MemoryError."""
        words = self.last_words.lower()
        return any(sign in words for sign in ("failed to allocate", "out of memory", "bad_alloc"))

    def __str__(self) -> str:
        if self.code is not None and self.code < 0:
            with contextlib.suppress(ValueError):
                return signal.Signals(-self.code).name
        return f"exit status {self.code}; {self.last_words[-300:].strip() or 'no message'}"


class DeadlinePassed(Exception):
    """The process was still at work when its time was over, and was killed."""


class Child:
    """A decoder process. Not safe to share between threads, except for `end`."""

    def __init__(self, entry: str, memory_bytes: int, alarm_seconds: int, jailed: bool) -> None:
        self.images = 0
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        root = str(Path(__file__).resolve().parents[2])
        environment = {
            **_harmless(os.environ),
            "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH")))),
            # A child decodes one image in one thread, so it needs no more threads or heaps.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "VIPS_CONCURRENCY": "1",
            "MALLOC_ARENA_MAX": "2",
            # What is too large for memory is refused, and not put into a file: there are none.
            "VIPS_DISC_THRESHOLD": "1000g",
            # Freed memory is kept for the next image, not given back to the system.
            "MALLOC_MMAP_THRESHOLD_": str(64 << 20),
            "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
        }
        module = f"{__package__}.decoder_process"
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", module, entry, str(memory_bytes)),
                *(str(alarm_seconds), "jailed" if jailed else "free"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=environment,
            bufsize=0,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._to = self._process.stdin.fileno()
        self._from = self._process.stdout.fileno()
        for pipe in (self._to, self._from):
            os.set_blocking(pipe, False)
            with contextlib.suppress(AttributeError, OSError):  # Linux only, and limited per user
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def wait_until_ready(self) -> Jail:
        """Block until imports are done. Returns what holds it. Raises ChildDied."""
        try:
            ready, _ = self._converse([], _START_SECONDS)
            return Jail(**ready["jail"])
        except DeadlinePassed:
            raise ChildDied(None, f"it was not ready after {_START_SECONDS:g} seconds") from None

    def exchange(
        self, header: dict[str, Any], blobs: Sequence[bytes], deadline_s: float
    ) -> tuple[dict[str, Any], list[bytes]]:
        """Send one image and its sidecars, return the answer. Raises ChildDied, DeadlinePassed."""
        self.images += 1
        return self._converse(wire.packed(header, *blobs), deadline_s)

    def peak_memory_bytes(self) -> int:
        """Most resident memory so far. 0 if the system does not tell."""
        # Not getrusage: its figure begins with what the parent had when it forked.
        with contextlib.suppress(OSError), open(f"/proc/{self._process.pid}/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return 0

    def end(self) -> None:
        """Kill the process, whatever it does. Safe from any thread: nothing is closed."""
        with contextlib.suppress(OSError):
            self._process.kill()

    def dispose(self) -> None:
        """End the process and free what it held. For the thread that uses it. Idempotent."""
        self.end()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._stderr):
            if pipe is not None:
                pipe.close()

    def _converse(self, parts: list[bytes], seconds: float) -> tuple[dict[str, Any], list[bytes]]:
        started = time.monotonic()
        cpu_before = self._cpu_seconds()
        due = started + seconds
        parser = wire.Parser()
        waiting = [memoryview(part) for part in parts]
        poll = select.poll()
        poll.register(self._from, select.POLLIN)
        if waiting:
            poll.register(self._to, select.POLLOUT)
        while True:
            ready = dict(poll.poll(max(0.0, due - time.monotonic()) * 1000))
            if not ready:
                now = time.monotonic()
                if self._is_starved(cpu_before, seconds) and now < started + _PATIENCE * seconds:
                    due = min(now + seconds, started + _PATIENCE * seconds)
                    continue
                raise DeadlinePassed
            if self._to in ready and waiting:
                self._write(waiting)
                if not waiting:
                    poll.unregister(self._to)
            if self._from in ready:
                message = self._read(parser)
                if message is not None:
                    return message

    def _write(self, waiting: list[memoryview]) -> None:
        try:
            sent = os.write(self._to, waiting[0])
        except BlockingIOError:
            return
        except BrokenPipeError:
            raise self._death() from None
        waiting[0] = waiting[0][sent:]
        if not waiting[0]:
            del waiting[0]

    def _read(self, parser: wire.Parser) -> tuple[dict[str, Any], list[bytes]] | None:
        try:
            piece = os.read(self._from, _PIPE_BYTES)
        except BlockingIOError:
            return None
        if not piece:
            raise self._death()
        try:
            return parser.feed(piece)
        except wire.BrokenMessage as error:
            raise ChildDied(None, f"its answer was no message: {error}") from error

    def _death(self) -> ChildDied:
        # The pipe is closed, so the end is near; a process that lingers without it is ended.
        try:
            code: int | None = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            code = None
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - 2000))
        words = self._stderr.read().decode("utf-8", "replace")
        return ChildDied(code, words)

    def _is_starved(self, cpu_before: float, seconds: float) -> bool:
        return self._cpu_seconds() - cpu_before < _STARVED * seconds

    def _cpu_seconds(self) -> float:
        try:
            with open(f"/proc/{self._process.pid}/stat") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except (OSError, IndexError, ValueError):  # gone, or no Linux
            return float("inf")
