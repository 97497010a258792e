"""That a process is told to end, and what becomes of the rows that it has in hand.

Spot machines are taken back, tasks are scaled in, people stop runs: each sends SIGTERM, and SIGKILL
some seconds later. Between the two, what is done is committed and what is not is handed back, so
that no image waits for a lease to run out and none loses an attempt.

The signal is read from a pipe by a thread, so it is heard while the main thread is in native code.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from parjanya_dagster.lines import get_logger

log = get_logger(__name__)
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Notice:
    """Whether this process was told to end.

    `seconds`: from SIGTERM to SIGKILL. Half of them are given to the image in work. Then what is in
    hand is handed back by a thread, whatever the main thread does: fences guard what it does later.
    """

    def __init__(self, seconds: float = 10.0) -> None:
        self.seconds = seconds
        self._told = threading.Event()
        self._over = threading.Event()
        self._heard = 0  # the number of the signal
        self._in_hand: list[Callable[[], None]] = []

    def given(self) -> bool:
        return self._told.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until the process is told to end."""
        return self._told.wait(seconds)

    def give(self) -> None:
        """Tell the process to end, as a signal does."""
        self._told.set()

    @contextmanager
    def in_hand(self, hand_back: Callable[[], None]) -> Iterator[None]:
        """There are rows in hand while the block lasts: a first signal is not raised within.

        `hand_back` is called from another thread if the time is over. It raises nothing.
        """
        self._in_hand.append(hand_back)
        try:
            yield
        finally:
            self._in_hand.remove(hand_back)

    @contextmanager
    def listening(self, *, passed_on: bool) -> Iterator[None]:
        """Hear SIGTERM and SIGINT while the block lasts. In another thread than the main one,
        where nobody hears signals, it does nothing.

        `passed_on`: those who listened before hear the signal too: at once if nothing is in hand,
        else at the end of the block. A second signal is passed on, or raises KeyboardInterrupt.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) or signal.SIG_DFL for number in SIGNALS}
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        woken = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

        def handle(number: int, frame: FrameType | None) -> None:
            first, self._heard = not self._heard, number
            self._told.set()
            if first and (self._in_hand or not passed_on):
                return
            _act(before[signal.Signals(number)], number, frame)

        for number in SIGNALS:
            signal.signal(number, handle)
        thread = threading.Thread(target=self._listen, args=(reading,), name="notice", daemon=True)
        thread.start()
        try:
            yield
            again = passed_on and bool(self._heard)
        except BaseException:
            again = False
            raise
        finally:
            for number, one in before.items():
                signal.signal(number, one)
            signal.set_wakeup_fd(woken)
            self._over.set()
            os.write(writing, b"\0")
            thread.join()
            os.close(writing)
            os.close(reading)
            if again:
                signal.raise_signal(self._heard)

    def _listen(self, reading: int) -> None:
        """Until it is over. Signals of other kinds come here, too."""
        while not self._over.is_set():
            ours = [number for number in os.read(reading, 64) if number in SIGNALS]
            if not ours:
                continue
            self._told.set()
            if self._over.wait(self.seconds / 2) or not self._in_hand:
                return
            log.warning("handed_back_in_time", batches=len(self._in_hand))
            for hand_back in tuple(self._in_hand):
                hand_back()
            # What goes on in the main thread serves nobody now.
            with suppress(ProcessLookupError):
                os.kill(os.getpid(), ours[0])
            return


def _act(handler: Any, number: int, frame: FrameType | None) -> None:
    """Do what a handler does. The one of the system would end the process without a word."""
    if callable(handler):
        handler(number, frame)
    elif handler != signal.SIG_IGN:
        raise KeyboardInterrupt
