"""What landed becomes rows: once, in batches, the newest version of each key present."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from parjanya_dagster.errors import ArrivalRefused, InvalidTenant, UnknownTenant
from parjanya_dagster.truth.models import DELETED, PRESENT, REPLACED, Arrival, ImageRow
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.store.paging import batch_pages, batch_rows, present_pages, present_rows
from parjanya_dagster.truth.transitions import rebuild
from tests.support.backends import Backend
from tests.support.world import (
    DAY,
    NOON,
    arrival,
    arrive,
    carry,
    claim,
    commit,
    completed,
    due_rows,
    row,
    tenant,
)


def test_a_tenant_is_registered_once_and_left_as_it_was(store: Store) -> None:
    first = store.put_tenant(tenant("acme", weight=2.0))
    again = store.put_tenant(tenant("acme", weight=9.0))
    assert first == again == store.tenant("acme")
    assert again.weight == 2.0
    assert store.tenants() == [first]
    assert store.tenant("nobody") is None


def test_a_tenant_needs_a_slug(store: Store) -> None:
    with pytest.raises(InvalidTenant, match="Acme Inc"):
        store.put_tenant(tenant("Acme Inc"))


def test_a_tenant_is_pinned_to_a_policy(store: Store) -> None:
    store.put_tenant(tenant("acme"))
    store.pin("acme", "default@2")
    pinned = store.tenant("acme")
    assert pinned is not None
    assert pinned.policy == "default@2"
    with pytest.raises(UnknownTenant, match="nobody"):
        store.pin("nobody", "default@2")


def test_an_arrival_of_an_unknown_tenant_is_refused(store: Store) -> None:
    with pytest.raises(UnknownTenant, match="ghost"):
        store.register([arrival(1, slug="ghost")], NOON)


@pytest.mark.parametrize("sign", ["k", "\u00e4", "\u5bf6"])
def test_a_key_of_1024_bytes_is_registered_and_a_longer_one_refused(
    store: Store, sign: str
) -> None:
    """The limit of S3, on all stores alike; an index of PostgreSQL holds about 2,700 bytes."""
    store.put_tenant(tenant())
    rng = random.Random(7)
    one = arrival("cat")
    room = 1024 - len(sign.encode())
    noise = "".join(rng.choice("0123456789abcdef") for _ in range(room))  # it cannot be compressed
    longest = replace(one, key=sign + noise)
    (registered,) = store.register([longest], NOON)
    assert row(store, registered.image_id).key == longest.key
    assert store.find(longest.key)
    too_long = replace(one, key=sign + noise + "x")
    with pytest.raises(ArrivalRefused, match="has 1025 bytes, and S3 allows 1024"):
        store.register([one, too_long], NOON)
    assert store.known([one.image_id]) == set()


def test_an_arrival_becomes_a_row_that_waits_for_validation(store: Store) -> None:
    store.put_tenant(tenant())
    one = arrival("cat", landed_at=NOON - 5)
    (registered,) = store.register([one], NOON)
    assert registered.created
    assert registered.batch == "acme/2025-10-09/001"
    new = row(store, one.image_id)
    assert (new.tenant, new.bucket, new.key, new.version, new.size) == (
        one.tenant,
        one.bucket,
        one.key,
        one.version,
        one.size,
    )
    assert (new.landed_at, new.arrived_at, new.due_at) == (NOON - 5, NOON, NOON)
    assert (new.pipeline_status, new.object_state) == ("pending_validation", PRESENT)
    assert (new.attempts, new.fence, new.lease_owner) == (0, 0, None)


def test_registering_twice_changes_nothing(store: Store) -> None:
    ids = arrive(store, 3)
    before = [row(store, one) for one in ids]
    again = store.register([arrival(n, landed_at=NOON + n) for n in range(3)], NOON + 50)
    assert {one.image_id: one.created for one in again} == dict.fromkeys(ids, False)
    assert [row(store, one) for one in ids] == before
    assert [len(store.history(one)) for one in ids] == [1, 1, 1]


def test_an_arrival_named_twice_in_one_call_makes_one_row(store: Store) -> None:
    store.put_tenant(tenant())
    assert len(store.register([arrival(1), arrival(1)], NOON)) == 1
    assert store.counts()[0].registered == 1


def test_batches_fill_to_their_size_and_the_open_one_is_continued(backend: Backend) -> None:
    store = backend.open(batch_size=4)
    store.put_tenant(tenant())
    for start in (0, 3, 6):  # 3 + 3 + 3 images
        store.register([arrival(n) for n in range(start, start + 3)], NOON)
    sizes = Counter(one.batch for one in store.rows(store.batches()))
    assert sizes == {
        "acme/2025-10-09/001": 4,
        "acme/2025-10-09/002": 4,
        "acme/2025-10-09/003": 1,
    }


def test_a_single_call_may_fill_many_batches(backend: Backend) -> None:
    store = backend.open(batch_size=7)
    arrive(store, 23)
    sizes = Counter(one.batch for one in store.rows(store.batches()))
    assert sorted(sizes.values()) == [2, 7, 7, 7]


def test_each_day_opens_its_own_batch(store: Store) -> None:
    store.put_tenant(tenant())
    store.register([arrival(1)], NOON)
    store.register([arrival(2)], NOON + DAY)
    store.register([arrival(3)], NOON)  # a slow clock finds yesterday's batch open
    assert store.batches() == ["acme/2025-10-09/001", "acme/2025-10-10/001"]
    assert len(store.rows(["acme/2025-10-09/001"])) == 2


def test_tenants_do_not_share_batches(store: Store) -> None:
    arrive(store, 2, slug="acme")
    arrive(store, 2, slug="zeta")
    assert store.batches("zeta") == ["zeta/2025-10-09/001"]
    assert store.batches() == ["acme/2025-10-09/001", "zeta/2025-10-09/001"]


def test_a_newer_version_replaces_the_older(store: Store) -> None:
    store.put_tenant(tenant())
    old, new = arrival("a", version="v1"), arrival("a", version="v2", landed_at=NOON + 1)
    store.register([old], NOON)
    store.register([new], NOON + 2)
    assert row(store, old.image_id).object_state == REPLACED
    assert row(store, old.image_id).failure_class == "object_replaced"
    assert row(store, new.image_id).object_state == PRESENT
    assert due_rows(store, NOON + 2) == 1


def test_versions_that_are_announced_out_of_order_end_the_same(store: Store) -> None:
    store.put_tenant(tenant())
    old, new = arrival("a", version="v1"), arrival("a", version="v2", landed_at=NOON + 1)
    store.register([new], NOON + 2)
    store.register([old], NOON + 3)
    assert row(store, old.image_id).object_state == REPLACED
    assert row(store, new.image_id).object_state == PRESENT
    assert due_rows(store, NOON + 3) == 1


def test_versions_that_are_announced_together_end_the_same(store: Store) -> None:
    store.put_tenant(tenant())
    versions = [arrival("a", version=f"v{n}", landed_at=NOON + n) for n in (2, 3, 1)]
    store.register(versions, NOON + 9)
    states = [row(store, one.image_id).object_state for one in versions]
    assert states == [REPLACED, PRESENT, REPLACED]


def test_a_decided_image_keeps_its_decision_when_it_is_replaced(store: Store) -> None:
    (old,) = arrive(store, 1)
    carry(store)
    store.register([arrival(0, version="v2", landed_at=NOON + 60)], NOON + 61)
    assert row(store, old).pipeline_status == "curated"
    assert row(store, old).object_state == REPLACED


def test_the_worker_of_a_replaced_image_loses_it(store: Store) -> None:
    (old,) = arrive(store, 1)
    claims = claim(store)
    store.register([arrival(0, version="v2", landed_at=NOON + 60)], NOON + 1)
    assert commit(store, claims).lost == {old}
    assert row(store, old).failure_class == "object_replaced"


def test_a_deleted_object_ends_its_row(store: Store) -> None:
    first, second = arrive(store, 2)
    claims = claim(store)
    assert store.depart([first, "unknown"], NOON + 1, "deleted by its owner") == 1
    assert store.depart([first], NOON + 2, "deleted by its owner") == 0
    gone = row(store, first)
    assert (gone.object_state, gone.pipeline_status) == (DELETED, "failed")
    assert gone.failure_class == "object_deleted"
    done = commit(store, claims)
    assert (done.applied, done.lost) == ({second}, {first})
    assert row(store, second).object_state == PRESENT


def test_an_object_that_comes_back_with_the_same_bytes_is_worked_on_again(store: Store) -> None:
    """Deleted, then uploaded again: the same ETag, so the same id. It must not be lost."""
    (image,) = arrive(store, 1)
    store.depart([image], NOON + 1, "deleted")
    (again,) = store.register([arrival(0, landed_at=NOON + 2)], NOON + 3)
    assert (again.image_id, again.created) == (image, False)
    back = row(store, image)
    assert (back.object_state, back.pipeline_status) == (PRESENT, "pending_validation")
    assert back.landed_at == NOON + 2
    assert due_rows(store, NOON + 3) == 1
    carry(store, now=NOON + 3)
    assert row(store, image).pipeline_status == "curated"


def test_a_decided_object_that_comes_back_is_decided_again_from_what_was_found(
    store: Store,
) -> None:
    (image,) = arrive(store, 1)
    carry(store)
    store.depart([image], NOON + 1, "deleted")
    store.register([arrival(0, landed_at=NOON + 2)], NOON + 3)
    back = row(store, image)
    assert (back.object_state, back.pipeline_status) == (PRESENT, "pending_curation")
    assert {"validated", "enriched", "scored"} <= back.evidence.keys()


def test_going_back_to_an_earlier_version_makes_that_one_present(store: Store) -> None:
    """A, then B, then the bytes of A again: without bucket versions A's id returns."""
    store.put_tenant(tenant())
    a, b = arrival("x", version="A"), arrival("x", version="B", landed_at=NOON + 1)
    store.register([a], NOON)
    store.register([b], NOON + 1)
    store.register([arrival("x", version="A", landed_at=NOON + 2)], NOON + 2)
    assert row(store, a.image_id).object_state == PRESENT
    assert row(store, a.image_id).pipeline_status == "pending_validation"
    assert row(store, b.image_id).object_state == REPLACED
    assert due_rows(store, NOON + 2) == 1


