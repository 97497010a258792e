"""Recorded evidence in the words of photographers, and as plots."""

from __future__ import annotations

import base64

from parjanya_dagster.web.facts import HEIGHT, WIDTH, camera, found, light, text_boxes


def test_exif_is_told_in_units_and_in_order() -> None:
    exif = {"iso": 800, "exposure_time": 0.004, "f_number": 8.0, "focal_length_mm": 55.0,
            "taken_at": "2009-02-09T09:11:30", "sources": {"taken_at": "xmp"}, "lens": None,
            "gps_present": False, "camera_model": "K100D", "rating": 5}  # fmt: skip
    assert camera(exif) == [
        ("Taken", "2009-02-09 09:11:30"), ("Model", "K100D"), ("Exposure", "1/250 s"),
        ("Aperture", "f/8"), ("ISO", "800"), ("Focal length", "55 mm"),
        ("Rating", "5"),
    ]  # fmt: skip
    assert camera({"gps_present": True}) == [("Place", "recorded in the file")]
    assert camera({"exposure_time": 2.5}) == [("Exposure", "2.5 s")]
    assert camera({"exposure_time": 0}) == [("Exposure", "0")]


def test_light_is_the_outline_of_a_histogram() -> None:
    luma = bytes([0] * 1024 + [255] * 3072)
    points = light({"thumbnail": base64.b64encode(luma + bytes(288)).decode()}).split()
    assert (points[0], points[-1]) == (f"0,{HEIGHT}", f"{WIDTH},{HEIGHT}")
    assert points[1] == f"0,{HEIGHT - HEIGHT / 3:g}", "a third of the highest bar"
    assert points[-2] == f"{WIDTH},0"


def test_no_light_is_told_where_none_was_recorded() -> None:
    for likeness in ({}, {"thumbnail": None}, {"thumbnail": "é"}, {"thumbnail": "AAAA"}):
        assert light(likeness) == ""


def test_what_detectors_found_is_told_and_what_they_could_not_know() -> None:
    enriched = {
        "language": {"code": "de", "probability": 0.981, "letters": 40},
        "faces": {"count": 2, "doubtful": 1, "largest": 0.02},
        "overlay": {"boxes": 1, "area_share": 0.0312, "at_edge": 1},
        "nsfw": {"probability": 0.0213},
    }
    assert found(enriched) == [
        ("Language", "German, 98.1 % sure"),
        ("Faces", "2, and 1 that may be one"),
        ("Text laid over it", "3.12 % of the picture"),
        ("Not safe for work", "probability 0.0213"),
    ]
    unknown = {"code": None, "probability": None, "letters": 3, "unknown": "too little text"}
    assert found({"language": unknown}) == [("Language", "unknown: too little text")]
    assert found({"language": {"code": "qqq", "probability": 0.9}})[0][1] == "qqq, 90 % sure"
    nothing = {"boxes": 0, "area_share": 0.0, "at_edge": 0}
    assert found({"overlay": nothing}) == [("Text laid over it", "none found")]
    assert found({"category": "photo"}) == []


def test_boxes_of_text_lie_over_the_preview_with_what_was_read_in_them() -> None:
    places = [[0, 0, 0.5, 0, 0.5, 0.1, 0, 0.1], [0.9, 0.9, 1, 0.9, 1, 1, 0.9, 1]]
    text = {"boxes": 40, "places": places,
            "lines": [{"text": "hello", "place": 1}]}  # fmt: skip
    found = text_boxes({"text": text}, {"preview": {"width": 1000, "height": 500}})
    assert found is not None
    assert [box.text for box in found.boxes] == ["", "hello"]
    assert found.boxes[0].points == "0.0,0.0 500.0,0.0 500.0,50.0 0.0,50.0"
    assert found.found == 40


def test_evidence_of_before_has_text_and_no_boxes() -> None:
    preview = {"preview": {"width": 1000, "height": 500}}
    old = {"boxes": 2, "lines": [{"text": "hello", "confidence": 0.9}], "words": 1}
    for enriched, validated in (({"text": old}, preview), ({"text": None}, preview), ({}, {})):
        assert text_boxes(enriched, validated) is None
