"""A thumbnail inside its preview: other programs read both, and a damaged file gives none."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from parjanya_dagster.media import Validated, validate
from parjanya_dagster.media.embedded_thumbnail import BEGINNING, thumbnail_of, with_thumbnail


@pytest.fixture(scope="module")
def pictures(photo, encode) -> Validated:
    return validate(encode(photo, "PNG"))


@pytest.fixture(scope="module")
def both(pictures) -> bytes:
    found = with_thumbnail(pictures.preview, pictures.thumbnail)
    assert found is not None
    return found


def test_the_first_bytes_hold_the_thumbnail(pictures, both):
    assert thumbnail_of(both) == pictures.thumbnail
    assert thumbnail_of(both[:BEGINNING]) == pictures.thumbnail


def test_the_picture_itself_is_the_same_pixels_upright(pictures, both):
    with Image.open(io.BytesIO(both)) as shown, Image.open(io.BytesIO(pictures.preview)) as alone:
        assert np.array_equal(np.asarray(shown), np.asarray(alone))
        assert dict(shown.getexif()) == {0x0112: 1}


def test_other_programs_find_the_thumbnail_where_exif_has_it(pictures, both):
    with Image.open(io.BytesIO(both)) as shown:
        ifd1 = shown.getexif().get_ifd(ExifTags.IFD.IFD1)
        start = both.index(b"Exif\0\0") + 6 + ifd1[0x0201]
    assert both[start : start + ifd1[0x0202]] == pictures.thumbnail


def test_the_largest_thumbnail_that_fits_is_in_the_beginning(pictures):
    most = next(
        size for size in range(66_000, 0, -1) if with_thumbnail(pictures.preview, b"x" * size)
    )
    whole = with_thumbnail(pictures.preview, b"x" * most)
    assert whole is not None
    assert thumbnail_of(whole[:BEGINNING]) == b"x" * most
    assert most > 65_000


@pytest.mark.parametrize("cut", [0, 2, 5, 40, 300])
def test_what_was_cut_off_has_no_thumbnail(both, cut):
    assert thumbnail_of(both[:cut]) is None


def test_a_preview_of_before_has_none(pictures):
    assert thumbnail_of(pictures.preview) is None
    assert thumbnail_of(b"no picture") is None
    assert with_thumbnail(b"no picture", b"x") is None
