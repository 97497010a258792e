"""Rows that a process keeps from one stage to the next, under the lease that they had.

Giving them back and claiming them again is paid for on DynamoDB, and a claim reads an index that
follows a moment later. A process that keeps more than a moment's work writes one record that says
that it lives, and a thread writes it again. Its rows then have long leases, which end with the
record. The record names the rows that are worked on: if the process dies, only those are suspects.
If nobody takes what is kept for too long, the record is not written any more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

from parjanya_dagster.lines import get_logger
from parjanya_dagster.truth.holders import LONG, named, run_of
from parjanya_dagster.truth.outcomes import Claim
from parjanya_dagster.truth.records import Holder
from parjanya_dagster.truth.store import Store, WorkQueue

log = get_logger(__name__)
TOLD = "the process was told to end"
PATIENCE = 900.0  # seconds for which rows are kept for a stage that does not begin
MOST = 1000  # rows that are kept: about a batch


class Lease:
    """Extends the leases of claims from a thread, for as long as the block runs."""

    def __init__(
        self,
        store: WorkQueue,
        claims: Sequence[Claim],
        seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._store, self._claims, self._seconds, self._clock = store, claims, seconds, clock
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        pause = first_pause(self._claims, self._seconds, self._clock())
        while not self._done.wait(pause):
            pause = self._seconds / 3
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
    """The rows that one process keeps for the stage that it does next, and those in its hand.

    `seconds`: of a lease, and until a process that says nothing is taken for dead.
    """

    def __init__(
        self, store: Store, owner: str, clock: Callable[[], float], seconds: float
    ) -> None:
        self._store, self._owner, self._clock, self._seconds = store, owner, clock, seconds
        self._claims: list[Claim] = []
        self._hand: tuple[str, ...] = ()
        self._said: Holder | None = None  # the record of this process, as it was written last
        self._owing = False  # rows could not be handed back, and are freed by the record's end
        self._moved = clock()
        self._ended: threading.Event | None = None  # of the thread, while there is one
        self._lock = threading.RLock()  # a notice may give back what a stage is about to take

    def __bool__(self) -> bool:
        """Whether anything is kept."""
        return bool(self._claims)

    @property
    def full(self) -> bool:
        """Whether no more is to be kept."""
        return self._owing or len(self._claims) >= MOST

    @property
    def announced(self) -> bool:
        """Whether the record of this process is written, again and again."""
        return self._said is not None

    @property
    def lease(self) -> float:
        """Seconds for which rows are leased now: for long, while the record says that we live."""
        lives = self._said is not None and self._clock() < self._said.until
        return max(LONG, self._seconds) if lives else self._seconds

    def waits_for(self, stage: str) -> bool:
        return any(claim.stage == stage for claim in self._claims)

    def announce(self) -> None:
        """Write the record of this process, from now on again and again. Raises what Truth does."""
        with self._lock:
            self._say()
            self._watch(self._seconds / 3)

    def hold(self, claims: Sequence[Claim]) -> None:
        """Keep rows that were just committed."""
        if not claims:
            return
        with self._lock:
            self._moved = self._clock()
            self._claims += claims
            self._watch(first_pause(claims, self._seconds, self._moved))

    @contextmanager
    def working_on(self, claims: Sequence[Claim]) -> Iterator[None]:
        """These rows are worked on while the block lasts. Their leases are extended."""
        with self._lock:
            self._hand = tuple(named(claim.row) for claim in claims)
            if self.announced:
                self.announce()
        try:
            with self._extended(claims):
                yield
        finally:
            with self._lock:
                self._hand, self._moved = (), self._clock()

    def _extended(self, claims: Sequence[Claim]) -> AbstractContextManager[None]:
        return Lease(self._store, claims, self.lease, self._clock)

    def take(self, stage: str, most: int) -> list[Claim]:
        """Up to so many rows that are kept for a stage. Whoever takes them prolongs their leases.

        They are read again, as a claim reads them: a regrade may have named a row's policy
        meanwhile, which leaves its lease alone. Rows that are not ours any more are left out.
        """
        with self._lock:
            while kept := [claim for claim in self._claims if claim.stage == stage][:most]:
                rows = self._store.get_many([claim.image_id for claim in kept])
                taken = {claim.image_id for claim in kept}
                self._claims = [one for one in self._claims if one.image_id not in taken]
                if not self._claims and self._said is None:
                    self._stop()
                ours = [
                    replace(claim, row=row)
                    for claim in kept
                    if (row := rows.get(claim.image_id)) is not None
                    and (row.fence, row.lease_owner) == (claim.row.fence, claim.owner)
                ]
                if ours:
                    return ours
        return []

    def give_back(self, reason: str = "the run ended before the next stage") -> None:
        """Hand back what nobody took. It costs no attempt. If this fails, leases run out."""
        with self._lock:
            self._stop()
            claims, self._claims = self._claims, []
            self.hand_back(claims, reason)
            if self._said is None or self._owing or self._hand:
                return  # a commit may be under way, which keeps rows: the record runs out
            try:
                self._store.drop_holder(self._said)
                self._said = None
            except Exception as error:  # it is written on, or runs out and is dropped with that
                log.warning("holder_not_dropped", error=str(error))

    def hand_back(self, claims: Sequence[Claim], reason: str) -> None:
        """Hand rows back: no image is at fault, and none loses an attempt.

        Rows that were committed meanwhile are not ours any more. If this fails, leases run out.
        """
        if not claims:
            return
        try:
            self._store.release(claims, self._clock(), reason[:500], run_of(self._owner))
        except Exception as error:
            self._owing = True
            log.warning("claims_not_released", error=str(error))

    def _watch(self, pause: float) -> None:
        """Have a thread, if there is none."""
        if self._ended is None:
            self._ended = threading.Event()
            watch = threading.Thread(
                target=self._run, args=(self._ended, pause), name="kept", daemon=True
            )
            watch.start()

    def _stop(self) -> None:
        if self._ended is not None:
            self._ended.set()
            self._ended = None

    def _run(self, ended: threading.Event, pause: float) -> None:
        while not ended.wait(pause):
            pause = self._seconds / 3
            with self._lock:
                if ended.is_set() or not self.beat():
                    return

    def beat(self) -> bool:
        """Say again that this process lives, and prolong leases. The thread does it.

        False: nobody took what is kept for so long that it is said no more.
        """
        with self._lock:
            if not self._hand and self._clock() - self._moved > PATIENCE:
                self._ended = None
                return False
            try:
                self._say()
                self._extend()
            except Exception as error:  # the next time tries again; the fence guards commits
                log.warning("lease_not_extended", error=str(error))
            return True

    def _say(self) -> None:
        """Write the record of this process. What is leased for long is leased after it."""
        said = Holder(owner=self._owner, until=self._clock() + self._seconds, hand=self._hand)
        self._store.note_holder(said)
        self._said = said

    def _extend(self) -> None:
        """Give long leases to rows that are kept and have less than half of one left."""
        now = self._clock()
        late = {
            claim.image_id: claim
            for claim in self._claims
            if (claim.row.lease_until or now) - now < self.lease / 2
        }
        if not late:
            return
        until = now + self.lease
        ours = self._store.extend([*late.values()], self.lease, now)
        self._claims = [
            replace(one, row=replace(one.row, lease_until=until, due_at=until))
            if one.image_id in ours
            else one
            for one in self._claims
            if one.image_id in ours or one.image_id not in late
        ]


@dataclass(slots=True)
class Hand:
    """What a process has in hand: the rows that it works on, and those that it keeps."""

    kept: Kept
    claims: Sequence[Claim] = ()

    def let_go(self) -> None:
        """Hand everything back. It may be called from another thread."""
        self.kept.hand_back(self.claims, TOLD)
        self.kept.give_back(TOLD)
