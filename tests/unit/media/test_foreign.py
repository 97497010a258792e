"""What is not curated is called by its name; what is no picture is not called one."""

from __future__ import annotations

import io
import random
import struct

import pytest

from parjanya_dagster.media import Rejected, validate
from parjanya_dagster.media.foreign import MAGICS, name_of

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"></svg>'
TEXTS = {
    "svg": (SVG, "SVG"),
    "svg behind xml": (b'<?xml version="1.0"?>\n' + SVG, "SVG"),
    "svg behind a comment": (b"<!-- made by hand -->\n" + SVG, "SVG"),
    "svg behind all of them": (
        b'\xef\xbb\xbf<?xml version="1.0"?><!-- a --><!DOCTYPE svg PUBLIC "a" "b" ['
        b"<!ENTITY c 'd'>]>\n<!-- b -->" + SVG,
        "SVG",
    ),
    "svg with a prefix": (b'<svg:svg xmlns:svg="http://www.w3.org/2000/svg"/>', "SVG"),
    "html": (b"<!-- x --><!doctype HTML><html></html>", "HTML"),
    "xml": (b"<?xml version='1.0'?><note/>", "XML"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
    "xpm": (b'/* XPM */\nstatic char *a[] = {"1 1 1 1"};', "XPM"),
    "xbm": (b"/* a */ /* b */\n#define a_width 1\n#define a_height 1\n", "XBM"),
    "ppm in text": (b"P3\n# a comment\n1 1\n255\n1 2 3\n", "PPM"),
    "pam": (b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\n", "PAM"),
}
BY_PILLOW = {
    "TGA": ("TGA", {}),
    "TGA packed": ("TGA", {"compression": "tga_rle"}),
    "PCX": ("PCX", {}),
    "DDS": ("DDS", {}),
    "JPEG 2000": ("JPEG2000", {}),
    "JPEG 2000 code": ("JPEG2000", {"no_jp2": True}),
    "SGI": ("SGI", {}),
    "PPM": ("PPM", {}),
    "EPS": ("EPS", {}),
    "QOI": ("QOI", {}),
    "icon": ("ICO", {}),
    "Apple icon": ("ICNS", {}),
}


def refused(data: bytes) -> Rejected:
    with pytest.raises(Rejected) as refusal:
        validate(data)
    return refusal.value


def test_a_file_of_nothing_but_comments_is_read_through_once():
    """With a pattern that may split them in any way, this would take longer than anybody lives."""
    assert name_of(b"/**/" * 1000) is None


@pytest.mark.parametrize("name", TEXTS)
def test_pictures_that_are_text_are_named(name):
    data, called = TEXTS[name]

    refusal = refused(data)

    assert refusal.failure_class == "unsupported_format"
    assert called in refusal.reason


@pytest.mark.parametrize("name", BY_PILLOW)
def test_what_pillow_writes_is_named(photo, name):
    fmt, options = BY_PILLOW[name]
    out = io.BytesIO()
    photo.resize((64, 64)).save(out, fmt, **options)

    refusal = refused(out.getvalue())

    assert refusal.failure_class == "unsupported_format"
    word = {"EPS": "PostScript", "JPEG 2000 code": "JPEG 2000", "TGA packed": "TGA"}.get(name, name)
    assert word in refusal.reason


@pytest.mark.parametrize(("mode", "footer"), [("L", True), ("RGB", False), ("RGBA", False)])
def test_a_tga_is_known_without_its_footer(photo, mode, footer):
    out = io.BytesIO()
    photo.resize((40, 30)).convert(mode).save(out, "TGA")
    data = out.getvalue()

    assert "TGA" in refused(data if footer else data[:-26]).reason


@pytest.mark.parametrize(("magic", "name"), MAGICS, ids=lambda value: str(value)[:20])
def test_every_magic_number_has_its_name(magic, name):
    assert name in refused(magic + bytes(600)).reason


def test_noise_and_prose_are_no_pictures():
    chance = random.Random(5)
    named = []
    for _ in range(3000):
        data = chance.randbytes(chance.choice((20, 200, 2000)))
        refusal = refused(data)
        if refusal.failure_class == "unsupported_format":
            named.append((data[:8], refusal.reason))
    # Two bytes of magic are met by chance about three times in a hundred thousand.
    assert len(named) <= 3, named
    for prose in (b"P2 is a pronoun here.", b"#define life\n", b"Penguins", b"<p>svg</p>"):
        assert refused(prose).failure_class == "not_an_image"


def test_a_prologue_without_end_costs_no_time():
    for data in (b"<!--" * 20_000, b"<?" * 40_000, b" " * 70_000, b"<!DOCTYPE svg [" * 5_000):
        assert refused(data + struct.pack("<I", 1)).failure_class == "not_an_image"
