"""A listing beside present rows, both in the order of keys, against the same told by sets."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from parjanya_dagster.errors import StorageUnavailable
from parjanya_dagster.ingest.comparing import Compared, compare
from parjanya_dagster.objects.store import ObjectInfo
from parjanya_dagster.truth.models import PresentKey, image_id

NAMES = ["a", "B", "a/", "ä", "日", "\uffff", "\U0001f600", "\U00010000", "\udcff", "e\u0301"]
"""U+FFFF sorts before emoji in UTF-8 and by code points, and behind them in UTF-16."""


def at(key: str, version: str) -> str:
    return image_id("acme", key, version)


def sides(rng: random.Random) -> tuple[list[ObjectInfo], list[PresentKey]]:
    keys = {"".join(rng.choices(NAMES, k=rng.randint(1, 3))) for _ in range(rng.randint(0, 25))}
    listed, present = [], []
    for key in sorted(keys):
        here, there = rng.random() < 0.7, rng.random() < 0.7
        if here:
            listed.append(ObjectInfo(key, rng.choice("12"), 1, 0.0))
        if there and "\udcff" not in key:  # no row has such a key
            of_key = rng.choice(["1", "2", "12"])  # two, while an index is late
            present += [
                PresentKey(key, at(key, version), f"{key}@{version}", rng.random() < 0.9)
                for version in of_key
            ]
    return listed, present


def in_one(parts: list[Compared]) -> Compared:
    whole = Compared()
    for part in parts:
        whole.listed += part.listed
        whole.present += part.present
        whole.unseen += part.unseen
        whole.absent += part.absent
        whole.otherwise += part.otherwise
    return whole


def by_sets(listed: list[ObjectInfo], present: list[PresentKey]) -> Compared:
    lying = {info.key: at(info.key, info.version) for info in listed}
    settled = {row.location for row in present if row.settled}
    return Compared(
        listed=len(listed),
        present=len(present),
        unseen=[info for info in listed if lying[info.key] not in settled],
        absent=[row for row in present if row.key not in lying],
        otherwise=[
            (row, lying[row.key])
            for row in present
            if row.settled and row.location != lying.get(row.key, row.location)
        ],
    )


@pytest.mark.parametrize("seed", range(60))
def test_it_tells_what_sets_tell_wherever_it_is_cut(seed: int) -> None:
    """A process may die after any part. Who goes on begins behind what Truth could note of it."""
    rng = random.Random(seed)
    listed, present = sides(rng)
    size, parts, after, storable = rng.randint(1, 4), [], "", ""
    while True:
        behind = [info for info in listed if info.key > after]
        rows = [row for row in present if row.key > storable]
        taken = 0
        for part in compare(behind, rows, after=after, storable=storable, bucket="acme", size=size):
            parts.append(part)
            after, storable, taken = part.after, part.storable, taken + 1
            if rng.random() < 0.3:
                break
        if not taken:
            break
    assert in_one(parts) == by_sets(listed, present)
    keys = [part.after for part in parts]
    assert keys == sorted(set(keys))
    assert not any(part.out_of_order for part in parts)
    for part in parts:
        part.storable.encode()
        between = [row for row in present if part.storable < row.key <= part.after]
        assert between == []


def test_what_was_listed_before_it_broke_off_is_told_and_nothing_behind_it_is_absent() -> None:
    def torn() -> Iterator[ObjectInfo]:
        yield ObjectInfo("b", "1", 1, 0.0)
        raise StorageUnavailable("no more")

    rows = [PresentKey(key, at(key, "1"), key, True) for key in "abc"]
    parts = compare(torn(), rows, bucket="acme", size=10)
    told = next(parts)
    assert (told.after, [row.key for row in told.absent]) == ("b", ["a"])
    with pytest.raises(StorageUnavailable):
        next(parts)


def test_a_listing_without_order_says_so_and_every_object_of_it_is_told() -> None:
    listed = [ObjectInfo(key, "1", 1, 0.0) for key in "bac"]
    rows = [PresentKey(key, at(key, "1"), key, True) for key in "abc"]
    (part,) = compare(listed, rows, bucket="acme", size=10)
    assert part.out_of_order
    assert [info.key for info in part.unseen] == ["a"]
