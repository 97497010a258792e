"""What lies beside a picture speaks where the picture is silent, and is named."""

from __future__ import annotations

import json

import pytest

from parjanya_dagster.media.sidecars import completed, names

SILENT = {"gps_present": False}
XMP = b"""<?xpacket begin=''?><x:xmpmeta xmlns:x='adobe:ns:meta/'>
<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>
<rdf:Description xmlns:exif='http://ns.adobe.com/exif/1.0/'
 exif:DateTimeOriginal='2019-05-04T03:02:01+02:00'
 exif:GPSLatitude='48,12.5N' exif:GPSLongitude='16,22.2E'/></rdf:RDF></x:xmpmeta>"""


def takeout(**more: object) -> bytes:
    body = {
        "title": "a.jpg",
        "photoTakenTime": {"timestamp": "1419292800", "formatted": "Dec 23, 2014, 12:00:00 AM UTC"},
        "geoData": {"latitude": -33.8568, "longitude": 151.2153, "altitude": 0.0},
    }
    return json.dumps(body | more).encode()


def test_xmp_says_time_and_place():
    facts, used = completed(SILENT, {"a.jpg.xmp": XMP}, coordinates=True)

    assert facts["taken_at"] == "2019-05-04T03:02:01+02:00"
    assert (facts["latitude"], facts["longitude"]) == (48.208333, 16.37)
    assert facts["sources"] == {
        "taken_at": "a.jpg.xmp: xmp:DateTimeOriginal",
        "position": "a.jpg.xmp: xmp",
    }
    assert [*used] == ["a.jpg.xmp"]


def test_takeout_says_time_and_place():
    facts, _ = completed(SILENT, {"a.jpg.json": takeout()}, coordinates=True)

    assert facts["taken_at"] == "2014-12-23T00:00:00+00:00"
    assert (facts["latitude"], facts["longitude"]) == (-33.8568, 151.2153)
    assert facts["sources"]["position"] == "a.jpg.json: geoData"


def test_where_somebody_was_is_told_on_request_only():
    facts, _ = completed(SILENT, {"a.jpg.json": takeout(), "a.xmp": XMP})
    assert facts["gps_present"]
    assert "latitude" not in facts


def test_what_the_picture_says_goes_first_and_an_unused_sidecar_is_not_named():
    own = {
        "gps_present": True,
        "latitude": 1.0,
        "longitude": 2.0,
        "taken_at": "2001-01-01T00:00:00",
        "sources": {"taken_at": "exif:DateTime", "position": "exif"},
    }
    assert completed(own, {"a.jpg.xmp": XMP}, coordinates=True) == (own, {})


def test_each_sidecar_says_what_those_before_it_left_open():
    no_place = takeout(geoData={"latitude": 0.0, "longitude": 0.0})
    facts, used = completed(SILENT, {"a.jpg.json": no_place, "a.xmp": XMP}, coordinates=True)

    assert facts["sources"] == {
        "taken_at": "a.jpg.json: photoTakenTime",
        "position": "a.xmp: xmp",
    }
    assert len(used) == 2


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no JSON",
        b"[" * 100_000,
        b"[1, 2]",
        b'{"photoTakenTime": 7, "geoData": []}',
        b'{"photoTakenTime": {"timestamp": "1e400"}, "geoData": {"latitude": NaN, "longitude": 1}}',
        b'{"photoTakenTime": {"timestamp": "99999999999999"}}',
        b'{"photoTakenTime": {"timestamp": true}}',
        b" " * (2 << 20),
    ],
)
def test_nonsense_says_nothing(data: bytes):
    assert completed(SILENT, {"a.json": data, "a.xmp": data}) == (SILENT, {})


def test_names_are_those_that_programs_write():
    assert names("in/IMG_1.jpg") == (
        "in/IMG_1.jpg.xmp",
        "in/IMG_1.xmp",
        "in/IMG_1.jpg.supplemental-metadata.json",
        "in/IMG_1.jpg.json",
    )
    # Takeout's number goes behind, and its names are cut.
    assert "IMG.jpg(2).json" in names("IMG(2).jpg")
    long = "123456789123456789123456789123456789_DSCN0091.JPG"
    assert f"{long[:46]}.json" in names(long)
    assert f"{'x' * 30}.jpg.supplementa.json" in names(f"{'x' * 30}.jpg")


def test_a_name_that_no_disk_can_hold_is_not_asked_for():
    assert names("é" * 125 + ".jpg") == (f"{'é' * 125}.xmp", "é" * 46 + ".json")
