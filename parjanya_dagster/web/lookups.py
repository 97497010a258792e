"""Answers that take long: each is computed once, in a thread.

Whoever asks for it meanwhile is told the progress. An answer is abandoned when nobody asks for it
any more. This module knows nothing of what is asked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from typing import Any

AT_ONCE = 2
KEPT = 60.0  # seconds for which an answer stands
GIVEN_UP = 60.0  # seconds without anybody who asks
PATIENCE = 1.0  # seconds that a request waits, so that short answers come at once

Hear = Callable[[int, int], None]  # steps that are done, and all of them
Answer = Callable[[Hear], Mapping[str, Any]]


class Abandoned(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True, kw_only=True)
class Looked:
    """An answer, or how far it is."""

    done: int
    of: int
    body: Mapping[str, Any] | None


@dataclass(kw_only=True)
class _Lookup:
    asked_at: float
    done: int = 0
    of: int = 0
    ended_at: float | None = None
    given_up: bool = False
    future: Future[Mapping[str, Any]] = field(default_factory=Future)


class Lookups:
    """Answers by question. One per process."""

    def __init__(self, clock: Callable[[], float], patience: float = PATIENCE) -> None:
        self._clock, self._patience = clock, patience
        self._known: dict[Hashable, _Lookup] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="lookup")

    def look(self, question: Hashable, answer: Answer) -> Looked:
        """The answer to a question, if need be begun now. Raises what `answer` raised."""
        with self._lock:
            now = self._clock()
            self._forget(now)
            known = self._known.get(question)
            if known is None or known.given_up:
                known = self._known[question] = _Lookup(asked_at=now)
                known.future = self._threads.submit(self._run, known, answer)
            known.asked_at = now
        try:
            body = known.future.result(self._patience)
        except NotYet:
            return Looked(done=known.done, of=known.of, body=None)
        except BaseException:
            with self._lock:
                if self._known.get(question) is known:
                    del self._known[question]
            raise
        return Looked(done=known.of, of=known.of, body=body)

    def forget(self) -> None:
        """What was asked about has changed: whoever asks next gets new answers."""
        with self._lock:
            self._known.clear()

    def close(self) -> None:
        self._closing.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _run(self, lookup: _Lookup, answer: Answer) -> Mapping[str, Any]:
        def hear(done: int, of: int) -> None:
            lookup.done, lookup.of = done, of
            with self._lock:  # so nobody begins to wait for it just now
                late = self._clock() - lookup.asked_at > GIVEN_UP
                lookup.given_up = late or self._closing.is_set()
            if lookup.given_up:
                raise Abandoned

        try:
            hear(0, 0)
            return answer(hear)
        finally:
            lookup.ended_at = self._clock()

    def _forget(self, now: float) -> None:
        """Drop what has been answered long ago: the next one to ask gets a new answer."""
        for question, one in list(self._known.items()):
            if one.ended_at is not None and now - one.ended_at > KEPT:
                del self._known[question]
