"""A stand-in for a decoder that a hostile image has taken over: it tries what the bytes say.

It answers what came of it. What an exploit would do by machine code is tried through ctypes.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from parjanya_dagster.media import Limits, Validated

LIBC = ctypes.CDLL(None, use_errno=True)


def _called(number: int, *arguments: int) -> int:
    """A system call by its number. Raises OSError."""
    result = LIBC.syscall(number, *map(ctypes.c_long, arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(result)


def _call(function: Callable[..., int], *arguments: object) -> None:
    if function(*arguments) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _in_a_thread_from_before(place: str) -> None:
    """Landlock holds the threads that come after it; the filter holds all."""
    told: list[OSError] = []
    _jobs.append((lambda: Path(place).read_bytes(), told))
    _wake.release()
    _done.acquire()
    if told:
        raise told[0]


_jobs: list[tuple[Callable[[], object], list[OSError]]] = []
_wake, _done = threading.Semaphore(0), threading.Semaphore(0)


def _wait_for_jobs() -> None:
    while True:
        _wake.acquire()
        job, told = _jobs.pop()
        try:
            job()
        except OSError as error:
            told.append(error)
        _done.release()


threading.Thread(target=_wait_for_jobs, daemon=True).start()

ATTEMPTS: dict[str, Callable[[str], object]] = {
    "read a file": lambda place: Path(place).read_bytes(),
    "read a file by another thread": _in_a_thread_from_before,
    "write a file": lambda place: Path(place).write_bytes(b"x"),
    "create a file": lambda place: Path(f"{place}.new").touch(),
    "rename a file": lambda place: Path(place).rename(f"{place}.moved"),
    "delete a file": lambda place: Path(place).unlink(),
    "link to a file": lambda place: Path(f"{place}.link").symlink_to(place),
    "change a file's mode": lambda place: Path(place).chmod(0o777),
    "list a folder": lambda place: os.listdir(Path(place).parent),
    "read the secrets of its parent": lambda _: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
    "make a socket": lambda _: socket.socket(),
    "make a local socket": lambda _: socket.socket(socket.AF_UNIX),
    "make a pair of sockets": lambda _: socket.socketpair(),
    "resolve a name": lambda _: socket.getaddrinfo("localhost", 80),
    "run a program": lambda _: subprocess.run([sys.executable, "-c", ""], check=True),
    "become a program": lambda _: os.execv("/bin/true", ["true"]),
    "fork": lambda _: os.fork() or os._exit(0),
    "signal its parent": lambda _: os.kill(os.getppid(), signal.SIGTERM),
    "ask for its parent": lambda _: os.kill(os.getppid(), 0),
    "signal everybody": lambda _: os.kill(-1, 0),
    "trace its parent": lambda _: _call(LIBC.ptrace, 16, os.getppid(), 0, 0),
    "make memory a program": lambda _: mmap.mmap(
        -1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    ),
    "make a file of memory": lambda _: os.memfd_create("x"),
    "mount": lambda _: _call(LIBC.mount, b"none", b"/mnt", b"tmpfs", 0, None),
    "enter a namespace": lambda _: _call(LIBC.unshare, 0x10000000),
    "ring a queue of calls": lambda _: _called(425, 1, 0),  # io_uring_setup
    "raise its priority": lambda _: _call(LIBC.setpriority, 0, 0, -20),
}


def _replies() -> int:
    """The pipe to the parent. It is the only one besides the standard input."""
    return next(fd for fd in range(3, 20) if _is_pipe(fd))


def _is_pipe(fd: int) -> bool:
    try:
        os.lseek(fd, 0, os.SEEK_CUR)
    except OSError as error:
        return error.errno == errno.ESPIPE
    return False


def _message(text: bytes, *sizes: int) -> bytes:
    return struct.pack(f">II{len(text)}s{len(sizes)}Q", len(text), 8 * len(sizes), text, *sizes)


ANSWERS = {
    "promise four gigabytes": _message(b'{"body": {}}', 1 << 32, 1),
    "promise half a gigabyte": _message(b'{"body": {}}', 1 << 29, 1),
    "no number": _message(b'{"body": {"a": NaN}}', 0, 0),
    "no end of lists": _message(b"[" * 100_000, 0, 0),
    "no object": _message(b"[]", 0, 0),
}


def work(data: bytes, limits: Limits, *, coordinates: bool = False) -> Validated:
    attempt, _, place = data.decode().partition("|")
    if attempt == "tell":
        return Validated({"said": sorted(f"{k}={v}" for k, v in os.environ.items())}, b"", b"")
    if attempt in ANSWERS:
        os.write(_replies(), ANSWERS[attempt])
        time.sleep(3600)
    try:
        ATTEMPTS[attempt](place)
    except OSError as error:
        said = type(error).__name__
    else:
        said = "done"
    return Validated({"said": said, "pid": os.getpid()}, b"", b"")
