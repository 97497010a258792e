"""Finding what looks alike: by common keys, present rows only, earliest first, never too many."""

from __future__ import annotations

from parjanya_dagster.truth.outcomes import Claim, Completed
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.sql.likeness import CROWD
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.store.paging import copies_pages
from tests.support.world import NOON, arrival, arrive, claim, commit, found, tenant

HASHES = (0b0000, 0b0011, 0b1111, -1)


def validate(store: Store, count: int, *, slug: str = "acme") -> list[str]:
    """Rows of which number n has hash n of HASHES and the keys "all" and "n"."""
    ids = arrive(store, count, slug=slug)

    def outcome(one: Claim) -> Completed:
        number = ids.index(one.image_id)
        view = HASHES[number % len(HASHES)]
        return Completed(found(one), {"phash": "0"}, {"all": view, str(number): view})

    mine = [one for one in claim(store) if one.image_id in ids]
    commit(store, mine, outcome)
    return ids


def test_what_shares_a_key_is_found_with_the_bits_that_differ(store: Store) -> None:
    a, b, c, d = validate(store, 4)
    nearby = store.alike("acme", {b: {"all": HASHES[1]}}, 64)[b]
    assert [(row.image_id, bits) for row, bits in nearby] == [(a, 2), (c, 2), (d, 62)]
    assert nearby[0][0] == store.get(a)


def test_what_differs_in_more_bits_is_left_out(store: Store) -> None:
    a, _, c, _ = validate(store, 4)
    assert [bits for _, bits in store.alike("acme", {a: {"all": 0}}, 3)[a]] == [2]
    assert store.alike("acme", {c: {"2": HASHES[2]}, "new": {"none": 0}}, 64) == {c: [], "new": []}
    assert store.alike("acme", {}, 64) == {}


def test_the_nearest_of_several_views_counts(store: Store) -> None:
    a, b = validate(store, 2)
    (only,) = store.alike("acme", {a: {"all": 0b111, "1": HASHES[1]}}, 64)[a]
    assert (only[0].image_id, only[1]) == (b, 0)


def test_another_tenant_is_never_looked_at(store: Store) -> None:
    (a,) = validate(store, 1)
    (other,) = validate(store, 1, slug="globex")
    assert store.alike("acme", {other: {"all": 0}}, 64)[other][0][0].image_id == a
    assert store.alike("globex", {a: {"all": 0}}, 64)[a][0][0].image_id == other


def test_replaced_and_deleted_objects_are_not_found(store: Store) -> None:
    a, b, c = validate(store, 3)
    store.depart([b], NOON, "deleted")
    store.register([arrival(2, version="v2", landed_at=NOON + 60)], NOON)
    assert store.alike("acme", {a: {"all": 0}}, 64) == {a: []}
    assert store.get(c) is not None


def test_nothing_is_filed_by_a_worker_that_lost_its_row(store: Store) -> None:
    store.put_tenant(tenant())
    arrive(store, 1)
    (late,) = claim(store)
    store.reset_images([late.image_id], Reset(stage="validated", reason="again"), NOON)
    commit(store, [late], Completed(found(late), {}, {"all": 0}))
    assert store.alike("acme", {"new": {"all": 0}}, 64) == {"new": []}


def test_doing_it_again_files_nothing_twice(store: Store) -> None:
    a, b = validate(store, 2)
    store.reset_images([b], Reset(stage="validated", reason="again"), NOON)
    commit(store, claim(store), lambda one: Completed(found(one), {}, {"all": 0b0111}))
    assert [bits for _, bits in store.alike("acme", {a: {"all": 0}}, 64)[a]] == [2]


def test_of_a_crowd_under_one_key_the_earliest_are_looked_at(store: Store) -> None:
    ids = validate(store, CROWD + 10)
    crowd = store.alike("acme", {"new": {"all": 0}}, 64)["new"]
    assert [row.image_id for row, _ in crowd] == ids[:CROWD]


def test_copies_come_in_pages_of_the_order_of_arrival(store: Store) -> None:
    ids = arrive(store, 5)
    commit(store, claim(store), lambda one: Completed(found(one), {"sha256": "s"}))
    store.depart([ids[2]], NOON, "deleted")
    pages = list(copies_pages(store, "acme", "s", 2))
    assert [[one.image_id for one in page] for page in pages] == [ids[:2], ids[3:]]
    assert list(copies_pages(store, "acme", "other", 2)) == []


def test_twins_may_be_limited_to_the_earliest(store: Store) -> None:
    ids = arrive(store, 3)
    commit(store, claim(store), lambda one: Completed(found(one), {"sha256": "s"}))
    assert [one.image_id for one in store.twins("acme", ["s"], limit=2)["s"]] == ids[:2]
    first = store.twins("acme", ["s"], limit=2, but=ids[1:])["s"]
    assert [one.image_id for one in first] == ids[:1], "whoever is left out counts in its place"
    assert store.twins("acme", ["s"], limit=2, but=ids[:2]).get("s", []) == []
