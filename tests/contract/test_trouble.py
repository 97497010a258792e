"""What an operator asks of Truth: failed rows by class, rows in trouble, the server's clock."""

from __future__ import annotations

from parjanya_dagster.truth.outcomes import Retry, TerminalFailure
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.store import Store
from tests.support.backends import Backend
from tests.support.world import LEASE, NOON, arrive, carry, claim, commit


def fail(store: Store, ids: list[str], failure_class: str) -> None:
    claims = claim(store)
    commit(store, [c for c in claims if c.image_id in ids], TerminalFailure(failure_class, "x"))
    store.release([c for c in claims if c.image_id not in ids], NOON, "set free", "")


def test_failed_rows_come_by_tenant_and_class_in_pages(store: Store) -> None:
    ids = arrive(store, 7)
    (foreign,) = arrive(store, 1, slug="zeta")
    fail(store, [*ids[:5], foreign], "undecodable")
    fail(store, ids[5:6], "too_large")
    first = store.failed("acme", "undecodable", limit=3)
    rest = store.failed("acme", "undecodable", after=first[-1].image_id, limit=3)
    assert [row.image_id for row in first + rest] == sorted(ids[:5])
    assert [row.image_id for row in store.failed("acme", "too_large")] == [ids[5]]
    assert store.failed("acme", "unheard_of") == []
    assert [row.image_id for row in store.failed("zeta", "undecodable")] == [foreign]


def test_failed_rows_that_were_reset_or_left_their_bucket_are_not_listed(store: Store) -> None:
    again, gone, stays = arrive(store, 3)
    fail(store, [again, gone, stays], "undecodable")
    store.reset_images([again], Reset(stage="validated", reason="an operator asked"), NOON)
    store.depart([gone], NOON, "deleted")
    assert [row.image_id for row in store.failed("acme", "undecodable")] == [stays]


def test_rows_in_trouble_are_those_retried_or_crashed_the_longest_unchanged_first(
    store: Store,
) -> None:
    retried, crashed, _calm, _done = ids = arrive(store, 4)
    claims = {one.image_id: one for one in claim(store)}
    commit(store, [claims[retried]], Retry("away"), now=NOON + 10)
    commit(store, [claims[ids[2]], claims[ids[3]]])
    store.expire_leases(NOON + LEASE)  # who held the second one died
    late = NOON + LEASE
    assert [row.image_id for row in store.troubled(late)] == [retried, crashed]
    assert [row.image_id for row in store.troubled(NOON + 10)] == [retried]
    assert [row.image_id for row in store.troubled(late, limit=1)] == [retried]
    carry(store, now=NOON + 1000)
    assert store.troubled(NOON + 2000) == []


def test_a_row_that_ended_in_failure_is_in_trouble_no_more(store: Store) -> None:
    arrive(store, 1)
    commit(store, claim(store), Retry("away"))
    commit(store, claim(store, now=NOON + 100), TerminalFailure("undecodable", "x"))
    assert store.troubled(NOON + 1000) == []


def test_only_a_server_has_a_clock_of_its_own(backend: Backend) -> None:
    skew = backend.open().clock_skew()
    if backend.url.startswith("sqlite"):
        assert skew is None
    else:
        assert skew is not None
        assert abs(skew) < 5.0  # it runs on this machine
