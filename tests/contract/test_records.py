"""Records beside images: each kind is kept by its key, on every backend, whatever heartbeats do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

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
from parjanya_dagster.truth.store import Store
from tests.support.backends import Backend
from tests.support.world import NOON

DECLARED = Declaration(lane="gpu", identity={"code": "1", "image": ""}, at=NOON)
RAN = Identified(lane="gpu", digest="d1", identity={"code": "1"}, run_id="r1", at=NOON)
BOOK = RunBook(
    run_id="r1",
    stage="scored",
    accounts={"tenant/acme": {"a|b": 1, "s": 0.1}},
    closed=False,
    at=NOON,
)
LEDGER = Ledger(account="tenant/acme", amounts={"a|b": 7}, folded=("r0/scored",), at=NOON)
MESSAGE = SentMessage(
    message_id="gpu:1",
    lane="gpu",
    stages=("scored", "curated"),
    batches=("acme/2025-10-09/001",),
    regrade=True,
    sent_at=NOON,
)
HOLD = RegradeHold(replay_id="regrade-1", attended_at=NOON, hold_until=NOON + 120)
LAST = Reconciliation(
    at=NOON,
    generation=10**11,
    watching_since=NOON - 0.1,
    totals={"emitted|gpu": 3, "seconds": 0.25},
    heard={"r1": {"at": NOON - 1, "stage": "scored", "phase": "working"}},
)
VERDICT = PreflightVerdict(
    stage="scored", ok=False, engine="x", problem="no GPU", identity={}, run_id="r1", host="h",
    at=NOON, since=NOON - 5, times=2,
)  # fmt: skip
PACE = StagePace(stage="scored", seconds_per_row=0.125, rows=9, at=NOON)
GROUP = GroupNote(
    lane="gpu", group="g", desired=1, in_service=0, nothing_since=NOON, said="", quiet_since=NOON,
    rows=3, at=NOON,
)  # fmt: skip


def kept(store: Store) -> dict[str, Any]:
    """Every record that there is."""
    return {
        "declarations": store.declarations(),
        "identities": store.identities(),
        "books": store.books(),
        "ledgers": store.ledgers(),
        "messages": store.messages(),
        "holds": store.holds(),
        "reconciliation": store.reconciliation(),
        "preflights": store.preflights(),
        "paces": store.paces(),
        "group_notes": store.group_notes(),
    }


def keep(store: Store) -> None:
    """One record of each kind."""
    store.declare(DECLARED)
    store.note_identity(RAN)
    store.write_book(BOOK)
    store.write_ledger(LEDGER)
    store.message_sent(MESSAGE)
    store.hold(HOLD)
    store.note_reconciliation(LAST)
    store.note_preflight(VERDICT)
    store.note_pace(PACE)
    store.note_group(GROUP)


ALL = {
    "declarations": {"gpu": DECLARED},
    "identities": [RAN],
    "books": [BOOK],
    "ledgers": {"tenant/acme": LEDGER},
    "messages": [MESSAGE],
    "holds": {"regrade-1": HOLD},
    "reconciliation": LAST,
    "preflights": {"scored": VERDICT},
    "paces": {"scored": PACE},
    "group_notes": {"gpu": GROUP},
}


def test_an_empty_store_has_none(store: Store) -> None:
    assert all(not found for found in kept(store).values())


def test_every_record_comes_back_as_it_was_written_to_whoever_opens_the_store(
    backend: Backend,
) -> None:
    keep(backend.open())
    assert kept(backend.open()) == ALL


def test_deleting_every_heartbeat_deletes_no_record(store: Store) -> None:
    keep(store)
    for family in ("", "run", "blind", "declared", "ledger", "book", "sent", "regrade"):
        store.beat(f"{family}:x" if family else "reconciler", NOON, {})
        store.forget(list(store.heartbeats(family)))
    assert kept(store) == ALL


WRITE: dict[str, tuple[Callable[[Store, Any], None], Any]] = {
    "declarations": (lambda s, r: s.declare(r), replace(DECLARED, identity={}, at=NOON + 1)),
    "identities": (lambda s, r: s.note_identity(r), replace(RAN, run_id="r2", at=NOON + 1)),
    "books": (lambda s, r: s.write_book(r), replace(BOOK, accounts={}, closed=True)),
    "ledgers": (lambda s, r: s.write_ledger(r), replace(LEDGER, amounts={"a|b": 8}, folded=())),
    "messages": (lambda s, r: s.message_sent(r), replace(MESSAGE, taken_at=NOON + 1)),
    "holds": (lambda s, r: s.hold(r), replace(HOLD, hold_until=0.0)),
    "reconciliation": (lambda s, r: s.note_reconciliation(r), replace(LAST, heard={})),
    "preflights": (lambda s, r: s.note_preflight(r), replace(VERDICT, ok=True, since=None)),
    "paces": (lambda s, r: s.note_pace(r), replace(PACE, rows=10)),
    "group_notes": (lambda s, r: s.note_group(r), replace(GROUP, nothing_since=None)),
}


@pytest.mark.parametrize("kind", WRITE)
def test_the_last_writing_of_a_record_stands_and_touches_no_other(store: Store, kind: str) -> None:
    keep(store)
    write, record = WRITE[kind]
    write(store, record)
    write(store, record)
    found = kept(store)
    mine = found.pop(kind)
    alone = next(iter(mine.values())) if isinstance(mine, dict) else mine
    assert (alone[0] if isinstance(alone, list) else alone) == record
    assert found == {name: records for name, records in ALL.items() if name != kind}


def test_a_lane_has_a_record_of_each_identity_newest_first_until_it_is_old(store: Store) -> None:
    second = replace(RAN, digest="d2", run_id="r2", at=NOON + 10)
    other = replace(RAN, lane="cpu", at=NOON + 5)
    for one in (RAN, second, other):
        store.note_identity(one)
    assert store.identities() == [second, other, RAN]
    assert store.drop_identities(NOON + 5) == 1
    assert store.identities() == [second, other]
    assert store.drop_identities(NOON) == 0


def test_books_are_dropped_one_by_one(store: Store) -> None:
    books = [
        replace(BOOK, run_id=run, stage=stage, at=NOON + n)
        for n, (run, stage) in enumerate([("r2", "scored"), ("r1", "scored"), ("r1", "start")])
    ]
    for book in reversed(books):
        store.write_book(book)
    assert store.books() == books
    store.drop_books([books[1], replace(BOOK, run_id="never")])
    store.drop_books([])
    assert store.books() == [books[0], books[2]]


def test_a_message_is_taken_and_returned_and_done(store: Store) -> None:
    other = replace(MESSAGE, message_id="gpu:2", sent_at=NOON + 1)
    store.message_sent(other)
    store.message_sent(MESSAGE)
    store.message_taken("gpu:1", NOON + 5)
    assert store.messages() == [replace(MESSAGE, taken_at=NOON + 5), other]
    store.message_taken("gpu:1", NOON + 9)  # by another worker, after it came again
    store.message_returned("gpu:1")
    assert store.messages() == [MESSAGE, other]
    store.message_done("gpu:1")
    store.message_done("gpu:1")
    assert store.messages() == [other]


def test_a_message_that_nobody_noted_leaves_no_trace(store: Store) -> None:
    store.message_taken("stranger", NOON)
    store.message_returned("stranger")
    store.message_done("stranger")
    assert store.messages() == []


def test_what_is_not_held_or_examined_any_more_is_dropped(store: Store) -> None:
    keep(store)
    for _ in range(2):
        store.drop_hold("regrade-1")
        store.drop_preflight("scored")
    assert store.holds() == store.preflights() == {}


def test_a_bucket_is_known_by_the_identity_that_was_adopted_last(store: Store) -> None:
    first = KnownBucket(bucket="acme", identity="one", adopted_at=NOON)
    second = KnownBucket(bucket="acme", identity="two", adopted_at=NOON + 1)
    for bucket in (first, first, second):
        store.adopt_bucket(bucket)
    assert store.known_buckets() == {"acme": second}


def test_dead_letters_are_kept_by_their_source_and_dropped(store: Store) -> None:
    first = DeadLetters(
        source="foreign", messages=1, reason="no tenant", example="{}", first_at=NOON, last_at=NOON
    )
    second = replace(first, messages=2, last_at=NOON + 1)
    other = replace(first, source="messages that cannot be read", reason="no JSON")
    for letters in (first, second, other):
        store.note_dead_letters(letters)
    assert store.dead_letters() == {one.source: one for one in (second, other)}
    for _ in range(2):
        store.drop_dead_letters("foreign")
    assert store.dead_letters() == {other.source: other}


def test_a_held_departure_is_confirmed_and_dropped(store: Store) -> None:
    hold = DepartureHold(tenant="acme", missing=40, present=60, since=NOON, confirmed_at=None)
    store.hold_departures(hold)
    confirmed = replace(hold, confirmed_at=NOON + 1)
    store.hold_departures(confirmed)
    assert store.departure_holds() == {"acme": confirmed}
    for _ in range(2):
        store.drop_departure_hold("acme")
    assert store.departure_holds() == {}


def test_a_sweep_goes_on_where_it_was_noted_last_until_it_is_dropped(store: Store) -> None:
    first = BucketSweep(
        tenant="acme",
        after="",
        began=NOON,
        at=NOON,
        departures=True,
        present=0,
        missing=0,
        first_missing=(),
        rest_after=None,
        hidden=(),
    )
    later = replace(
        first,
        after="incoming/日",
        missing=2,
        first_missing=("a", "b"),
        rest_after="x",
        hidden=("",),
    )
    for sweep in (first, later):
        store.note_sweep(sweep)
    assert store.sweeps() == {"acme": later}
    for _ in range(2):
        store.drop_sweep("acme")
    assert store.sweeps() == {}
