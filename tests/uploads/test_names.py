"""File names of strangers: what they may be, and that no name leaves its own folder."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.errors import UploadRefused
from parjanya_dagster.objects.keys import refusal, set_aside
from parjanya_dagster.uploads.names import MOST_BYTES, key_of, safe_name
from tests.support.names import TELLABLE


@pytest.mark.parametrize(
    "name",
    ["a.jpg", "a b.jpg", "ä ö ü.jpg", "日本語.png", "100%.jpg", "a#1.jpg", "a..b.jpg", "½ off….jpg",
     "no ending", "a%20b.jpg", "(1) [2] {3}.webp", *TELLABLE],
)  # fmt: skip
def test_names_that_people_have_stay_as_they_are(name: str) -> None:
    assert safe_name(name) == unicodedata.normalize("NFC", name)


def test_two_ways_to_write_one_name_are_one() -> None:
    assert safe_name("u\u0308.jpg") == safe_name("ü.jpg") == "ü.jpg"


@pytest.mark.parametrize(
    "name",
    [
        "", " ", ".", "..", "../a.jpg", "..\\a.jpg", "a/b.jpg", "/etc/passwd", "a\0.jpg", "a\n.jpg",
        "%2e%2e", "%2E%2e%2fa.jpg", "%252e%252e%252fa.jpg", "a%2fb.jpg", "a%5cb.jpg", "a%00.jpg",
        "\uff0e\uff0e", "\u2024\u2024", "a\uff0fb.jpg", "a\uff3cb.jpg", "\u2025/a.jpg",
        "a\u2028b.jpg", "a\x85b.jpg", "\ud800.jpg", ".hidden.jpg", " a.jpg", "a.jpg ",
        "a.jpg.part", "a.crdownload", "x" * (MOST_BYTES + 1), "ä" * (MOST_BYTES // 2 + 1),
    ],
)  # fmt: skip
def test_names_that_mean_something_else_to_somebody_are_refused(name: str) -> None:
    with pytest.raises(UploadRefused, match="Rename the file"):
        safe_name(name)


@pytest.mark.parametrize("name", ["clip.mov", "IMG_1.AAE", "IMG_1.jpg.json", "Thumbs.db"])
def test_what_a_bucket_would_set_aside_is_not_promised_an_upload(name: str) -> None:
    with pytest.raises(UploadRefused, match="Leave it out"):
        safe_name(name)


@given(st.text(max_size=40))
def test_no_name_leaves_its_folder(name: str) -> None:
    try:
        key = key_of("incoming/", "id", name)
    except UploadRefused:
        return
    assert key.startswith("incoming/id/")
    folder, _, last = key.rpartition("/")
    assert folder == "incoming/id"
    assert last not in ("", ".", "..")
    assert "\\" not in key
    assert refusal(key) is None
    assert set_aside(key) is None
    assert safe_name(last) == last
