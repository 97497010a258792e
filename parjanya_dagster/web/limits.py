"""Rate limits: for wrong tokens, and for files that a token asks to upload.

A limiter knows keys and a clock, and nothing of requests. Each process counts for itself. Where
several serve side by side, each lets through its share, so that together they keep to the limit.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from parjanya_dagster.errors import TooManyRequests

MOST_KEYS = 20_000  # that are remembered; those that were quiet longest are forgotten first
GUESSES, GUESSES_PER_MINUTE = 20, 20  # wrong tokens of one address: at once, and in the long run
KNOWN = 600.0  # seconds for which a token that was right is let through without being limited


class Limiter:
    """So many at once, and so many a second in the long run, for each key.

    Known as GCRA: of each key only the point in time is kept at which all that it took is paid off.
    """

    def __init__(self, burst: int, per_second: float, clock: Callable[[], float]) -> None:
        self._span, self._cost, self._burst = burst / per_second, 1.0 / per_second, burst
        self._longest = self._span  # seconds that pay off the most that was taken at once
        self._clock = clock
        self._paid: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, key: str, n: int = 1) -> float:
        """Seconds until so many may be taken. 0: now. Nothing is taken."""
        with self._lock:
            return self._wait(key, n)

    def take(self, key: str, n: int = 1) -> float:
        """Take so many, and return 0; or take none, and return the seconds to wait."""
        with self._lock:
            wait = self._wait(key, n)
            if wait == 0.0:
                now = self._clock()
                self._longest = max(self._longest, n * self._cost)
                self._paid[key] = self._paid_at(key, now) + n * self._cost
                self._paid.move_to_end(key)
                while len(self._paid) > MOST_KEYS:
                    self._paid.popitem(last=False)
            return wait

    def _wait(self, key: str, n: int) -> float:
        now = self._clock()
        # More than fits at once is let through where nothing was taken before, and paid off whole.
        after = self._paid_at(key, now) + min(n, self._burst) * self._cost
        late = after - now - self._span
        return late if late > 1e-9 * self._span else 0.0

    def _paid_at(self, key: str, now: float) -> float:
        """Not before now; and not later than a clock that was ahead can have made it."""
        return min(max(self._paid.get(key, now), now), now + self._longest)


def shared(burst: int, per_second: float, clock: Callable[[], float], processes: int) -> Limiter:
    """The limiter of one of several processes, which together let through no more than this."""
    return Limiter(max(1, burst // processes), per_second / processes, clock)


@dataclass(frozen=True, slots=True)
class Known:
    """Tokens that were right a short while ago, by their hashes."""

    clock: Callable[[], float]
    until: OrderedDict[bytes, float]

    def add(self, token: str) -> None:
        self.until[_hash(token)] = self.clock() + KNOWN
        self.until.move_to_end(_hash(token))
        while len(self.until) > MOST_KEYS:
            self.until.popitem(last=False)

    def __contains__(self, token: str) -> bool:
        return self.until.get(_hash(token), -math.inf) > self.clock()


class Guesses:
    """Wrong tokens by the address that they come from."""

    def __init__(self, clock: Callable[[], float], processes: int = 1) -> None:
        self._limiter = shared(GUESSES, GUESSES_PER_MINUTE / 60, clock, processes)
        self._known = Known(clock, OrderedDict())

    def require(self, sender: str, token: str) -> None:
        """Raises TooManyRequests where an address has guessed too often, and this is a new token.

        One that was right lately is let through: nobody is locked out by somebody beside them.
        """
        wait = self._limiter.wait(sender)
        if wait and token not in self._known:
            raise TooManyRequests(wait)

    def wrong(self, sender: str) -> None:
        """Count a wrong token. Raises TooManyRequests."""
        wait = self._limiter.take(sender)
        if wait:
            raise TooManyRequests(wait)

    def right(self, token: str) -> None:
        self._known.add(token)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
