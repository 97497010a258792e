"""How a command that runs until it is stopped learns that it should stop."""

from __future__ import annotations

import signal
import threading


def stopped_by(*signals: signal.Signals) -> threading.Event:
    """An event that any of these signals sets. Call it from the main thread."""
    stopping = threading.Event()
    for number in signals:
        signal.signal(number, lambda *_: stopping.set())
    return stopping
