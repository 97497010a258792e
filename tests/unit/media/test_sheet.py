from __future__ import annotations

import io

import pytest
from PIL import Image, ImageColor, ImageFont

from parjanya_dagster.media import VERDICT_COLOURS, Tile, contact_sheet, validate
from parjanya_dagster.media.sheet import _fitted


@pytest.fixture(scope="module")
def thumbnail(photo, encode) -> bytes:
    return validate(encode(photo, "PNG")).thumbnail


def test_a_sheet_of_fifty_is_a_few_tens_of_kilobytes(thumbnail):
    verdicts = list(VERDICT_COLOURS)
    tiles = [Tile(thumbnail, f"img_{i:04}.jpg", verdicts[i % 4]) for i in range(50)]

    sheet = contact_sheet(tiles, columns=10, tile_px=96)

    assert len(sheet) <= 80_000
    assert Image.open(io.BytesIO(sheet)).width == 10 * 102 + 6


@pytest.mark.parametrize("verdict", VERDICT_COLOURS)
def test_each_verdict_frames_its_thumbnail_in_its_colour(thumbnail, verdict):
    page = Image.open(io.BytesIO(contact_sheet([Tile(thumbnail, "a", verdict)], 1, 128)))

    found = page.convert("RGB").getpixel((6 + 64, 6 + 1))
    expected = ImageColor.getrgb(VERDICT_COLOURS[verdict])
    assert all(abs(a - b) < 40 for a, b in zip(found, expected, strict=True))


def test_an_image_without_thumbnail_still_has_its_tile():
    sheet = contact_sheet([Tile(b"", "broken.jpg with a very, very long name" * 3, "failed")])

    assert Image.open(io.BytesIO(sheet)).size[0] > 100


@pytest.mark.parametrize("name", ["IMG_0001.jpg", "käse-" * 12 + ".png", "i" * 199, "W" * 199])
@pytest.mark.parametrize("width", [5, 20, 96, 128])
def test_a_caption_keeps_as_much_of_both_ends_as_fits(name, width):
    font = ImageFont.load_default(size=11)
    shorter = [name[: (n + 1) // 2] + "…" + name[len(name) - n // 2 :] for n in range(2, len(name))]
    fitting = [text for text in [*shorter, name] if font.getlength(text) <= width]

    assert _fitted(name, font, width) == (fitting[-1] if fitting else name[:1])


def test_a_sheet_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one tile"):
        contact_sheet([])
