"""Waiting for the world to become so, for as long as something moves.

A machine under load is slow, and that is no failure. So a wait is given up where nothing moves for
long, where what should act has died, or after a time that no load explains. It then says what was
waited for, and the end of the log.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Protocol

import psutil

STILL = 240.0  # seconds without any progress
CAP = 900.0  # seconds in all
RESTS = 9  # times as long as asking took: whoever waits leaves the processor to what acts
LONGEST = 2.0  # seconds of such a rest
LOOKS = 100  # at what moves, while it may stand still: each costs more than asking what is awaited


class Process(Protocol):
    """What is waited for: a `Popen`, or a program that was forked."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...


def nothing() -> object:
    """Progress that cannot be seen: then only the time without it counts."""
    return None


def wait_until(
    true: Callable[[], object],
    what: str,
    *,
    moves: Callable[[], object] = nothing,
    died: Callable[[], bool] = lambda: False,
    log: Callable[[], str] = lambda: "",
    still: float = STILL,
    cap: float = CAP,
    pause: float = 0.2,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until `true` answers something true.

    `moves` answers a value that changes while something happens. Raises AssertionError, with the
    log, where it did not change for `still` seconds, where `died`, or after `cap` seconds.
    """
    began = moved = looked = clock()
    seen = moves()
    asked = clock()
    while not true():
        now = clock()
        rest = min(RESTS * (now - asked), LONGEST)
        if now - looked >= still / LOOKS:
            looked = now
            if (newly := moves()) != seen:
                seen, moved = newly, now
        if died():
            if true():  # it became so, and then the process ended
                return
            raise AssertionError(f"{what}: not so, and what should act has died.\n{log()}")
        if now - moved > still:
            raise AssertionError(f"{what}: not so, and nothing moved for {still:.0f} s.\n{log()}")
        if now - began > cap:
            raise AssertionError(f"{what}: not so after {cap:.0f} s.\n{log()}")
        sleep(max(pause, rest))
        asked = clock()


def wait_for_end(process: Process, what: str, log: Callable[[], str] = lambda: "") -> int:
    """Wait until a process ends, for as long as it or its children work. Returns its status."""
    wait_until(
        lambda: process.poll() is not None, what, moves=lambda: work_of(process.pid), log=log
    )
    assert process.returncode is not None
    return process.returncode


def work_of(*pids: int) -> tuple[int, float]:
    """How many processes there are, children included, and the processor time that they used."""
    family: set[psutil.Process] = set()
    for pid in pids:
        try:
            parent = psutil.Process(pid)
            family |= {parent, *parent.children(recursive=True)}
        except psutil.NoSuchProcess:
            continue
    return used_by(family)


def used_by(processes: Collection[psutil.Process]) -> tuple[int, float]:
    """How many these are, and the processor time that they used, without that of children."""
    return len(processes), sum(_used(one) for one in processes)


def is_alive(process: psutil.Process) -> bool:
    """Whether it works still; one that ended and whose parent has not asked does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _used(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def sizes(files: Iterable[Path]) -> tuple[int, ...]:
    """How long files are: a log that grows is progress."""
    return tuple(file.stat().st_size for file in files if file.exists())


def tail(file: Path, characters: int = 3000) -> str:
    """The end of a log, under its name."""
    text = file.read_text(errors="replace") if file.exists() else "(there is none)"
    return f"== {file.name}\n{text[-characters:]}"