def test_of_versions_of_the_same_second_the_one_seen_last_is_present(store: Store) -> None:
    """Stores of objects count whole seconds, and an overwrite may be quicker."""
    store.put_tenant(tenant())
    a, b = arrival("x", version="A"), arrival("x", version="B")
    for seen, other in ((a, None), (b, a), (a, b)):
        store.register([seen], NOON)
        assert row(store, seen.image_id).object_state == PRESENT
        if other is not None:
            assert row(store, other.image_id).object_state == REPLACED


def test_a_late_copy_of_an_old_event_does_not_bring_a_replaced_version_back(store: Store) -> None:
    store.put_tenant(tenant())
    a, b = arrival("x", version="A"), arrival("x", version="B", landed_at=NOON + 1)
    for event in (a, b, a, a):
        store.register([event], NOON + 2)
    assert row(store, a.image_id).object_state == REPLACED
    assert row(store, b.image_id).object_state == PRESENT


def test_known_names_the_rows_whose_object_is_there(store: Store) -> None:
    first, second, third = arrive(store, 3)
    store.depart([second], NOON, "deleted")
    assert store.known([first, second, third, "unknown"]) == {first, third}
    assert store.known([]) == set()


def test_rows_are_found_by_key_newest_first(store: Store) -> None:
    store.put_tenant(tenant())
    versions = [arrival("a", version=f"v{n}", landed_at=NOON + n) for n in range(3)]
    store.register(versions, NOON + 9)
    key = versions[0].key
    assert [one.version for one in store.find(key)] == ["v2", "v1", "v0"]
    assert [one.version for one in store.find(key, "acme")] == ["v2", "v1", "v0"]
    assert store.find(key, "zeta") == []
    assert store.find("nowhere.jpg") == []
    assert store.get("unknown") is None


