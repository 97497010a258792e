"""Filters, counts, order and search over entries, compared with the plainest way to do it."""

from __future__ import annotations

import math
import random
from collections import Counter
from pathlib import Path

import pytest

from parjanya_dagster.catalog import FACETS, SORTS, Catalog, Query
from parjanya_dagster.catalog.catalog import FILE
from parjanya_dagster.catalog.columns import MOST_VALUES
from parjanya_dagster.catalog.entry import Entry, bucket, crowd, general
from parjanya_dagster.catalog.file import CatalogFile
from parjanya_dagster.catalog.query import cursor
from parjanya_dagster.catalog.words import words
from parjanya_dagster.errors import QueryInvalid

NAMES = [facet.name for facet in FACETS]


def entry(n: int, *, text: str = "", present: bool = True, **values: object) -> Entry:
    """An entry with these facets and sorts. `landed` is n unless it is given."""
    facets = [
        tuple(value) if isinstance(value, list) else ()
        for value in (values.get(name) for name in NAMES)
    ]
    sorts = {"landed": n} | {name: v for name, v in values.items() if isinstance(v, float)}
    return Entry(
        image_id=f"{n:024x}",
        batch="acme/2026-01-01/001",
        stamp=repr((text, present, values)),
        present=present,
        settled=True,
        facets=tuple(facets),
        sorts=tuple(float(sorts.get(name, math.nan)) for name in SORTS),
        words=frozenset(words(text)),
        shown={"name": str(n)},
    )


def filled(home: Path, entries: list[Entry]) -> Catalog:
    file = CatalogFile(home / FILE)
    file.put(entries)
    file.close()
    return Catalog(home)


def names(catalog: Catalog, query: Query, n: int = 100) -> list[int]:
    return [int(one.shown["name"]) for one in catalog.page(query, n).images]


def test_filters_counts_and_pages_are_those_of_the_plain_way(tmp_path: Path) -> None:
    rng = random.Random(5)
    entries = [
        entry(
            n,
            tenant=[rng.choice("abc")],
            rule=rng.sample(["x", "y", "z"], rng.randint(0, 3)),
            verdict=[rng.choice(["accept", "reject"])],
            quality=rng.choice([math.nan, 1.0, 2.0, 2.0, 3.0]),
            present=rng.random() > 0.1,
        )
        for n in range(300)
    ]
    catalog = filled(tmp_path, entries)
    query = Query.of([("tenant", "a"), ("tenant", "b"), ("rule", "x"), ("sort", "-quality")])

    def matches(one: Entry, without: str = "") -> bool:
        return one.present and all(
            set(wanted) & set(one.facets[NAMES.index(facet)])
            for facet, wanted in query.filters.items()
            if facet != without
        )

    counts = catalog.counts(query)
    for facet in ("tenant", "rule", "verdict"):
        plain = Counter(
            value
            for one in entries
            if matches(one, facet)
            for value in one.facets[NAMES.index(facet)]
        )
        assert counts[facet] == plain

    def key(one: Entry) -> tuple[float, int]:
        quality = one.sorts[list(SORTS).index("quality")]
        return (math.inf if math.isnan(quality) else -quality, int(one.shown["name"]))

    plain_order = [int(one.shown["name"]) for one in sorted(filter(matches, entries), key=key)]
    seen: list[int] = []
    page = query
    while True:
        found = catalog.page(page, 7)
        assert found.total == len(plain_order)
        seen += [int(one.shown["name"]) for one in found.images]
        if found.next is None:
            break
        page = Query.of([*query.pairs(), ("after", cursor(found.next))])
    assert seen == plain_order
    ids = [f"{n:024x}" for n in seen]
    for position, image_id in enumerate(ids):
        before, after = catalog.beside(query, image_id)
        assert before == (ids[position - 1] if position else None)
        assert after == (ids[position + 1] if position + 1 < len(ids) else None)


def test_of_very_many_values_the_most_frequent_and_the_chosen_are_counted(tmp_path: Path) -> None:
    many = [entry(n, original=[f"rare {n}"]) for n in range(MOST_VALUES + 50)]
    often = [entry(10_000 + n, original=["often"]) for n in range(3)]
    catalog = filled(tmp_path, many + often)
    counted = catalog.counts(Query())["original"]
    assert counted["often"] == 3
    assert len(counted) == MOST_VALUES
    missing = next(f"rare {n}" for n in range(len(many)) if f"rare {n}" not in counted)
    chosen = catalog.counts(Query.of([("original", missing)]))["original"]
    assert (chosen[missing], chosen["often"]) == (1, 3)
    assert len(catalog.values("original")) == MOST_VALUES + 51


