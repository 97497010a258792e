"""Rows that a process keeps from one stage to the next, under the lease that they had.

Giving them back and claiming them again is paid for on DynamoDB, and a claim reads an index that
follows a moment later. Their leases are prolonged meanwhile, by a thread. If the process dies, they
are freed like all rows of a dead worker. If nobody takes them for too long, their leases run out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from parjanya_dagster.lines import get_logger
from parjanya_dagster.truth.outcomes import Claim
from parjanya_dagster.truth.store import Store, WorkQueue

log = get_logger(__name__)
TOLD = "the process was told to end"
PATIENCE = 900.0  # seconds for which rows are kept for a stage that does not begin


class Lease:
    """Extends the leases of claims from a thread, for as long as the block runs.

    `most`: extensions after which it stops; None: it goes on.
    """

    def __init__(
        self,
        store: WorkQueue,
        claims: Sequence[Claim],
        seconds: float,
        clock: Callable[[], float],
        most: int | None = None,
    ) -> None:
        self._store, self._claims, self._seconds, self._clock = store, claims, seconds, clock
        self._most = most
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        times, pause = 0, first_pause(self._claims, self._seconds, self._clock())
        while not self._done.wait(pause) and times != self._most:
            times, pause = times + 1, self._seconds / 3
            try:
                self._store.extend(self._claims, self._seconds, self._clock())
            except Exception as error:  # the next beat tries again; the fence guards the commit
                log.warning("lease_not_extended", error=str(error))


def first_pause(claims: Sequence[Claim], seconds: float, now: float) -> float:
    """Seconds until leases of so many seconds are extended first: when two thirds of one are left.

    Those of rows that were kept began earlier, so they may be extended at once.
    """
    ends = min(claim.row.lease_until or now for claim in claims)
    return min(max(0.0, ends - now - seconds * 2 / 3), seconds / 3)


class Kept:
    """The rows that one process keeps for the stage that it does next."""

    def __init__(self, store: Store, owner: str, clock: Callable[[], float]) -> None:
        self._store, self._owner, self._clock = store, owner, clock
        self._claims: list[Claim] = []
        self._leases = ExitStack()
        self._lock = threading.Lock()  # a notice may give back what a stage is about to take

    def hold(self, claims: Sequence[Claim], seconds: float) -> None:
        """Keep rows that were just committed, under leases of so many seconds."""
        if not claims:
            return
        with self._lock:
            most = int(3 * PATIENCE / seconds)
            self._leases.enter_context(Lease(self._store, claims, seconds, self._clock, most))
            self._claims += claims

    def __bool__(self) -> bool:
        """Whether anything is kept."""
        return bool(self._claims)

    def waits_for(self, stage: str) -> bool:
        return any(claim.stage == stage for claim in self._claims)

    def take(self, stage: str) -> list[Claim]:
        """The rows that are kept for a stage. Whoever takes them prolongs their leases.

        They are read again, as a claim reads them: a regrade may have named a row's policy
        meanwhile, which leaves its lease alone. Rows that are not ours any more are left out.
        """
        with self._lock:
            kept = [claim for claim in self._claims if claim.stage == stage]
            if not kept:
                return []
            rows = self._store.get_many([claim.image_id for claim in kept])
            self._claims = [claim for claim in self._claims if claim.stage != stage]
            if not self._claims:
                self._leases.close()
        return [
            replace(claim, row=row)
            for claim in kept
            if (row := rows.get(claim.image_id)) is not None and row.fence == claim.row.fence
        ]

    def give_back(self, reason: str = "the run ended before the next stage") -> None:
        """Hand back what nobody took. It costs no attempt. If this fails, leases run out."""
        with self._lock:
            self._leases.close()
            claims, self._claims = self._claims, []
        hand_back(self._store, claims, reason, self._owner, self._clock)


@dataclass(slots=True)
class Hand:
    """What a process has in hand: the rows that it works on, and those that it keeps."""

    store: WorkQueue
    owner: str
    clock: Callable[[], float]
    kept: Kept
    claims: Sequence[Claim] = ()

    def let_go(self) -> None:
        """Hand everything back. It may be called from another thread."""
        hand_back(self.store, self.claims, TOLD, self.owner, self.clock)
        self.kept.give_back(TOLD)


def hand_back(
    store: WorkQueue,
    claims: Sequence[Claim],
    reason: str,
    owner: str,
    clock: Callable[[], float],
) -> None:
    """Hand rows back: no image is at fault, and none loses an attempt.

    Rows that were committed meanwhile are not ours any more. If this fails, leases run out.
    """
    if not claims:
        return
    try:
        store.release(claims, clock(), reason[:500], owner)
    except Exception as error:
        log.warning("claims_not_released", error=str(error))
