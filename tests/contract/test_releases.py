"""Releases and withdrawn images: each version is somebody's once, and no ending is taken back."""

from __future__ import annotations

from dataclasses import replace

from parjanya_dagster.truth.releases import COMPLETE, WITHDRAWN, WRITING, Release, Withdrawal
from parjanya_dagster.truth.store import Store
from tests.support.world import NOON

BIRDS = Release(
    tenant="acme",
    name="birds",
    version=1,
    release_id="a" * 64,
    selection={"where": [["verdict", "accept"]], "split": {"train": 0.8}},
    counts={"train": 3},
    images=3,
    created_at=NOON,
    created_by="ann",
)


def complete(store: Store, release: Release, now: float = NOON + 9) -> Release:
    return store.complete_release(release, files=4, size=5_000_000_000, sums="b" * 64, now=now)


def withdraw(store: Store, release: Release, *held: str, who: str = "eve") -> Release:
    return store.withdraw_release(release, who=who, reason="asked to", held=held, now=NOON + 20)


def test_a_release_is_kept_as_it_was_begun(store: Store) -> None:
    assert store.begin_release(BIRDS) == BIRDS
    assert store.find_release("acme", "birds", 1) == BIRDS
    assert store.find_release("acme", "birds", 2) is None
    assert store.find_release("other", "birds", 1) is None


def test_a_version_belongs_to_whoever_recorded_it_first(store: Store) -> None:
    store.begin_release(BIRDS)
    assert store.begin_release(replace(BIRDS, release_id="c" * 64, images=9)) == BIRDS
    assert store.releases("acme") == [BIRDS]


def test_releases_of_a_tenant_come_by_name_and_version(store: Store) -> None:
    others = [replace(BIRDS, version=n) for n in (2, 10)] + [replace(BIRDS, name="bees")]
    for one in (*others, BIRDS, replace(BIRDS, tenant="open")):
        store.begin_release(one)
    assert [one.ref for one in store.releases("acme")] == ["bees@1", "birds@1", "birds@2",
                                                           "birds@10"]  # fmt: skip
    assert [one.key for one in store.releases("open")] == ["open/birds@1"]


def test_a_release_is_open_until_it_is_complete_or_withdrawn(store: Store) -> None:
    second = replace(BIRDS, version=2)
    for one in (BIRDS, second):
        store.begin_release(one)
    store.attend_release(BIRDS, NOON + 60)
    assert store.open_releases() == [replace(BIRDS, attended_until=NOON + 60), second]
    done = complete(store, BIRDS)
    assert (done.state, done.files, done.size) == (COMPLETE, 4, 5_000_000_000)
    withdraw(store, second)
    assert store.open_releases() == []


def test_an_ended_release_is_neither_attended_nor_completed_again(store: Store) -> None:
    store.begin_release(BIRDS)
    done = complete(store, BIRDS)
    store.attend_release(BIRDS, NOON + 99)
    assert complete(store, BIRDS, NOON + 50) == done == store.find_release("acme", "birds", 1)
    gone = withdraw(store, BIRDS)
    assert complete(store, BIRDS) == gone
    assert gone.state == WITHDRAWN != WRITING


def test_a_withdrawal_of_a_release_keeps_who_was_first_and_adds_what_it_holds(store: Store) -> None:
    store.begin_release(BIRDS)
    complete(store, BIRDS)
    withdraw(store, BIRDS, "f" * 64)
    again = withdraw(store, BIRDS, "e" * 64, who="joe")
    assert (again.withdrawn_by, again.withdrawn_why) == ("eve", "asked to")
    assert again.held == ("e" * 64, "f" * 64)
    assert again == store.find_release("acme", "birds", 1)
    assert again.completed_at == NOON + 9  # it was complete before


def test_a_withdrawn_image_is_known_by_its_bytes(store: Store) -> None:
    first = Withdrawal(tenant="acme", sha256="f" * 64, at=NOON, who="eve", reason="court order")
    assert store.withdraw_image(first) == first
    assert store.withdraw_image(replace(first, who="joe", at=NOON + 1)) == first
    assert store.withdrawals("acme") == {"f" * 64: first}
    assert store.withdrawals("other") == {}
