"""What a process need not ask DynamoDB, since it knows it; and what it must not take for known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from parjanya_dagster.truth.dynamo import DynamoStore, changes, keys
from parjanya_dagster.truth.dynamo.shelf import Shelf
from parjanya_dagster.truth.dynamo.wire import Delete
from parjanya_dagster.truth.outcomes import Claim, Retry
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.store.paging import batch_rows
from tests.contract.dynamo import Died, Requests
from tests.support.backends import Backend, dynamo_backend
from tests.support.servers import MotoServer
from tests.support.world import LEASE, NOON, arrive, claim, commit, completed, row

pytestmark = pytest.mark.server


@pytest.fixture
def backend(aws: MotoServer) -> Iterator[Backend]:
    with dynamo_backend(aws) as backend:
        yield backend


@pytest.fixture
def store(backend: Backend) -> Any:
    return backend.open()


# --- rows in our hands ---


def test_who_claimed_rows_commits_and_returns_them_without_reading_them(store: DynamoStore) -> None:
    ids = arrive(store, 3)
    claims = claim(store)
    requests = Requests(store.wire)
    onward = store.commit([(one, completed(one)) for one in claims[:2]], NOON, "r", keep=LEASE).kept
    store.commit([(onward[0], completed(onward[0]))], NOON, "r")
    assert store.release([onward[1], claims[2]], NOON, "enough", "r") == 2
    assert requests.made["BatchGetItem"] + requests.made["GetItem"] == 0
    statuses = {row(store, image).pipeline_status for image in ids}
    assert statuses == {"pending_iqa", "pending_vlm_enrichment", "pending_validation"}


def test_a_change_of_another_process_stays_and_so_does_our_outcome(backend: Backend) -> None:
    ours: Any = backend.open()
    (image,) = arrive(ours, 1)
    claims = claim(ours)
    assert backend.open().pull_back([image], NOON, LEASE, NOON) == 1  # a clock was wrong
    assert commit(ours, claims).applied == {image}
    assert row(ours, image).pipeline_status == "pending_vlm_enrichment"
    assert [event.kind for event in ours.history(image)][-2:] == ["pulled_back", "completed"]


def test_what_another_process_took_is_lost_to_us(backend: Backend) -> None:
    ours, theirs = backend.open(), backend.open()
    (image,) = arrive(ours, 1)
    claims = claim(ours)
    (taken,) = claim(theirs, owner="worker-2", now=NOON + LEASE)
    assert commit(ours, claims, now=NOON + LEASE).lost == {image}
    assert ours.release(claims, NOON + LEASE, "late", "r") == 0
    assert row(ours, image).lease_owner == "worker-2"
    assert commit(theirs, [taken], now=NOON + LEASE).applied == {image}


def test_a_lease_that_was_prolonged_meanwhile_stays_as_long(store: DynamoStore) -> None:
    (image,) = arrive(store, 1)
    (one,) = claim(store)
    store.extend([one], LEASE, NOON + 10)
    store.commit([(one, completed(one))], NOON + 10, "r", keep=LEASE)
    assert row(store, image).lease_until == NOON + 10 + LEASE
    assert store.leases(NOON + 10) == {"worker-1": NOON + 10 + LEASE}


# --- what it found ---


def test_evidence_that_this_process_wrote_is_not_read(backend: Backend) -> None:
    ours: Any = backend.open()
    ids = arrive(ours, 2)
    commit(ours, claim(ours))
    rows = [row(ours, image) for image in ids]
    requests = Requests(ours.wire)
    known = ours.evidence(rows)
    assert not requests.made
    assert known.keys() == set(ids)
    assert known == backend.open().evidence(rows)


def test_evidence_that_the_table_lost_is_written_again(store: DynamoStore) -> None:
    """A table that was restored may lack the page that was written last. Who finds the same asks
    the table, whatever it wrote itself."""
    (image,) = arrive(store, 1)
    commit(store, claim(store))
    (page,) = {changes.stored_of(store.wire.get(keys.image(image)) or {}).pages["validated"]}
    store.wire.write(Delete(keys.page(page, 0)))
    store.reset_images([image], Reset(stage="validated", reason="again"), NOON)
    commit(store, claim(store))
    store.shelf = Shelf()
    assert store.evidence([row(store, image)])[image].keys() == {"validated"}


# --- leases ---


def test_a_tick_asks_for_leases_once(backend: Backend) -> None:
    worker, store = backend.open(), backend.open()
    arrive(worker, 2)
    claim(worker, limit=1)
    store.expire_leases(NOON)  # whether rows of before may come is asked once
    requests = Requests(store.wire)
    now = NOON + LEASE + 1
    assert [one.rows for one in store.due(now)] == [2]
    assert store.leases(now) == {}
    assert requests.made["Query"] == 2 * keys.GROUPS + 1  # and once for records of owners
    assert store.expire_leases(now) == 1
    assert store.expire_leases(now) == 0
    assert store.leases(now + 6) == {}


def test_a_second_look_at_what_is_due_asks_where_something_was(backend: Backend) -> None:
    store: Any = backend.open()
    arrive(store, 2)
    (seen,) = store.due(NOON)
    place = keys.group(seen.batch)
    tenants = (f"tenant{n}" for n in range(1000))
    beside = next(one for one in tenants if keys.group(f"{one}/2025-10-09/001") == place)
    arrive(store, 1, slug=beside)
    requests = Requests(store.wire)
    assert store.due(NOON, batches={seen.batch}) == [seen], "a batch beside it is left out"
    assert requests.made == {"Query": 1}


def test_who_finds_nothing_to_claim_has_seen_that_there_is_no_suspect(store: DynamoStore) -> None:
    arrive(store, 2)
    claim(store)
    requests = Requests(store.wire)
    assert claim(store, owner="worker-2") == []
    assert requests.made == {"Query": 3}, "for batches, leases that ran out, and what is due"
    assert store.due_rows(store.batches(), ["validated"], NOON, 1) == []
    assert requests.made["Query"] == 5, "for batches, and for what is due"


@pytest.mark.parametrize("waits", [False, True])
def test_a_suspect_is_found_whatever_waits_before_it(backend: Backend, waits: bool) -> None:
    other, store = backend.open(), backend.open()
    (image,) = arrive(other, 1)
    claim(other)
    now = NOON + LEASE
    assert other.expire_leases(now) == 1
    if waits:
        other.commit([(one, Retry("away")) for one in _claimed_anew(other, now)], now, "r")
    found = store.due_rows(store.batches(), ["validated"], now, 5)
    assert [one.image_id for one in found] == [image]
    assert [one.image_id for one in claim(store, now=now)] == [image]


def _claimed_anew(store: Any, now: float) -> list[Claim]:
    """Another row of the same batch, which has been claimed."""
    arrive(store, 2)
    return claim(store, now=now)


def test_a_suspect_that_is_not_due_yet_is_left_alone(backend: Backend) -> None:
    other, store = backend.open(), backend.open()
    arrive(other, 1)
    claim(other)
    other.expire_leases(NOON + LEASE)
    assert claim(store) == []
    assert store.due_rows(store.batches(), ["validated"], NOON, 5) == []


def test_what_this_process_claims_it_sees_at_once(store: DynamoStore) -> None:
    arrive(store, 2)
    assert store.leases(NOON) == {}
    claim(store, limit=1, owner="a")
    claim(store, limit=1, owner="b")
    assert store.leases(NOON) == {"a": NOON + LEASE, "b": NOON + LEASE}


# --- members of a batch ---


@pytest.mark.parametrize("after", [False, True])
def test_a_member_whose_row_never_came_is_none(backend: Backend, after: bool) -> None:
    """Who registers writes the members of a batch first. Here it dies with that, and the images
    are registered on another day."""
    dying: Any = backend.open()
    arrive(dying, 1)
    (batch,) = dying.batches()
    Requests(dying.wire, 2, after=after)  # the pages, the members, the rows
    with pytest.raises(Died):
        arrive(dying, 5)
    store: Any = backend.open()
    assert len(store.rows([batch])) == 1
    tomorrow = NOON + 86_400
    ids = arrive(store, 5, now=tomorrow)
    (_, other) = store.batches()
    first, *others = [row(store, image) for image in ids]
    assert ({one.batch for one in others}, first.batch) == ({other}, batch)
    assert [one.image_id for one in store.rows([batch])] == [ids[0]]
    assert {one.image_id for one in batch_rows(store, [batch], 2)} == {ids[0]}
    assert [one.image_id for one in batch_rows(store, store.batches(), 2)] == sorted(ids)
    again = Reset(stage="validated", reason="again")
    assert store.reset([batch], again, tomorrow, "replay") == 1
