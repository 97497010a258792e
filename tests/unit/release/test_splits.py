"""No two images that show the same are in different splits, and splits stay where they are."""

from __future__ import annotations

import hashlib
import io
from collections import Counter, defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from parjanya_dagster.media.likeness import likeness
from parjanya_dagster.release.groups import Kin, groups
from parjanya_dagster.release.splits import parts, split_of
from tests.support.examples import examples
from tests.support.pictures import picture

THIRDS = (("train", 0.34), ("val", 0.33), ("test", 0.33))


def name(n: int) -> str:
    return hashlib.sha256(str(n).encode()).hexdigest()


def connected(ties: dict[int, int | None]) -> list[set[int]]:
    """The plainest way: grow each island until nothing touches it."""
    beside: dict[int, set[int]] = defaultdict(set)
    for one, other in ties.items():
        beside[one] |= {one}
        if other is not None:
            beside[one].add(other)
            beside[other] |= {one, other}
    islands, seen = [], set()
    for start in ties:
        if start in seen:
            continue
        island, edge = set(), {start}
        while edge:
            island |= edge
            edge = set().union(*(beside[one] for one in edge)) - island
        seen |= island
        islands.append(island & ties.keys())
    return islands


@settings(max_examples=examples(200))
@given(
    ties=st.dictionaries(st.integers(0, 30), st.none() | st.integers(0, 40), min_size=1),
    shuffled=st.randoms(),
)
def test_no_duplicate_crosses_splits(ties: dict[int, int | None], shuffled: object) -> None:
    """Whatever is a duplicate of whatever, also of images that are not in the release."""
    kin = [
        Kin(sha256=name(one), duplicate_of="" if other is None else name(other))
        for one, other in ties.items()
    ]
    group_of = groups(kin)
    for island in connected(ties):
        assert {group_of[name(one)] for one in island} == {min(name(one) for one in island)}
        assert len({split_of(group_of[name(one)], THIRDS) for one in island}) == 1
    shuffled.shuffle(kin)  # type: ignore[attr-defined]
    assert groups(kin) == group_of


def seen(image: Image.Image) -> dict[str, object]:
    return likeness(np.asarray(image.convert("RGB")), image.convert("L"))


def test_twins_that_no_policy_named_are_found_by_their_looks() -> None:
    """A policy may not look for duplicates, and names only one original where there are two."""
    kin = {}
    for n in range(12):
        image = Image.open(io.BytesIO(picture(n)))
        edge = 12
        cropped = image.crop((edge, edge, image.width - edge, image.height - edge))
        for m, one in enumerate((image, image.resize((320, 240)), cropped.resize((400, 300)))):
            kin[n, m] = Kin(sha256=name(10 * n + m), likeness=seen(one))
    group_of = groups(list(kin.values()))
    for n in range(12):
        assert len({group_of[kin[n, m].sha256] for m in range(3)}) == 1
    assert len(set(group_of.values())) == 12


def test_shares_are_met_and_images_that_come_later_move_no_others() -> None:
    few = {name(n): split_of(name(n), THIRDS) for n in range(3000)}
    counts = Counter(few.values())
    assert all(abs(counts[split] / 3000 - share) < 0.03 for split, share in THIRDS)
    kin = [Kin(sha256=name(n)) for n in range(3100)]
    group_of = groups(kin)
    assert all(split_of(group_of[one], THIRDS) == split for one, split in few.items())


class Sized:
    def __init__(self, size: int) -> None:
        self.size = size


@given(sizes=st.lists(st.integers(1, 50)), most=st.integers(1, 9), most_bytes=st.integers(1, 100))
def test_parts_are_limited_and_lose_nothing(sizes: list[int], most: int, most_bytes: int) -> None:
    items = [Sized(size) for size in sizes]
    cut = list(parts(items, most, most_bytes))
    assert [item for part in cut for item in part] == items
    for part in cut:
        assert 0 < len(part) <= most
        assert len(part) == 1 or sum(item.size for item in part) <= most_bytes
