"""Doing the next thing while the last is still being dealt with."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextvars import copy_context
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def each_ahead(
    pool: Executor, work: Callable[[T], R], items: Iterable[T], window: int
) -> Iterator[R]:
    """`work` of each item, in order, with at most `window` results begun and not yet taken.

    As `Executor.map`, which begins all of them at once and holds all results. Raises what `work`
    raises, in its place.
    """
    begun: deque[Future[R]] = deque()
    try:
        for item in items:
            if len(begun) >= window:
                yield begun.popleft().result()
            begun.append(pool.submit(work, item))
        while begun:
            yield begun.popleft().result()
    finally:
        for future in begun:
            future.cancel()


@dataclass(frozen=True)
class _Ended:
    error: BaseException | None


def one_ahead(items: Generator[T, None, None]) -> Iterator[T]:
    """What `items` yields. While the caller deals with one, a thread goes on to the next.

    At most two are finished and not yet taken. Raises what `items` raises, in its place. Closed
    early, it waits for the item in work and asks for no further one.
    """
    done: queue.Queue[T | _Ended] = queue.Queue(maxsize=1)
    stopped = threading.Event()

    def run() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                done.put(item)
                if stopped.is_set():
                    break
        except BaseException as raised:
            error = raised
        finally:
            items.close()
            done.put(_Ended(error))

    context = copy_context()  # what goes on here goes on there
    thread = threading.Thread(target=context.run, args=(run,), name="ahead", daemon=True)
    thread.start()
    ended = False
    try:
        while True:
            item = done.get()
            if isinstance(item, _Ended):
                ended = True
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stopped.set()
        while not ended:  # makes room, so that the thread can end
            ended = isinstance(done.get(), _Ended)
        thread.join()
