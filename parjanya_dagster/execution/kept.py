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
    """Extends the leases of claims from a thread, for as long as the block runs.

    `again`: seconds after which it tries again where Truth does not answer. Rows may have less of a
    lease than `seconds`: they were claimed before their process had a record.
    """

    def __init__(
        self,
        store: WorkQueue,
        claims: Sequence[Claim],
        seconds: float,
        clock: Callable[[], float],
        again: float,
    ) -> None:
        self._store, self._claims, self._seconds, self._clock = store, claims, seconds, clock
        self._again = again
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
            pause = self.beat()

    def beat(self) -> float:
        """Extend the leases. The thread does it. Returns seconds until the next time."""
        try:
            self._store.extend(self._claims, self._seconds, self._clock())
        except Exception as error:  # the fence guards the commit
            log.warning("lease_not_extended", error=str(error))
            return self._again
        return self._seconds / 3


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
        self._announced = False  # there is a record of this process, or may be: an answer was lost
        self._until = 0.0  # when the record ends, as far as Truth said that it has it
        self._moved = clock()
        self._ended: threading.Event | None = None  # of the thread, while there is one
        # A notice gives back what a stage is about to take, and has no time: no call of Truth is
        # made under this lock.
        self._lock = threading.RLock()
        self._saying = threading.Lock()  # the record that is written last has the latest hand

    def __bool__(self) -> bool:
        """Whether anything is kept."""
        return bool(self._claims)

    @property
    def full(self) -> bool:
        """Whether no more is to be kept."""
        return len(self._claims) >= MOST

    @property
    def announced(self) -> bool:
        """Whether this process has a record, which names all that it works on from now on."""
        return self._announced

    @property
    def lease(self) -> float:
        """Seconds for which rows are leased now: for long, while the record says that we live."""
        return max(LONG, self._seconds) if self._clock() < self._until else self._seconds

    def waits_for(self, stage: str) -> bool:
        return any(claim.stage == stage for claim in self._claims)

    def announce(self) -> None:
        """Write the record of this process, from now on again and again. Raises what Truth does."""
        self._say()
        with self._lock:
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
        """These rows are worked on while the block lasts. Their leases are extended.

        What is kept beside them gets a record and long leases first: a death would make suspects
        of all of it.
        """
        with self._lock:
            self._hand = tuple(named(claim.row) for claim in claims)
            first = not self.announced and bool(self._claims)
        try:
            if self.announced or first:
                self.announce()
            if first:
                self._extend()
            with self._extended(claims):
                yield
        finally:
            with self._lock:
                self._hand, self._moved = (), self._clock()

    def _extended(self, claims: Sequence[Claim]) -> AbstractContextManager[None]:
        return Lease(self._store, claims, self.lease, self._clock, self._seconds / 3)

    def take(self, stage: str, most: int) -> list[Claim]:
        """Up to so many rows that are kept for a stage. Whoever takes them prolongs their leases.

        They are read again, as a claim reads them: a regrade may have named a row's policy
        meanwhile, which leaves its lease alone. Rows that are not ours any more are left out.

        A record that has ended is written again first: what is claimed under it looks like rows of
        a dead process. Raises what Truth does.
        """
        if self.announced and self._until <= self._clock():
            self.announce()
        while kept := [claim for claim in self._claims if claim.stage == stage][:most]:
            rows = self._store.get_many([claim.image_id for claim in kept])
            with self._lock:
                left = {claim.image_id for claim in self._claims}  # a notice may have had them
                taken = {claim.image_id for claim in kept}
                self._claims = [one for one in self._claims if one.image_id not in taken]
                if not self._claims and not self.announced:
                    self._stop()
            ours = [
                replace(claim, row=row)
                for claim in kept
                if claim.image_id in left
                and (row := rows.get(claim.image_id)) is not None
                and (row.fence, row.lease_owner) == (claim.row.fence, claim.owner)
            ]
            if ours:
                return ours
        return []

    def give_back(self, reason: str = "the run ended before the next stage") -> None:
        """Hand back what nobody took. It costs no attempt. If this fails, leases run out.

        The record is not written any more. It is left to run out: a claim or a commit whose answer
        was lost may hold rows of which this process knows nothing.
        """
        with self._lock:
            self._stop()
            claims, self._claims = self._claims, []
        self.hand_back(claims, reason)

    def hand_back(self, claims: Sequence[Claim], reason: str) -> None:
        """Hand rows back: no image is at fault, and none loses an attempt.

        Rows that were committed meanwhile are not ours any more. If this fails, leases run out.
        """
        if not claims:
            return
        try:
            self._store.release(claims, self._clock(), reason[:500], run_of(self._owner))
        except Exception as error:
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
            if not self.beat():
                return

    def beat(self) -> bool:
        """Say again that this process lives, and prolong leases. The thread does it.

        False: nobody took what is kept for so long that it is said no more.
        """
        with self._lock:
            if not self._hand and self._clock() - self._moved > PATIENCE:
                self._stop()
                return False
        try:
            self._say()
            self._extend()
        except Exception as error:  # the next time tries again; the fence guards commits
            log.warning("lease_not_extended", error=str(error))
        return True

    def _say(self) -> None:
        """Write the record of this process. What is leased for long is leased after it."""
        with self._saying:
            self._announced = True
            until = self._clock() + self._seconds
            self._store.note_holder(Holder(owner=self._owner, until=until, hand=self._hand))
            self._until = until

    def _extend(self) -> None:
        """Give long leases to rows that are kept and have less than half of one left."""
        now, lease = self._clock(), self.lease
        with self._lock:
            late = {
                claim.image_id: claim
                for claim in self._claims
                if (claim.row.lease_until or now) - now < lease / 2
            }
        if not late:
            return
        until = now + lease
        ours = self._store.extend([*late.values()], lease, now)
        with self._lock:  # those that are kept still, of which some may be kept anew
            self._claims = [
                replace(one, row=replace(one.row, lease_until=until, due_at=until))
                if one is late.get(one.image_id)
                else one
                for one in self._claims
                if one is not late.get(one.image_id) or one.image_id in ours
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
