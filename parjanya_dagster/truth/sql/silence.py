"""Hanging up on a server that stays silent: one thread watches all transactions of the process.

A thread for each of them costs more than a short transaction does.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg2


@contextmanager
def hung_up_after(connection: Any, seconds: float) -> Iterator[None]:
    """Close the socket of a psycopg2 connection if what happens within takes longer. 0: never.

    Whoever waits for the server then gets the error of a lost connection.
    """
    if not seconds:
        yield
        return
    call = _WATCH.begin(connection, seconds)
    try:
        yield
    finally:
        _WATCH.end(call)


@dataclass(slots=True, eq=False)
class _Call:
    """What is under way on a connection, and until when it may be."""

    connection: Any
    until: float

    def hang_up(self) -> None:
        if not self.connection.closed:
            with socket.socket(fileno=os.dup(self.connection.fileno())) as ours:
                ours.shutdown(socket.SHUT_RDWR)


@dataclass(slots=True, eq=False)
class _Watch:
    """Its thread sleeps until the first call is over time, and for ever while there is none."""

    calls: set[_Call] = field(default_factory=set)
    changed: threading.Condition = field(default_factory=threading.Condition)
    wakes: float | None = None  # when the thread wakes by itself; None: not at all
    thread: threading.Thread | None = None

    def begin(self, connection: Any, seconds: float) -> _Call:
        call = _Call(connection, time.monotonic() + seconds)
        with self.changed:
            self.calls.add(call)
            if self.thread is None:
                self.thread = threading.Thread(target=self._run, name="silence", daemon=True)
                self.thread.start()
            elif self.wakes is None or call.until < self.wakes:
                self.changed.notify()
        return call

    def end(self, call: _Call) -> None:
        with self.changed:  # afterwards the descriptor may be another's
            self.calls.discard(call)

    def _run(self) -> None:
        with self.changed:
            while True:
                now = time.monotonic()
                for call in [call for call in self.calls if call.until <= now]:
                    self.calls.discard(call)
                    with suppress(OSError, psycopg2.Error):  # it is closed already
                        call.hang_up()
                self.wakes = min((call.until for call in self.calls), default=None)
                self.changed.wait(None if self.wakes is None else self.wakes - now)


_WATCH = _Watch()


def _begin_anew() -> None:
    """A forked process has neither the thread nor what was under way."""
    global _WATCH
    _WATCH = _Watch()


os.register_at_fork(after_in_child=_begin_anew)
