"""Processes that hold rows for long, and die at any point: what becomes of their rows."""

from __future__ import annotations

from dataclasses import replace

from parjanya_dagster.truth.holders import AHEAD, LATE, LONG, named
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.outcomes import Claim, Committed
from parjanya_dagster.truth.records import Holder
from parjanya_dagster.truth.store import Store
from tests.support.backends import Backend
from tests.support.world import LEASE, NOON, arrive, claim, commit, completed, due_rows, row

OWNER = "worker-1"
LATER = NOON + LEASE  # when the record of `dies_holding` ends


def says(store: Store, *hand: str, until: float = LATER) -> Holder:
    said = Holder(owner=OWNER, until=until, hand=hand)
    store.note_holder(said)
    return said


def keeps(store: Store, claims: list[Claim], now: float = NOON) -> Committed:
    return store.commit([(one, completed(one)) for one in claims], now, "run-1", keep=LONG)


def holds_for_long(store: Store, rows: int = 2) -> tuple[list[str], list[Claim]]:
    """A process says that it lives, and keeps rows for the next stage."""
    ids, claims = arrive(store, rows), claim(store)
    says(store, *(named(one.row) for one in claims))
    return ids, list(keeps(store, claims).kept)


def state(one: ImageRow) -> tuple[str | None, int, bool]:
    return one.lease_owner, one.attempts, one.suspect


def test_a_record_is_one_for_each_process_and_the_last_writing_stands(store: Store) -> None:
    assert store.holders() == {}
    store.drop_holder(Holder(owner=OWNER, until=NOON, hand=()))  # there is none
    first, last = says(store, "a", "b"), says(store, until=LATER + 40)
    assert store.holders() == {OWNER: last}
    store.drop_holder(first)  # it has been written since
    assert store.holders() == {OWNER: last}
    store.drop_holder(last)
    assert store.holders() == {}


def test_a_long_lease_lives_as_long_as_its_owner_says_so(store: Store) -> None:
    (image,), kept = holds_for_long(store, 1)
    assert row(store, image).lease_until == kept[0].row.lease_until == NOON + LONG
    assert store.leases(NOON) == {OWNER: LATER}
    says(store, until=LATER + 40)
    assert store.expire_leases(LATER + 39) == 0
    assert store.leases(LATER + 39, anew=True) == {OWNER: LATER + 40}
    assert store.leases(LATER + 40, anew=True) == {}
    assert keeps(store, kept, LATER + 39).applied == {image}


def test_of_a_dead_process_only_what_it_worked_on_is_suspect(store: Store) -> None:
    ids, kept = holds_for_long(store, 3)
    says(store, *(named(one.row) for one in kept if one.image_id == ids[0]))
    assert store.expire_leases(LATER - 1) == 0
    assert store.expire_leases(LATER) == 3
    assert state(row(store, ids[0])) == (None, 1, True)
    assert {state(row(store, one)) for one in ids[1:]} == {(None, 0, False)}
    assert due_rows(store, LATER) == 3
    assert commit(store, kept).lost == set(ids)  # it was only hung, and is alive again
    again = claim(store, "enriched", owner="worker-2", now=LATER)
    assert {one.image_id for one in again} == set(ids[1:])  # together; the suspect comes alone


def test_what_was_committed_and_kept_since_the_record_was_written_is_not_suspect(
    store: Store,
) -> None:
    ids, _ = holds_for_long(store, 2)
    assert store.expire_leases(LATER) == 2
    assert {state(row(store, one)) for one in ids} == {(None, 0, False)}


def test_a_record_goes_once_nothing_is_left_of_its_rows(store: Store) -> None:
    """Whoever frees rows may die before the record is dropped, or free some of them only."""
    ids, _ = holds_for_long(store, 3)
    says(store)
    assert store.expire_leases(LATER, limit=2) == 2
    assert OWNER in store.holders()
    assert store.expire_leases(LATER) == 1
    assert OWNER in store.holders()
    claim(store, "enriched", owner="worker-2", limit=1, now=LATER)  # there are leases to look at
    assert store.expire_leases(LATER) == 0
    assert OWNER in store.holders()  # a commit that keeps rows may be under way, or an index late
    assert {row(store, one).suspect for one in ids} == {False}
    store.expire_leases(LATER + LATE)
    assert store.holders() == {}


def test_a_process_that_is_alive_again_has_its_record_again(store: Store) -> None:
    ids, kept = holds_for_long(store, 2)
    says(store)
    store.expire_leases(LATER)
    again = says(store, until=LATER + 100)
    assert commit(store, kept).lost == set(ids)
    claim(store, "enriched", owner=OWNER, now=LATER + 1)
    assert store.expire_leases(LATER + 2) == 0
    assert store.holders() == {OWNER: again}


def test_without_its_record_a_row_is_freed_by_its_own_lease(store: Store) -> None:
    ids, _ = holds_for_long(store, 2)
    for holder in store.holders().values():
        store.drop_holder(holder)
    assert store.expire_leases(NOON + LONG - 1) == 0
    assert store.leases(NOON + LONG - 1) == {OWNER: NOON + LONG}
    assert store.expire_leases(NOON + LONG) == 2
    assert {state(row(store, one)) for one in ids} == {(None, 1, True)}


def test_a_lease_of_a_process_without_a_record_means_what_it_did(store: Store) -> None:
    """A version of before writes none, and works beside this one during a release."""
    says(store)
    (image,) = arrive(store, 1)
    claim(store, owner="of-before")
    assert store.expire_leases(LATER - 1) == 0
    assert store.leases(LATER - 1) == {"of-before": LATER}
    assert store.expire_leases(LATER) == 1
    assert state(row(store, image)) == (None, 1, True)


def test_a_record_of_a_clock_that_was_ahead_frees_nothing_and_does_not_stay(store: Store) -> None:
    ids, kept = holds_for_long(store, 2)
    says(store, until=NOON + AHEAD + LONG)
    assert store.expire_leases(NOON) == 0
    assert {row(store, one).lease_owner for one in ids} == {OWNER}
    assert store.leases(NOON) == {OWNER: NOON + LONG}
    store.release(kept, NOON, "done", "run-1")
    claim(store, "enriched", owner="worker-2", now=NOON)
    store.expire_leases(NOON)
    assert store.holders() == {}


def test_a_row_that_was_prolonged_beside_its_record_is_freed_by_it(store: Store) -> None:
    (image,), kept = holds_for_long(store, 1)
    says(store)
    assert store.extend([replace(kept[0])], LONG, LATER - 1) == {image}
    assert store.expire_leases(LATER) == 1


def test_several_rescuers_at_once_free_each_row_once(backend: Backend) -> None:
    first, second = backend.open(), backend.open()
    ids, _ = holds_for_long(first, 3)
    says(first)
    freed = [one.expire_leases(LATER) for one in (first, second)]
    assert sum(freed) == 3
    for one in ids:
        told = [event.kind for event in first.history(one)]
        assert told == ["registered", "completed", "released"]
