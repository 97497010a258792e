"""What is asked of a release: what makes no sense is refused, and nothing more is released."""

from __future__ import annotations

import pytest

from parjanya_dagster.errors import ReleaseInvalid
from parjanya_dagster.release.options import Options, check, read_split, read_where

BIRDS = (("category", "photo"), ("verdict", "accept"))


@pytest.mark.parametrize(
    "text",
    ["category=photo", "?category=photo&sort=-landed", "https://desk/x/images?category=photo"],
)
def test_a_view_is_read_from_its_pairs_or_its_address(text: str) -> None:
    assert read_where(text, "acme") == BIRDS


def test_a_text_that_has_an_address_in_it_is_none() -> None:
    assert read_where("q=http://bird&category=photo", "acme") == (
        BIRDS[0],
        BIRDS[1],
        ("q", "http://bird"),
    )


@pytest.mark.parametrize("text", ["http://[", "https://desk/images/0123", "https://desk/", "q"])
def test_what_is_no_view_is_refused(text: str) -> None:
    with pytest.raises(ReleaseInvalid, match="is no view"):
        read_where(text, "acme")


def test_shares_that_binary_fractions_cannot_say_sum_to_one() -> None:
    assert len(read_split("a=0.1,b=0.2,c=0.7")) == 3
    assert len(read_split(",".join(f"s{n}=0.05" for n in range(20)))) == 20


@pytest.mark.parametrize(
    "text",
    [
        "a=1,b=0", "a=0.5,a=0.5", "a=inf", "a=nan", "../a=1", "a=0.5,b=0.4", "",
        ",".join(f"s{n}=0.01" for n in range(100)),
    ],
)  # fmt: skip
def test_what_is_no_split_is_refused(text: str) -> None:
    with pytest.raises(ReleaseInvalid, match=r"split|sum to"):
        read_split(text)


@pytest.mark.parametrize(
    "options",
    [
        Options(description="a\0b"), Options(licence="\udcff"), Options(privacy="\x85"),
        Options(where=(("q", "\0"),)),
    ],
)  # fmt: skip
def test_texts_that_cannot_be_written_are_refused_before_anything_is(options: Options) -> None:
    with pytest.raises(ReleaseInvalid, match="characters"):
        check(options)


def test_texts_in_any_script_and_of_several_lines_are_fine() -> None:
    check(Options(description="پرندگان 🐦\nzwei", licence="CC BY 4.0"))
