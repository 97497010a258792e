"""A small pool of threads over images: one image per core, and one thread per image's models.

Parallel over images, not within one. A model that spreads a single image over all cores gains
little at this size, and two libraries' thread pools that spin beside each other cost far more
than they give.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 2  # calls: while one waits for its last image, the cores have those of the other
MAX_WORKERS = 4  # the embedded engines are the small instance's: more would starve its neighbours
# Of the C library: bytes from which on memory is asked of the system for each piece by itself,
# bytes of free memory from which on it is given back, and how many heaps threads have between them.
# By their numbers in GNU's `mallopt`.
_ASKED_FOR, _GIVEN_BACK, _HEAPS = (-3, 32 << 20), (-1, 128 << 20), (-8, 1)

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def each(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Apply `work` to every item, in parallel, and return the results in order."""
    global _pool
    with _lock:
        if _pool is None:
            import cv2

            cv2.setNumThreads(1)  # its own threads would compete with these
            keep_memory()
            _pool = ThreadPoolExecutor(
                max_workers=min(cores(), MAX_WORKERS), thread_name_prefix="embedded-engine"
            )
    return list(_pool.map(work, items))


def keep_memory() -> None:
    """Keep the memory of one picture for the next. Otherwise the system takes it and clears it
    again, a few thousand pages an image: that was a third of the time of the measures of damage.

    There is one heap for all threads, because a thread's own is made of pieces of 64 MiB, and each
    is given back as soon as it is empty, whatever the settings say.

    Holds for the whole process, and for heaps that are not there yet. Other C libraries than GNU's
    are left as they are.
    """
    with suppress(AttributeError, OSError):
        for setting in (_ASKED_FOR, _GIVEN_BACK, _HEAPS):
            ctypes.CDLL(None).mallopt(*setting)
