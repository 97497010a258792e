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
        self._heard = 0  # the number of the signal
        self._in_hand: list[Callable[[], None]] = []

    def given(self) -> bool:
        return self._told.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until the process is told to end."""
        return self._told.wait(seconds)

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
        over = threading.Event()  # of this block: a run has one for each of its stages
        thread = threading.Thread(
            target=self._listen, args=(reading, over), name="notice", daemon=True
        )
        thread.start()
        again = passed_on
        try:
            yield
        except Exception:  # of the stage, and whoever asked for the end has not been heard
            raise
        except BaseException:
            again = False
            raise
        finally:
            over.set()
            os.write(writing, b"\0")
            thread.join()  # while our handlers hold: it may send a last signal
            for number, one in before.items():
                signal.signal(number, one)
            signal.set_wakeup_fd(woken)
            os.close(writing)
            os.close(reading)
            if again and self._heard:
                signal.raise_signal(self._heard)

    def _listen(self, reading: int, over: threading.Event) -> None:
        """Until it is over. Signals of other kinds come here, too."""
        while not over.is_set():
            ours = [number for number in os.read(reading, 64) if number in SIGNALS]
            if not ours:
                continue
            self._told.set()
            if over.wait(self.seconds / 2) or not self._in_hand:
                return
            log.warning("handed_back_in_time", batches=len(self._in_hand))
            for hand_back in tuple(self._in_hand):
                hand_back()
            if over.is_set() or not self._in_hand:
                return  # the main thread came to its end meanwhile
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
