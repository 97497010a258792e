"""Python's garbage collector, held back while very many small objects pass through.

It looks at what lives each time some hundred objects more do. Evidence is made of small objects
by the million, all freed by their counts alone, and looking for cycles took a third of the time of
deciding. Cycles are still collected, only seldom.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SELDOM = (100_000, 20, 100)
_lock = threading.Lock()
_usual: list[tuple[int, int, int]] = []  # the thresholds to go back to, once for each block


@contextmanager
def seldom() -> Iterator[None]:
    """Collect seldom in this process until the last such block has ended, in whatever thread."""
    with _lock:
        _usual.append(_usual[0] if _usual else gc.get_threshold())
        gc.freeze()  # what was there before is not looked at
        gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        with _lock:
            usual = _usual.pop()
            if not _usual:
                gc.set_threshold(*usual)
                gc.unfreeze()
