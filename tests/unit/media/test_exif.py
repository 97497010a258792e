"""Facts as their files mean them: a time with its own zone, and where each fact comes from."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from parjanya_dagster.media import validate
from parjanya_dagster.media.exif import exif_facts
from tests.support.encoded import Cell, chunk, write_png

MODIFIED, ZONE_MODIFIED = 0x0132, 0x9010
TAKEN, ZONE_TAKEN = 0x9003, 0x9011
DIGITIZED, ZONE_DIGITIZED = 0x9004, 0x9012


def block(shot: dict | None = None, gps: dict | None = None, **main) -> bytes:
    exif = Image.Exif()
    for tag, value in main.items():
        exif[int(tag[1:], 16)] = value
    exif.get_ifd(0x8769).update(shot or {})
    exif.get_ifd(0x8825).update(gps or {})
    return exif.tobytes()


def packet(**properties: str) -> bytes:
    spaces = (
        'xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    )
    body = " ".join(f'{name.replace("_", ":")}="{text}"' for name, text in properties.items())
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {spaces} {body}/></rdf:RDF></x:xmpmeta>'
    ).encode()


NOON = "2024:07:01 12:00:00"
ZEROS = "0000:00:00 00:00:00"
BLANKS = "    :  :     :  :  "


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ({TAKEN: NOON, ZONE_TAKEN: "+02:00"}, "2024-07-01T12:00:00+02:00"),
        ({TAKEN: NOON, ZONE_MODIFIED: "+02:00"}, "2024-07-01T12:00:00"),
        ({TAKEN: NOON, ZONE_DIGITIZED: "+02:00"}, "2024-07-01T12:00:00"),
        ({DIGITIZED: NOON, ZONE_TAKEN: "+02:00"}, "2024-07-01T12:00:00"),
        ({DIGITIZED: NOON, ZONE_DIGITIZED: "-03:30"}, "2024-07-01T12:00:00-03:30"),
        ({TAKEN: ZEROS, DIGITIZED: NOON}, "2024-07-01T12:00:00"),
        ({TAKEN: BLANKS, DIGITIZED: NOON}, "2024-07-01T12:00:00"),
        ({TAKEN: "", DIGITIZED: NOON}, "2024-07-01T12:00:00"),
        ({TAKEN: NOON, ZONE_TAKEN: "Z"}, "2024-07-01T12:00:00+00:00"),
        ({TAKEN: NOON, ZONE_TAKEN: "+0200"}, "2024-07-01T12:00:00+02:00"),
        ({TAKEN: NOON, ZONE_TAKEN: "+14:00"}, "2024-07-01T12:00:00+14:00"),
        ({TAKEN: NOON, ZONE_TAKEN: "+14:01"}, "2024-07-01T12:00:00"),
        ({TAKEN: NOON, ZONE_TAKEN: "-12:01"}, "2024-07-01T12:00:00"),
        ({TAKEN: NOON, ZONE_TAKEN: "+99:99"}, "2024-07-01T12:00:00"),
        ({TAKEN: NOON, ZONE_TAKEN: "   :  "}, "2024-07-01T12:00:00"),
    ],
    ids=str,
)
def test_a_time_has_its_own_zone_and_no_other(written, taken):
    assert exif_facts(block(written))["taken_at"] == taken


def test_a_modified_file_has_the_zone_of_its_modification():
    facts = exif_facts(block({ZONE_MODIFIED: "+01:00", ZONE_TAKEN: "-07:00"}, x132=NOON))

    assert facts["taken_at"] == "2024-07-01T12:00:00+01:00"
    assert facts["sources"]["taken_at"] == "exif:DateTime"


def test_no_time_is_made_of_zeros():
    assert "taken_at" not in exif_facts(block({TAKEN: ZEROS}, x132=BLANKS))


NOWHERE = [
    {1: "N", 2: (IFDRational(0, 0),) * 3, 3: "E", 4: (IFDRational(0, 0),) * 3},
    {1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)},
    {1: "N", 2: (48.0, 12.0, 0.0)},
    {1: "N", 2: (95.0, 0.0, 0.0), 3: "E", 4: (11.0, 0.0, 0.0)},
    {1: "N", 2: (48.0, 0.0, 0.0), 3: "E", 4: (11.0, 0.0, 0.0), 9: "V"},
]


@pytest.mark.parametrize("gps", NOWHERE, ids=str)
def test_a_receiver_without_a_fix_gives_no_position(gps):
    facts = exif_facts(block(gps=gps), coordinates=True)

    assert facts == {"gps_present": False}


@pytest.mark.parametrize(
    ("latitude", "longitude", "position"),
    [
        ("52,30.0N", "13,24.0E", (52.5, 13.4)),
        ("33,51,30S", "151,12,36E", (-33.858333, 151.21)),
        ("52.5N", "13.4W", (52.5, -13.4)),
        ("0,0.0N", "0,0.0E", None),
        ("somewhere", "13,24.0E", None),
    ],
)
def test_a_position_in_xmp_counts_where_exif_has_none(latitude, longitude, position):
    xmp = packet(exif_GPSLatitude=latitude, exif_GPSLongitude=longitude)
    for gps in ({}, NOWHERE[0]):
        facts = exif_facts(block(gps=gps), xmp, coordinates=True)

        assert facts["gps_present"] is (position is not None)
        if position:
            assert (facts["latitude"], facts["longitude"]) == position
            assert facts["sources"] == {"position": "xmp"}


def test_exif_goes_before_xmp_and_xmp_before_the_time_of_an_edit():
    xmp = packet(exif_DateTimeOriginal="2020-02-03T04:05:06+01:00", tiff_Model="Of XMP")

    assert exif_facts(block({TAKEN: NOON}), xmp)["taken_at"] == "2024-07-01T12:00:00"
    late = exif_facts(block(x132=NOON, x110="Of EXIF"), xmp)
    assert late["taken_at"] == "2020-02-03T04:05:06+01:00"
    assert late["sources"]["taken_at"] == "xmp:DateTimeOriginal"
    assert late["camera_model"] == "Of EXIF"
    assert exif_facts(None, xmp)["camera_model"] == "Of XMP"


@pytest.mark.parametrize("xmp", [b"", b"<no", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"\xff"])
def test_a_damaged_packet_gives_no_facts(xmp):
    assert exif_facts(None, xmp) == {"gps_present": False}


def test_makes_in_utf_8_and_latin_1_are_read():
    for written in ("富士フイルム".encode(), "Société".encode("latin-1")):
        data = (
            b"II*\0\x08\0\0\0\x01\0\x0f\x01\x02\0"
            + len(written).to_bytes(4, "little")
            + b"\x1a\0\0\0\0\0\0\0"
            + written
        )
        assert exif_facts(data)["camera_make"] in ("富士フイルム", "Société")


@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_keeps_its_facts_in_either_size(photo, big):
    out = io.BytesIO()
    tifffile.imwrite(
        out,
        np.asarray(photo.resize((64, 48))),
        photometric="rgb",
        bigtiff=big,
        extratags=[(271, "s", 0, "Maker", True), (306, "s", 0, NOON, True)],
        metadata=None,
    )

    facts = validate(out.getvalue()).body["exif"]

    assert facts["camera_make"] == "Maker"
    assert facts["taken_at"] == "2024-07-01T12:00:00"


TURNED_BY = {
    "exif in text": lambda: _text_exif(b"tEXt"),
    "exif in packed text": lambda: _text_exif(b"zTXt"),
    "text": lambda: chunk(b"tEXt", b"exif:Orientation\x006"),
    "xmp": lambda: chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet(tiff_Orientation="6")),
}


def _text_exif(kind: bytes) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = exif.tobytes()
    digits = b"\nexif\n%8d\n" % len(raw) + raw.hex().encode() + b"\n"
    name = b"Raw profile type exif\0"
    body = name + digits if kind == b"tEXt" else name + b"\0" + zlib.compress(digits)
    return chunk(kind, body)


@pytest.mark.parametrize("by", TURNED_BY)
def test_a_png_is_turned_by_what_it_says_in_text_or_xmp(quadrants, by):
    stored = quadrants.transpose(Image.Transpose.ROTATE_90)
    data = write_png(np.asarray(stored) / 255, Cell(container="png", depth="8"), TURNED_BY[by]())

    body = validate(data).body

    assert (body["orientation"], body["width"], body["height"]) == (6, 64, 32)


def test_exif_behind_the_picture_of_a_png_counts(quadrants):
    stored = quadrants.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112], exif[0x0132] = 6, NOON
    data = write_png(np.asarray(stored) / 255, Cell(container="png", depth="8"))
    end = chunk(b"IEND", b"")
    block = exif.tobytes().removeprefix(b"Exif\0\0")

    body = validate(data.removesuffix(end) + chunk(b"eXIf", block) + end).body

    assert (body["orientation"], body["width"], body["height"]) == (6, 64, 32)
    assert body["exif"]["taken_at"] == "2024-07-01T12:00:00"


@pytest.mark.parametrize("fmt", ["JPEG", "WEBP", "TIFF"])
def test_xmp_turns_where_exif_is_silent_and_not_where_it_speaks(quadrants, encode, fmt):
    stored = quadrants.transpose(Image.Transpose.ROTATE_90)
    xmp = packet(tiff_Orientation="6")
    options = {"tiffinfo": {700: xmp}} if fmt == "TIFF" else {"xmp": xmp}
    assert validate(encode(stored, fmt, **options)).body["width"] == 64

    if fmt != "TIFF":
        exif = Image.Exif()
        exif[0x0112] = 1
        assert validate(encode(quadrants, fmt, exif=exif, **options)).body["width"] == 64
