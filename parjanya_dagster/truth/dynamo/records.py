"""What the platform must not forget about its own work: items of one kind in one partition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from parjanya_dagster.truth.dynamo import codec, keys
from parjanya_dagster.truth.dynamo.base import Base
from parjanya_dagster.truth.dynamo.keys import Key
from parjanya_dagster.truth.dynamo.wire import Delete, Put
from parjanya_dagster.truth.records import (
    BucketSweep,
    DeadLetters,
    Declaration,
    DepartureHold,
    GroupNote,
    Identified,
    KnownBucket,
    Ledger,
    PreflightVerdict,
    Reconciliation,
    RegradeHold,
    RunBook,
    SentMessage,
    StagePace,
)

T = TypeVar("T")


class Records(Base):
    """The part of the store that keeps records which are not images."""

    def declare(self, declaration: Declaration) -> None:
        self._keep(declaration)

    def declarations(self) -> dict[str, Declaration]:
        return {declaration.lane: declaration for declaration in self._kept(Declaration)}

    def note_identity(self, identified: Identified) -> None:
        self._keep(identified)

    def identities(self) -> list[Identified]:
        return sorted(
            self._kept(Identified),
            key=lambda identity: (-identity.at, identity.lane, identity.digest),
        )

    def drop_identities(self, before: float) -> int:
        old = [identity for identity in self._kept(Identified) if identity.at < before]
        self._drop([keys.record(identity) for identity in old])
        return len(old)

    def write_book(self, book: RunBook) -> None:
        self._keep(book)

    def books(self) -> list[RunBook]:
        return sorted(self._kept(RunBook), key=lambda book: (book.at, book.name))

    def drop_books(self, ended: Sequence[RunBook]) -> None:
        self._drop([keys.record(book) for book in ended])

    def write_ledger(self, ledger: Ledger) -> None:
        self._keep(ledger)

    def ledgers(self) -> dict[str, Ledger]:
        return {ledger.account: ledger for ledger in self._kept(Ledger)}

    def message_sent(self, message: SentMessage) -> None:
        self._keep(message)

    def message_taken(self, message_id: str, now: float) -> None:
        self._mark_taken(message_id, now)

    def message_returned(self, message_id: str) -> None:
        self._mark_taken(message_id, None)

    def message_done(self, message_id: str) -> None:
        self._drop([keys.message(message_id)])

    def messages(self) -> list[SentMessage]:
        return sorted(
            self._kept(SentMessage), key=lambda message: (message.sent_at, message.message_id)
        )

    def hold(self, hold: RegradeHold) -> None:
        self._keep(hold)

    def holds(self) -> dict[str, RegradeHold]:
        return {hold.replay_id: hold for hold in self._kept(RegradeHold)}

    def drop_hold(self, replay_id: str) -> None:
        self._drop([keys.hold(replay_id)])

    def adopt_bucket(self, bucket: KnownBucket) -> None:
        self._keep(bucket)

    def known_buckets(self) -> dict[str, KnownBucket]:
        return {one.bucket: one for one in self._kept(KnownBucket)}

    def note_sweep(self, sweep: BucketSweep) -> None:
        self._keep(sweep)

    def sweeps(self) -> dict[str, BucketSweep]:
        return {one.tenant: one for one in self._kept(BucketSweep)}

    def drop_sweep(self, tenant: str) -> None:
        self._drop([keys.sweep(tenant)])

    def note_dead_letters(self, letters: DeadLetters) -> None:
        self._keep(letters)

    def dead_letters(self) -> dict[str, DeadLetters]:
        return {one.source: one for one in self._kept(DeadLetters)}

    def drop_dead_letters(self, source: str) -> None:
        self._drop([keys.dead_letters(source)])

    def hold_departures(self, hold: DepartureHold) -> None:
        self._keep(hold)

    def departure_holds(self) -> dict[str, DepartureHold]:
        return {one.tenant: one for one in self._kept(DepartureHold)}

    def drop_departure_hold(self, tenant: str) -> None:
        self._drop([keys.departure_hold(tenant)])

    def note_reconciliation(self, completed: Reconciliation) -> None:
        self._keep(completed)

    def reconciliation(self) -> Reconciliation | None:
        return next(iter(self._kept(Reconciliation)), None)

    def note_preflight(self, verdict: PreflightVerdict) -> None:
        self._keep(verdict)

    def preflights(self) -> dict[str, PreflightVerdict]:
        return {verdict.stage: verdict for verdict in self._kept(PreflightVerdict)}

    def drop_preflight(self, stage: str) -> None:
        self._drop([keys.preflight(stage)])

    def note_pace(self, pace: StagePace) -> None:
        self._keep(pace)

    def paces(self) -> dict[str, StagePace]:
        return {pace.stage: pace for pace in self._kept(StagePace)}

    def note_group(self, note: GroupNote) -> None:
        self._keep(note)

    def group_notes(self) -> dict[str, GroupNote]:
        return {note.lane: note for note in self._kept(GroupNote)}

    def _mark_taken(self, message_id: str, at: float | None) -> None:
        key = keys.message(message_id)
        item = self.wire.get(key)
        if item is None:
            return
        taken = replace(codec.unpack(SentMessage, item), taken_at=at)
        self.wire.write(Put(key, codec.pack(taken), {"message_id": message_id}))

    def _keep(self, record: Any) -> None:
        self.wire.put(keys.record(record), codec.pack(record))

    def _kept(self, kind: type[T]) -> list[T]:
        return [codec.unpack(kind, item) for item in self.wire.query(keys.KINDS[kind])]

    def _drop(self, dropped: Sequence[Key]) -> None:
        self.wire.each(lambda key: self.wire.write(Delete(key)), dropped)
