"""The watch over buckets: one tick takes in what lands, for as long as it lasts (decision 0003).

Where buckets notify a queue, messages are taken as they come, and a sweep looks now and then for
what they missed. Elsewhere the sweep finds everything, and the operating system tells of files in
buckets that it visits seldom. A tick remembers where sweeps stopped, and when the next one is worth
its cost: of all tenants in its cursor, of each one in `pacing`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from parjanya_dagster.belief import blind_loops
from parjanya_dagster.errors import CloudUnavailable, StorageUnavailable
from parjanya_dagster.ingest.arrivals import Sweeper
from parjanya_dagster.ingest.changed_files import ChangedFiles
from parjanya_dagster.ingest.mailbox import Mailbox
from parjanya_dagster.ingest.pacing import Pacing
from parjanya_dagster.ingest.results import MailResult, SweepResult, Unfinished
from parjanya_dagster.truth.store import Store

ARRIVALS_BEAT, MAILBOX = "arrivals", "arrivals_queue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long a tick lasts, and how long it waits for what. All in seconds."""

    tick: float = 20.0  # a tick goes on looking, so that what lands is seen at once
    budget: float = 40.0  # a sweep of a tick stops after this; Dagster ends a tick at 60
    look: float = 0.5  # between sweeps that cost little
    soon: float = 0.1  # between those where a file is still being written
    long_poll: float = 5.0  # a look into the queue waits this long for a message
    short_poll: float = 1.0  # the same, while a large bucket is swept between the looks
    slice: float = 10.0  # a sweep beside messages stops after this, to look at them again
    uploads: float = 5.0  # of a tick, for uploads whose time is up