def test_words_are_found_whatever_their_case_accents_and_script(tmp_path: Path) -> None:
    texts = ["Käse & Brot #1.jpg", "IMG_0042.JPG", "秋の京都駅", "holiday/straße", "مرحبا بالعالم"]
    catalog = filled(tmp_path, [entry(n, text=text) for n, text in enumerate(texts)])

    def search(text: str) -> list[int]:
        return sorted(names(catalog, Query(text=text)))

    assert search("kase") == search("KÄSE brot") == [0]
    assert search("img 42") == []
    assert search("img_00") == search("0042") == [1]
    assert search("京都") == [2]
    assert search("京駅") == []
    assert search("STRASSE") == [3]
    assert search("العالم") == search("بالعالم x") == []
    assert search("بالع") == [4]
    assert search("jpg") == [0, 1]
    assert search("brot käs") == [0]
    assert search("bro käse") == []  # only the last word may be a beginning
    assert search("  ") == [0, 1, 2, 3, 4]


def test_what_changes_is_found_by_what_it_is_now(tmp_path: Path) -> None:
    file = CatalogFile(tmp_path / FILE)
    file.put([entry(1, text="old name", verdict=["review"]), entry(2, text="old other")])
    catalog = Catalog(tmp_path)
    assert names(catalog, Query(text="old")) == [2, 1]
    file.put([entry(1, text="new name", verdict=["accept"])])
    assert names(catalog, Query(text="old")) == [2]
    assert names(catalog, Query(text="new")) == [1]
    assert catalog.counts(Query())["verdict"] == {"accept": 1}
    file.put([entry(2, text="old other", present=False)])
    assert names(catalog, Query()) == [1]
    assert catalog.freshness().images == 1


def test_a_catalog_that_is_deleted_emptied_or_damaged_is_built_again(tmp_path: Path) -> None:
    catalog = filled(tmp_path, [entry(1, verdict=["accept"])])
    assert names(catalog, Query()) == [1]
    file = CatalogFile(tmp_path / FILE)
    file.empty()
    assert names(catalog, Query()) == []
    file.put([entry(7, verdict=["reject"])])  # the same slot and code mean something else now
    assert catalog.counts(Query())["verdict"] == {"reject": 1}
    (tmp_path / FILE).unlink()
    assert names(catalog, Query()) == []
    catalog.close()
    file.close()
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    assert names(Catalog(tmp_path), Query()) == []


def test_a_transaction_that_fails_leaves_codes_that_mean_the_same(tmp_path: Path) -> None:
    file = CatalogFile(tmp_path / FILE)
    file.put([entry(1, camera=["A"])])
    broken = entry(2, camera=["B"])
    object.__setattr__(broken, "shown", {"name": object()})
    with pytest.raises(TypeError):
        file.put([broken])
    file.put([entry(3, camera=["C"]), entry(4, camera=["B"])])
    assert Catalog(tmp_path).counts(Query())["camera"] == {"A": 1, "B": 1, "C": 1}


def test_an_address_is_a_view_and_a_view_is_an_address() -> None:
    pairs = [
        ("verdict", "reject"),
        ("q", "a b"),
        ("tenant", "x"),
        ("part", "tiles"),
        ("verdict", "accept"),
    ]
    query = Query.of(pairs)
    assert query.address() == "tenant=x&verdict=accept&verdict=reject&q=a+b"
    assert Query.of(reversed(pairs)).address() == query.address()
    assert query.toggled("verdict", "reject").toggled("verdict", "reject") == query
    assert query.within("tenant", ["y"]).filters["tenant"] == ()
    for wrong in ([("sort", "name")], [("after", "nan_1")], [("after", "x")]):
        with pytest.raises(QueryInvalid):
            Query.of(wrong)


def test_equal_causes_are_one_reason_and_equal_tenths_one_bucket() -> None:
    assert general("The quality is 2.04 of 100.") == "The quality is … of …."
    assert general("Like 0a89bcb4d2f1b352e30f529d (2 bits).") == "Like … (… bits)."
    assert [bucket(q) for q in (None, 0.0, 9.99, 10, 99.9, 100.0)] == [
        None, "00–10", "00–10", "10–20", "90–100", "90–100",
    ]  # fmt: skip
    assert [crowd(faces) for faces in (None, 0, 1, 2, 4, 5, 80)] == [
        None, "0", "1", "2–4", "2–4", "5 or more", "5 or more",
    ]  # fmt: skip