def test_rows_come_in_pages_without_gaps(backend: Backend) -> None:
    store = backend.open(batch_size=5)
    ids = arrive(store, 13)
    pages = list(batch_pages(store, store.batches(), 4))
    assert [len(page) for page in pages] == [4, 4, 4, 1]
    assert [row.image_id for page in pages for row in page] == sorted(ids)
    assert [row.image_id for row in batch_rows(store, store.batches(), 4)] == sorted(ids)
    assert store.rows([]) == []


def test_present_rows_of_a_tenant_come_in_pages(store: Store) -> None:
    ids = arrive(store, 7)
    arrive(store, 2, slug="zeta")
    store.depart(ids[:2], NOON, "deleted")
    assert [row.image_id for row in present_rows(store, "acme", 2)] == sorted(ids[2:])
    later = present_pages(store, "acme", 2, after=sorted(ids[2:])[2])
    assert [row.image_id for page in later for row in page] == sorted(ids[2:])[3:]


def same_bytes(image: str, version: str, landed_at: float = NOON + 60) -> Arrival:
    """The first image, seen as another version after its bytes were read."""
    return replace(arrival(0, version=version, landed_at=landed_at), same_as=image)


def decide(store: Store) -> ImageRow:
    (image,) = arrive(store, 1)
    carry(store, through="scored")
    accepted = {"verdict": "accept", "sha256": "s", "policy": "default@1"}
    commit(store, claim(store, "curated"), lambda one: completed(one, **accepted))
    return row(store, image)