@dataclass(slots=True, kw_only=True)
class Cursor:
    """What a tick leaves for the next one. Times are in seconds since the epoch."""

    next_sweep: float = 0.0  # of all tenants
    stopped: Unfinished | None = None  # what the last sweep had no time for

    @classmethod
    def parse(cls, text: str | None) -> Cursor:
        """From `text()`. What another version wrote begins again."""
        try:
            values = json.loads(text or "{}")
            stopped = values.get("stopped")
            return cls(
                next_sweep=float(values.get("next_sweep", 0.0)),
                stopped=_unfinished(stopped) if stopped else None,
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            return cls()

    def text(self) -> str:
        return json.dumps(asdict(self))


def _unfinished(values: Mapping[str, Any]) -> Unfinished:
    return Unfinished(turn=str(values["turn"]), tenants=tuple(map(str, values["tenants"])))


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Fills Truth with what lands in buckets."""

    store: Store
    sweeper: Sweeper
    mailbox: Mailbox | None  # None: no bucket notifies, and sweeps find everything
    changed: ChangedFiles | None  # None: nothing tells of files, or a queue does
    follow_uploads: Callable[[float], Iterable[str]]  # until then; gives batches with new rows
    sweep_every: float  # seconds between sweeps; 0: as often as costs little
    clock: Callable[[], float]
    pause: Callable[[float], None]
    landed: Callable[[bool], None] = lambda _: None  # something is registered; may more follow?
    pacing: Pacing = field(default_factory=Pacing)
    timing: Timing = Timing()

    def tick(self, cursor: Cursor) -> SweepResult | None:
        """Take in what lands, and move the cursor. None: it is too early for the next sweep.

        Raises StorageUnavailable where no bucket answers, and TruthUnavailable.
        """
        if self.mailbox is not None:
            total = self._take_messages(self.mailbox, cursor)
        elif self._sweep_is_due(cursor):
            total = self._sweep_repeatedly(cursor)
        else:
            total = SweepResult()
            if not self._take_changed(total):
                return None
        total.add(self.follow_uploads(self.clock() + self.timing.uploads))
        return total

    def _sweep_repeatedly(self, cursor: Cursor) -> SweepResult:
        began = self.clock()
        total = SweepResult()
        while True:
            swept, seconds = self._sweep(cursor, began + self.timing.budget)
            total.absorb(swept)
            if swept.registered:
                self.landed(not swept.complete or swept.unfinished > 0)
            self._take_changed(total)
            self._beat(swept, seconds)
            pause = 0.0
            if swept.complete:
                look = self.timing.look if not swept.unfinished else self._soon(seconds)
                pause = max(look, cursor.next_sweep - self.clock())
            if self.clock() + pause >= began + self.timing.tick:
                return total
            self.pause(pause)

    def _take_changed(self, total: SweepResult) -> bool:
        """Take in files that the operating system told of. Whether there was any."""
        if self.changed is None:
            return False
        taken = self.changed.take()
        if taken.registered:
            self.landed(True)
        total.absorb_mail(taken)
        return bool(taken.registered)

    def _soon(self, seconds: float) -> float:
        """Seconds until the next sweep where something is about to be complete.

        Sweeps take at most a third of the time, however large the buckets are.
        """
        return min(self.timing.look, max(self.timing.soon, 2.0 * seconds))

    def _take_messages(self, mailbox: Mailbox, cursor: Cursor) -> SweepResult:
        """Take messages as they come, and sweep when it is time.

        A queue that does not answer is noted, and the sweep goes on as if there were none.
        """
        end = self.clock() + self.timing.tick
        total, mail = SweepResult(), MailResult()
        while True:
            poll = self.timing.long_poll if cursor.stopped is None else self.timing.short_poll
            taken = self._take(mailbox, min(poll, end - self.clock()))
            if taken is not None:
                if taken.registered:
                    self.landed(True)
                total.absorb_mail(taken)
                mail.absorb(taken)
            seconds = 0.0
            if self._sweep_is_due(cursor):
                seconds = self._sweep_beside_messages(cursor, total)
            self._beat(total, seconds, mail)
            if self.clock() >= end:
                return total
            if taken is None:
                self.pause(self.timing.long_poll)

    def _take(self, mailbox: Mailbox, seconds: float) -> MailResult | None:
        """A batch of messages; None where the queue does not answer."""
        try:
            with blind_loops.told_or_cleared(self.store, MAILBOX, self.clock()):
                return mailbox.take(max(0.0, seconds))
        except CloudUnavailable:
            return None

    def _sweep_beside_messages(self, cursor: Cursor, total: SweepResult) -> float:
        """A slice of a sweep. Returns the seconds it took. Buckets that are away stop nothing."""
        seconds = 0.0
        try:
            swept, seconds = self._sweep(cursor, self.clock() + self.timing.slice)
        except StorageUnavailable as error:
            swept = SweepResult(refused={"every bucket": str(error)})
            cursor.stopped, cursor.next_sweep = None, self.clock() + self.sweep_every
        total.absorb(swept)
        return seconds

    def _sweep(self, cursor: Cursor, deadline: float) -> tuple[SweepResult, float]:
        """One sweep, from where the last one stopped, and the seconds it took.

        Between two rounds over all tenants it goes on with the buckets that are not looked
        through yet.
        """
        began = self.clock()
        everyone = self._round_is_due(cursor)
        swept = self.sweeper.sweep(
            deadline, start=cursor.stopped, everyone=everyone, pacing=self.pacing
        )
        cursor.stopped = swept.stopped
        now = self.clock()
        if everyone:
            shared = min(self.pacing.most, swept.shared * self.pacing.ease)
            pause = max(shared, self.sweep_every)
            cursor.next_sweep = now + pause if pause > self.timing.look else 0.0
        return swept, now - began

    def _round_is_due(self, cursor: Cursor) -> bool:
        cut_short = cursor.stopped is not None and bool(cursor.stopped.turn)
        return cut_short or not self.pacing.too_early(
            cursor.next_sweep, self.clock(), self.sweep_every
        )

    def _sweep_is_due(self, cursor: Cursor) -> bool:
        return cursor.stopped is not None or self._round_is_due(cursor)

    def _beat(self, swept: SweepResult, seconds: float, mail: MailResult | None = None) -> None:
        payload: dict[str, Any] = {
            "seconds": round(seconds, 3),
            "seen": swept.seen,
            "registered": sum(swept.registered.values()),
            "unfinished": swept.unfinished,
            "unread": swept.unread,
            "departed": swept.departed,
            "refused": self.sweeper.refusals.body(),
            "set_aside": self.sweeper.refusals.body_of_aside(),
            "complete": swept.complete,
        }
        if mail is not None:
            payload |= {
                "messages": mail.messages,
                "dead_letters": mail.dead_letters[:10],
                "unanswered": mail.unanswered,
                "late_seconds": round(mail.late, 3),
            }
        self.store.beat(ARRIVALS_BEAT, self.clock(), payload)
