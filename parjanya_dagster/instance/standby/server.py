"""The process that stand-bys are forked from.

It has imported the code and nothing else: no thread, no connection, no model. So a fork of it is
safe, costs milliseconds, and shares its memory. A stand-by is such a fork that has also loaded
models and decoders. It takes one run and ends with it.

    python -m parjanya_dagster.instance.standby.server MODULE…    (in the environment of a home)
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from typing import Any

from parjanya_dagster import logs
from parjanya_dagster.execution import identity
from parjanya_dagster.instance.standby import wire, worker
from parjanya_dagster.instance.standby.crash import report_crash
from parjanya_dagster.instance.standby.freshness import noted, signature
from parjanya_dagster.instance.standby.launcher import process_name
from parjanya_dagster.lines import get_logger
from parjanya_dagster.settings import load

log = get_logger(__name__)
Fork = Callable[..., BaseProcess]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """All in seconds."""

    rest: float = 10.0  # at most, while a run goes on: it has the processors for itself
    longest_wait: float = 3600.0  # of a stand-by: then another takes its place
    longest_pause: float = 300.0  # before the next stand-by, where one after the other dies
    answer: float = 10.0  # that a launcher has for what it says


@dataclass(slots=True, eq=False, kw_only=True)
class Worker:
    """A process that stands by, or has a run, or tells of a crash."""

    process: BaseProcess
    since: float
    control: socket.socket | None = None  # while it stands by: it says that it is ready, over this
    ready: bool = False
    command: str = ""  # of the run that it has got


@dataclass(kw_only=True)
class Server:
    """Forks stand-bys, hands runs to them, and tells of those that die with one.

    `fresh` says whether what this process has loaded still holds. Where it does not, it takes no
    run, waits for those that it has, and ends: whoever started it starts it again.
    """

    listening: socket.socket
    count: int  # of processes that stand by
    fresh: Callable[[], bool]
    fork: Fork
    live: Callable[[socket.socket, bool], None] = worker.live
    crashed: Callable[[str, int], None] = report_crash
    clock: Callable[[], float] = time.monotonic
    timing: Timing = Timing()
    workers: list[Worker] = field(default_factory=list)
    ending: bool = False
    stale: bool = False
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _refill_at: float = 0.0  # after deaths
    _rest_until: float = 0.0  # while runs go on
    _deaths: int = 0  # of processes that stood by, one after the other

    def __post_init__(self) -> None:
        self._selector.register(self.listening, selectors.EVENT_READ, self._answer)

    def serve(self) -> None:
        """Until it is told to end, or has gone stale and its last run has ended."""
        while not (self.ending or (self.stale and not self.workers)):
            self.step(60.0)
        self.end()

    def step(self, patience: float) -> None:
        """Fork what is missing, or else do what comes within `patience` seconds."""
        now = self.clock()
        standing_by = [one for one in self.workers if one.control is not None]
        for one in standing_by:
            if now - one.since > self.timing.longest_wait:
                self._drop_control(one)
        if not self.stale and len(standing_by) < self.count:
            refill_at = max(self._refill_at, self._rest_until)
            if now >= refill_at:
                self._stand_by(warm=True)
                return
            patience = min(patience, refill_at - now)
        for key, _ in self._selector.select(patience):
            if self._selector.get_map().get(key.fd) is key:  # not closed by what came before it
                key.data()

    def end(self) -> None:
        """Ask every process to end: a run hands back what it holds. Waits for them."""
        for one in self.workers:
            one.process.terminate()
        for one in self.workers:
            one.process.join()
        self._selector.close()

    def end_at(self, number: signal.Signals) -> None:
        """End after the step in which this signal comes."""
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

        def end(*_: Any) -> None:
            self.ending = True

        signal.signal(number, end)
        self._selector.register(reading, selectors.EVENT_READ, lambda: os.read(reading, 4096))

    def _stand_by(self, *, warm: bool) -> Worker:
        ours, theirs = socket.socketpair()
        one = self._forked(self._in_standby, ours, theirs, warm)
        theirs.close()
        one.control = ours
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._hear(one))
        return one

    def _forked(self, target: Callable[..., None], *arguments: Any) -> Worker:
        process = self.fork(target=target, args=arguments)
        process.start()
        one = Worker(process=process, since=self.clock())
        self.workers.append(one)
        self._selector.register(process.sentinel, selectors.EVENT_READ, lambda: self._reap(one))
        return one

    def _in_standby(self, theirs: socket.socket, control: socket.socket, warm: bool) -> None:
        theirs.close()  # or it would never see that the server has closed its end
        self._leave_to_parent()
        self.live(control, warm)

    def _in_reporter(self, command: str, status: int) -> None:
        self._leave_to_parent()
        self.crashed(command, status)

    def _leave_to_parent(self) -> None:
        """Close what only the server may hold: a stand-by sees by it that the server has ended."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self.listening.close()
        for one in self.workers:
            if one.control is not None:
                one.control.close()
        self._selector.close()

    def _hear(self, one: Worker) -> None:
        """It is ready, or it ends, which its sentinel tells as well."""
        if one.control is not None and one.control.recv(4096):
            one.ready, self._deaths = True, 0
        else:
            self._drop_control(one)

    def _drop_control(self, one: Worker) -> None:
        """A process that stands by ends when it sees this."""
        if one.control is not None:
            self._selector.unregister(one.control)
            one.control.close()
            one.control = None

    def _reap(self, one: Worker) -> None:
        self._selector.unregister(one.process.sentinel)
        stood_by = one.control is not None
        self._drop_control(one)
        one.process.join()
        self.workers.remove(one)
        if not any(other.command for other in self.workers):
            self._rest_until = 0.0
        status = one.process.exitcode or 0
        if not status:
            return
        log.warning("process_died", pid=one.process.pid, status=status, had_run=bool(one.command))
        if one.command:
            self._forked(self._in_reporter, one.command, status)
        elif stood_by:
            self._deaths += 1
            pause = min(self.timing.longest_pause, 2.0**self._deaths)
            self._refill_at = self.clock() + pause

    def _answer(self) -> None:
        connection, _ = self.listening.accept()
        connection.settimeout(self.timing.answer)
        with connection:
            try:
                self._offer(connection)
            except OSError as error:  # the launcher has gone
                log.warning("run_not_taken", error=str(error))

    def _offer(self, connection: socket.socket) -> None:
        request = wire.receive(connection)
        if request is None:
            return
        if not self.stale and not self.fresh():
            self.stale = True
            for one in self.workers:
                self._drop_control(one)
            log.warning("standby_stale", why="code or settings are not as they were loaded")
        if self.stale or self.ending:
            wire.send(connection, {"no": "code or settings are not as they were loaded"})
            return
        one = self._readiest() or self._stand_by(warm=False)
        wire.send(connection, {"process": process_name(one.process.pid or 0)})
        gone_on = False
        try:
            gone_on = wire.receive(connection) is not None
        finally:
            if not gone_on:  # a run may bear its name: whoever ends that must not end another
                self._drop_control(one)
        if gone_on:
            self._hand_over(one, request)
            wire.send(connection, {"begun": True})

    def _readiest(self) -> Worker | None:
        standing_by = [one for one in self.workers if one.control is not None]
        return max(standing_by, key=lambda one: one.ready, default=None)

    def _hand_over(self, one: Worker, request: dict[str, Any]) -> None:
        assert one.control is not None
        one.command = str(request["command"])
        self._rest_until = self.clock() + self.timing.rest
        log.info("run_taken", run=request.get("run"), pid=one.process.pid, warm=one.ready)
        try:
            wire.send(one.control, {"command": one.command})
        except OSError:
            log.warning("run_not_handed_over", run=request.get("run"))  # its sentinel tells as well
        self._drop_control(one)


def forks() -> Fork:
    """Makes processes by fork. Raises RuntimeError where this process has more than one thread."""
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise RuntimeError(f"this process has {threads} threads, so no fork of it is safe")
    context = multiprocessing.get_context("fork")
    return lambda **given: context.Process(**given)


def main(modules: Sequence[str]) -> None:
    settings = load()
    logs.configure(settings)
    loaded = noted(settings)
    for module in ("dagster._cli.api", *modules):
        importlib.import_module(module)
    identity.code_version()  # of what is loaded now, for every process that is forked
    identity.packages()
    # Not before: until somebody listens, runs start without a stand-by, and do not wait for one.
    with wire.listen(settings.home / "dagster" / wire.SOCKET_NAME) as listening:
        server = Server(
            listening=listening,
            count=settings.runs.standby,
            fresh=lambda: signature(settings) == loaded,
            fork=forks(),
        )
        server.end_at(signal.SIGTERM)
        gc.freeze()  # collections in the forks do not touch, and so copy, what they share
        server.serve()


if __name__ == "__main__":
    main(sys.argv[1:])