def test_the_same_bytes_as_another_version_are_the_same_image(store: Store) -> None:
    before = decide(store)
    there = same_bytes(before.image_id, "v2")
    for _ in range(2):
        (registered,) = store.register([there], NOON + 60)
        assert (registered.image_id, registered.created) == (before.image_id, False)
    after = row(store, before.image_id)
    assert after == replace(before, version="v2", updated_at=NOON + 60)
    assert [event.kind for event in store.history(before.image_id)][-2:] == [
        "completed",
        "relocated",
    ]
    assert rebuild(store.history(before.image_id)) == after
    assert store.counts()[0].registered == 1


def test_where_an_image_lies_now_is_known_and_where_it_lay_is_not(store: Store) -> None:
    before = decide(store)
    moved = same_bytes(before.image_id, "v2")
    store.register([moved], NOON + 60)
    assert store.known([moved.image_id, before.image_id]) == {moved.image_id}


def test_an_image_that_lies_where_it_lay_before_is_known_without_reading(store: Store) -> None:
    before = decide(store)
    for version in ("v2", "v3"):
        store.register([same_bytes(before.image_id, version)], NOON + 60)
    for version in ("v1", "v2", "v3"):
        store.register([arrival(0, version=version, landed_at=NOON + 90)], NOON + 90)
        assert row(store, before.image_id).version == version
    assert store.counts()[0].registered == 1


def test_a_moved_image_that_was_deleted_comes_back_by_each_of_its_versions(store: Store) -> None:
    before = decide(store)
    store.register([same_bytes(before.image_id, "v2")], NOON + 60)
    for version in ("v1", "v2"):
        store.depart([before.image_id], NOON + 90, "deleted")
        (back,) = store.register([arrival(0, version=version, landed_at=NOON + 95)], NOON + 99)
        assert (back.image_id, back.created) == (before.image_id, False)
        there = row(store, before.image_id)
        assert (there.object_state, there.version, there.verdict) == (PRESENT, version, "accept")


def test_bytes_that_come_back_replace_what_replaced_them(store: Store) -> None:
    first = decide(store)
    (second,) = store.register([arrival(0, version="v2", landed_at=NOON + 10)], NOON + 10)
    assert row(store, first.image_id).replaced_by == second.image_id
    store.register([same_bytes(first.image_id, "v3")], NOON + 60)
    back, gone = row(store, first.image_id), row(store, second.image_id)
    assert (back.object_state, back.version, back.verdict) == (PRESENT, "v3", "accept")
    assert back.replaced_by is None
    assert (gone.object_state, gone.replaced_by) == (REPLACED, first.image_id)


def test_an_image_that_nobody_read_is_validated_as_it_lies_there_now(store: Store) -> None:
    (image,) = arrive(store, 1)
    (late,) = claim(store)
    store.register([same_bytes(image, "v2")], NOON + 60)
    assert commit(store, [late], now=NOON + 61).lost == {image}
    there = row(store, image)
    assert (there.version, there.pipeline_status) == ("v2", "pending_validation")
    (again,) = claim(store, now=NOON + 62)
    assert again.row.version == "v2"


def test_versions_of_keys_are_found_by_their_size(store: Store) -> None:
    first, _ = arrive(store, 2)
    (second,) = store.register([arrival(0, version="v2", landed_at=NOON + 10)], NOON + 10)
    asked = {arrival(0).key: 1234, arrival(1).key: 99, arrival(7).key: 1234}
    assert {found.image_id for found in store.versions("bucket", asked)} == {
        first,
        second.image_id,
    }
    assert store.versions("elsewhere", asked) == []
    assert store.versions("bucket", {}) == []
