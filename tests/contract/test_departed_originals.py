"""When the first of several images with the same bytes leaves or returns, one is decided again."""

from __future__ import annotations

from typing import Any

import pytest

from parjanya_dagster.truth import open_store
from parjanya_dagster.truth.sql import arrivals
from parjanya_dagster.truth.sql.heirs import Heirs
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.transitions import rebuild
from tests.support.world import (
    NOON,
    arrival,
    arrive,
    carry,
    claim,
    commit,
    completed,
    row,
    tenant,
)

LATER = NOON + 600


def alike(
    store: Store, count: int = 3, *, through: str = "curated", slug: str = "acme"
) -> list[str]:
    """Images with the same bytes, the first to arrive first."""
    ids = arrive(store, count, slug=slug)
    commit(store, claim(store), lambda one: completed(one, sha256="same"))
    if through != "validated":
        carry(store, through=through)
    return ids


def statuses(store: Store, ids: list[str]) -> list[str]:
    return [row(store, one).pipeline_status for one in ids]


def test_the_next_one_is_decided_again_when_the_first_leaves(store: Store) -> None:
    first, second, third = alike(store)
    before = row(store, second)
    assert store.depart([first], LATER, "deleted") == 1
    assert statuses(store, [first, second, third]) == ["curated", "pending_curation", "curated"]
    after = row(store, second)
    assert (after.fence, after.due_at, after.lease_owner) == (before.fence + 1, LATER, None)
    event = store.history(second)[-1]
    assert (event.kind, event.to_status) == ("reset", "pending_curation")
    assert rebuild(store.history(second)) == after
    assert [one.stage for one in store.due(LATER)] == ["curated"]


def test_nothing_is_decided_again_when_a_later_one_leaves(store: Store) -> None:
    first, second, third = alike(store)
    store.depart([second], LATER, "deleted")
    assert statuses(store, [first, third]) == ["curated", "curated"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_several_that_leave_together_none_is_decided_again(
    store: Store, order: tuple[int, int]
) -> None:
    ids = alike(store, 4)
    assert store.depart([ids[n] for n in order], LATER, "deleted") == 2
    assert statuses(store, ids) == ["curated", "curated", "pending_curation", "curated"]
    assert store.depart(ids, LATER, "deleted") == 2
    assert statuses(store, ids[2:]) == ["failed", "curated"]
    (counts,) = store.counts()
    assert (counts.rows, counts.departed, counts.registered) == (0, 4, 4)


def test_the_worker_that_decides_the_next_one_at_this_moment_loses_it(store: Store) -> None:
    """It may have named the one that leaves."""
    first, second, _ = alike(store, through="scored")
    mine = [one for one in claim(store, "curated") if one.image_id == second]
    store.depart([first], LATER, "deleted")
    assert commit(store, mine).lost == {second}
    assert row(store, second).lease_owner is None


def test_one_that_is_not_decided_yet_goes_on_as_it_was(store: Store) -> None:
    first, second, _ = alike(store, through="validated")
    before = row(store, second)
    store.depart([first], LATER, "deleted")
    assert row(store, second) == before


def test_the_next_one_is_decided_again_when_the_first_is_replaced(store: Store) -> None:
    first, second, third = alike(store)
    store.register([arrival(0, version="v2", landed_at=LATER)], LATER)
    assert row(store, first).object_state == "replaced"
    assert statuses(store, [second, third]) == ["pending_curation", "curated"]


def test_one_that_is_seen_again_may_be_the_next_one(store: Store) -> None:
    """Its key is among those that something landed under, though it stays what it is."""
    first, second, third = alike(store)
    new = arrival(0, version="v2", landed_at=LATER)
    store.register([new, arrival(1, landed_at=NOON + 1), arrival(9, landed_at=LATER)], LATER)
    assert row(store, first).object_state == "replaced"
    assert statuses(store, [second, third]) == ["pending_curation", "curated"]


def test_other_tenants_and_other_bytes_are_left_alone(store: Store) -> None:
    others = alike(store, slug="zeta")
    first, *_ = alike(store)
    (different,) = (one.image_id for one in store.register([arrival("other")], NOON))
    carry(store)
    store.depart([first], LATER, "deleted")
    assert statuses(store, [*others, different]) == ["curated"] * 4


def test_what_returns_is_decided_again(store: Store) -> None:
    """A copy of it may have been accepted meanwhile."""
    store.put_tenant(tenant())
    first, second, third = alike(store)
    store.depart([first], LATER, "deleted")
    carry(store, now=LATER)
    store.register([arrival(0, landed_at=LATER)], LATER + 1)
    back = row(store, first)
    assert (back.object_state, back.pipeline_status) == ("present", "pending_curation")
    assert statuses(store, [second, third]) == ["curated", "curated"]
    (counts,) = store.counts()
    assert (counts.rows, counts.departed) == (3, 0)


def test_bytes_that_become_known_while_their_image_leaves_are_looked_for_again(
    postgres_truth: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is validated between the look for its heirs and the locks on the rows."""
    store = open_store(postgres_truth)
    first, second, third = arrive(store, 3)
    claims = claim(store)
    validating = next(one for one in claims if one.image_id == first)
    others = [one for one in claims if one is not validating]
    commit(store, others, lambda one: completed(one, sha256="same"))
    carry(store)
    looked: list[set[str]] = []

    class Late(Heirs):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            looked.append(self.ids)
            if len(looked) == 1:
                commit(store, [validating], lambda one: completed(one, sha256="same"))

    monkeypatch.setattr(arrivals, "Heirs", Late)
    assert store.depart([first], LATER, "deleted") == 1
    assert looked == [set(), {second}]
    assert statuses(store, [second, third]) == ["pending_curation", "curated"]
    store.close()
