"""What the platform must not forget about its own work: one row per record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Select, Table, delete, select, tuple_, update

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
from parjanya_dagster.truth.sql.engine import insert, reading, writing
from parjanya_dagster.truth.sql.mapping import Base, chunks, columns_of
from parjanya_dagster.truth.sql.schema import (
    books,
    bucket_sweeps,
    dead_letters,
    declarations,
    departure_holds,
    group_notes,
    identities,
    known_buckets,
    ledgers,
    messages,
    paces,
    preflights,
    reconciliations,
    regrade_holds,
)

T = TypeVar("T")
THE_LOOP = "reconciler"  # of which reconciliations has a row


class Records(Base):
    """The part of the store that keeps records which are not images."""

    def declare(self, declaration: Declaration) -> None:
        self._keep(declarations, declaration)

    def declarations(self) -> dict[str, Declaration]:
        return {
            declaration.lane: declaration for declaration in self._kept(declarations, Declaration)
        }

    def note_identity(self, identified: Identified) -> None:
        self._keep(identities, identified)

    def identities(self) -> list[Identified]:
        seen = self._kept(identities, Identified)
        return sorted(seen, key=lambda identity: (-identity.at, identity.lane, identity.digest))

    def drop_identities(self, before: float) -> int:
        with writing(self.engine) as connection:
            return connection.execute(delete(identities).where(identities.c.at < before)).rowcount

    def write_book(self, book: RunBook) -> None:
        self._keep(books, book)

    def books(self) -> list[RunBook]:
        return sorted(self._kept(books, RunBook), key=lambda book: (book.at, book.name))

    def drop_books(self, ended: Sequence[RunBook]) -> None:
        for chunk in chunks((book.run_id, book.stage) for book in ended):
            with writing(self.engine) as connection:
                named = tuple_(books.c.run_id, books.c.stage)
                connection.execute(delete(books).where(named.in_(chunk)))

    def write_ledger(self, ledger: Ledger) -> None:
        self._keep(ledgers, ledger)

    def ledgers(self) -> dict[str, Ledger]:
        return {ledger.account: ledger for ledger in self._kept(ledgers, Ledger)}

    def message_sent(self, message: SentMessage) -> None:
        self._keep(messages, message)

    def message_taken(self, message_id: str, now: float) -> None:
        self._mark_taken(message_id, now)

    def message_returned(self, message_id: str) -> None:
        self._mark_taken(message_id, None)

    def message_done(self, message_id: str) -> None:
        with writing(self.engine) as connection:
            connection.execute(delete(messages).where(messages.c.message_id == message_id))

    def messages(self) -> list[SentMessage]:
        return sorted(
            self._kept(messages, SentMessage),
            key=lambda message: (message.sent_at, message.message_id),
        )

    def hold(self, hold: RegradeHold) -> None:
        self._keep(regrade_holds, hold)

    def holds(self) -> dict[str, RegradeHold]:
        return {hold.replay_id: hold for hold in self._kept(regrade_holds, RegradeHold)}

    def drop_hold(self, replay_id: str) -> None:
        with writing(self.engine) as connection:
            connection.execute(delete(regrade_holds).where(regrade_holds.c.replay_id == replay_id))

    def adopt_bucket(self, bucket: KnownBucket) -> None:
        self._keep(known_buckets, bucket)

    def known_buckets(self) -> dict[str, KnownBucket]:
        return {one.bucket: one for one in self._kept(known_buckets, KnownBucket)}

    def note_sweep(self, sweep: BucketSweep) -> None:
        self._keep(bucket_sweeps, sweep)

    def sweeps(self) -> dict[str, BucketSweep]:
        return {one.tenant: one for one in self._kept(bucket_sweeps, BucketSweep)}

    def drop_sweep(self, tenant: str) -> None:
        with writing(self.engine) as connection:
            connection.execute(delete(bucket_sweeps).where(bucket_sweeps.c.tenant == tenant))

    def note_dead_letters(self, letters: DeadLetters) -> None:
        self._keep(dead_letters, letters)

    def dead_letters(self) -> dict[str, DeadLetters]:
        return {one.source: one for one in self._kept(dead_letters, DeadLetters)}

    def drop_dead_letters(self, source: str) -> None:
        with writing(self.engine) as connection:
            connection.execute(delete(dead_letters).where(dead_letters.c.source == source))

    def hold_departures(self, hold: DepartureHold) -> None:
        self._keep(departure_holds, hold)

    def departure_holds(self) -> dict[str, DepartureHold]:
        return {one.tenant: one for one in self._kept(departure_holds, DepartureHold)}

    def drop_departure_hold(self, tenant: str) -> None:
        with writing(self.engine) as connection:
            connection.execute(delete(departure_holds).where(departure_holds.c.tenant == tenant))

    def note_reconciliation(self, completed: Reconciliation) -> None:
        self._keep(reconciliations, completed, loop=THE_LOOP)

    def reconciliation(self) -> Reconciliation | None:
        return next(iter(self._kept(reconciliations, Reconciliation)), None)

    def note_preflight(self, verdict: PreflightVerdict) -> None:
        self._keep(preflights, verdict)

    def preflights(self) -> dict[str, PreflightVerdict]:
        return {verdict.stage: verdict for verdict in self._kept(preflights, PreflightVerdict)}

    def drop_preflight(self, stage: str) -> None:
        with writing(self.engine) as connection:
            connection.execute(delete(preflights).where(preflights.c.stage == stage))

    def note_pace(self, pace: StagePace) -> None:
        self._keep(paces, pace)

    def paces(self) -> dict[str, StagePace]:
        return {pace.stage: pace for pace in self._kept(paces, StagePace)}

    def note_group(self, note: GroupNote) -> None:
        self._keep(group_notes, note)

    def group_notes(self) -> dict[str, GroupNote]:
        return {note.lane: note for note in self._kept(group_notes, GroupNote)}

    def _mark_taken(self, message_id: str, at: float | None) -> None:
        with writing(self.engine) as connection:
            connection.execute(
                update(messages).where(messages.c.message_id == message_id).values(taken_at=at)
            )

    def _keep(self, table: Table, record: Any, **key: str) -> None:
        """Write a record in place of the one of its key."""
        values = {name: _plain(value) for name, value in columns_of(record).items()} | key
        keys = [column.name for column in table.primary_key]
        rest = {name: value for name, value in values.items() if name not in keys}
        with writing(self.engine) as connection:
            statement = insert(connection, table).values(values)
            connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=rest))

    def _kept(self, table: Table, kind: type[T]) -> list[T]:
        with reading(self.engine) as connection:
            rows = connection.execute(_all_of(table, tuple(kind.__slots__))).all()  # type: ignore[attr-defined]
        return [
            kind(**{name: _typed(value) for name, value in row._mapping.items()}) for row in rows
        ]


@cache
def _all_of(table: Table, names: tuple[str, ...]) -> Select[Any]:
    """Built once, since it is asked in each pass of the reconciler."""
    return select(*(table.c[name] for name in names))


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value


def _typed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value  # JSON has no tuples
