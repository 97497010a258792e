"""Blocks of filings: what is found in them is what a look at each key would find."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from parjanya_dagster import media
from parjanya_dagster.truth.dynamo import filings
from parjanya_dagster.truth.dynamo.filings import Filing, code

RNG = random.Random(7)
IMAGES = [
    (
        f"{n:024x}",
        float(RNG.randrange(20)),
        {
            f"{RNG.randrange(60):06x}": RNG.randrange(-(1 << 63), 1 << 63)
            for _ in range(RNG.randrange(30))
        },
    )
    for n in range(200)
]


def test_a_search_finds_of_each_key_the_first_to_land() -> None:
    block = filings.unpacked(filings.packed(filings.of_images(IMAGES)))
    wanted = [code(f"{n:06x}") for n in range(0, 60, 7)] + [code("no such key")]
    expected = []
    for one in sorted(wanted):
        under = sorted(
            (landed, image_id, view)
            for image_id, landed, likeness in IMAGES
            for key, view in likeness.items()
            if code(key) == one
        )
        expected += [Filing(one, landed, i, view) for landed, i, view in under[:9]]
    assert filings.found(block, wanted, 9) == expected
    halves = filings.joined([filings.of_images(IMAGES[:90]), filings.of_images(IMAGES[90:])])
    assert filings.found(halves, wanted, 9) == expected


def test_a_view_with_very_many_keys_keeps_them_all() -> None:
    block = filings.of_images([("00" * 12, 1.0, {f"key {n}": -1 for n in range(700)})])
    assert [one.view for one in filings.found(block, [code("key 699"), code("key 0")], 9)] == [
        -1
    ] * 2


def test_keys_of_likeness_are_told_apart_exactly() -> None:
    views = [f"{RNG.randrange(1 << 64):016x}" for _ in range(200)]
    every = media.likeness_keys(views)
    assert len({code(key) for key in every}) == len(every)
    assert max(map(code, every)) < 1 << 24 <= code("other")


def test_an_image_that_was_filed_often_hides_no_other() -> None:
    """Each commit that fails files its images before it, and the next one files them again."""
    again, other = "aa" * 12, "bb" * 12
    filed = [*[(again, 1.0, {"k": view}) for view in range(20)], (other, 2.0, {"k": 5})]
    found = filings.found(filings.of_images(filed), [code("k")], 9)
    assert [(one.image_id, one.view) for one in found] == [(again, 0), (other, 5)]


def test_a_block_whose_counts_do_not_agree_is_refused() -> None:
    block = filings.of_images(IMAGES[:3])
    for name in ("views_of", "keys_of"):
        counts = getattr(block, name).copy()
        counts[-1] -= 1
        with pytest.raises(ValueError, match="no block"):
            filings.unpacked(filings.packed(replace(block, **{name: counts})))


@pytest.mark.parametrize("data", [b"", b"likeness", filings.packed(filings.of_images([]))[:-1]])
def test_bytes_that_are_no_block_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no block"):
        filings.unpacked(data)


def test_a_block_cut_short_is_refused() -> None:
    with pytest.raises(ValueError, match="no block"):
        filings.unpacked(filings.packed(filings.of_images(IMAGES))[:-1])
