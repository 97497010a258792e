"""EXIF and XMP facts, each with its source. Absent or nonsensical values are never guessed."""

from __future__ import annotations

import datetime
import math
import re
from typing import Any, Final

from . import exif_block, xmp

_MAKE, _MODEL, _ORIENTATION, _MODIFIED = 0x010F, 0x0110, 0x0112, 0x0132
_EXPOSURE, _F_NUMBER, _ISO, _TAKEN, _DIGITIZED = 0x829A, 0x829D, 0x8827, 0x9003, 0x9004
_ZONE_MODIFIED, _ZONE_TAKEN, _ZONE_DIGITIZED = 0x9010, 0x9011, 0x9012
_FOCAL, _LENS_MAKE, _LENS = 0x920A, 0xA433, 0xA434
_GPS_STATUS: Final = 9

_TIME: Final = re.compile(
    r"^(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d)(?::(\d\d))?(?:\.\d+)?(.*)$"
)
_ZONE: Final = re.compile(r"^([+-])(\d\d):?(\d\d)$")
_LONGEST_TEXT: Final = 120


def exif_facts(
    block: bytes | None, packet: bytes | None = None, *, coordinates: bool = False
) -> dict[str, Any]:
    """Facts of an EXIF block (with or without its "Exif\\0\\0" prefix), then of an XMP packet.

    Exposure in seconds, focal length in millimetres, time in ISO 8601 with the zone that was
    recorded for this very time. `gps_present` is always there; where somebody was is told only on
    request, as `latitude` and `longitude` in degrees, north and east positive. `sources` says where
    the time and the position come from. A damaged block gives fewer facts, never an error.
    """
    main, shot, gps = exif_block.read(block)
    more = xmp.properties(packet)
    facts: dict[str, Any] = {"gps_present": False}
    sources: dict[str, str] = {}
    position, source = _position(gps, more)
    if position is not None:
        facts["gps_present"] = True
        sources["position"] = source
        if coordinates:
            facts["latitude"], facts["longitude"] = position
    taken, source = _taken(main, shot, more)
    if taken is not None:
        facts["taken_at"] = taken
        sources["taken_at"] = source
    make, model = _text(main.get(_MAKE)), _text(main.get(_MODEL))
    _put(facts, "camera_make", make or _text(more.get("tiff:Make")))
    _put(facts, "camera_model", model or _text(more.get("tiff:Model")))
    lens = _text(shot.get(_LENS)) or _text(shot.get(_LENS_MAKE))
    _put(facts, "lens", lens or _text(more.get("exifEX:LensModel") or more.get("aux:Lens")))
    for key, tag, name, low, high in (
        ("exposure_time", _EXPOSURE, "exif:ExposureTime", 1e-7, 1e6),
        ("f_number", _F_NUMBER, "exif:FNumber", 0.1, 1000),
        ("iso", _ISO, "exif:ISOSpeedRatings", 1, 1e8),
        ("focal_length_mm", _FOCAL, "exif:FocalLength", 0.1, 1e5),
    ):
        value = _number(shot.get(tag), low, high)
        if value is None:
            value = _number(xmp.ratio(more.get(name)), low, high)
        _put(facts, key, round(value) if key == "iso" and value is not None else value)
    if sources:
        facts["sources"] = sources
    return facts


def stated_orientation(block: bytes | None, packet: bytes | None) -> int | None:
    """1 to 8 by EXIF, else by XMP; None where neither says."""
    main, _, _ = exif_block.read(block)
    for value in (main.get(_ORIENTATION), xmp.properties(packet).get("tiff:Orientation")):
        number = _number(value, 1, 8)
        if number is not None and number == int(number):
            return int(number)
    return None


def _position(gps: dict[int, Any], more: dict[str, str]) -> tuple[tuple[float, float] | None, str]:
    """((latitude, longitude), source). A receiver without a fix writes zeros, 0/0 or "void"."""
    if not (_text(gps.get(_GPS_STATUS)) or "A").upper().startswith("V"):
        latitude = _degrees(gps.get(2), gps.get(1), "S", 90)
        longitude = _degrees(gps.get(4), gps.get(3), "W", 180)
        if latitude is not None and longitude is not None and (latitude or longitude):
            return (latitude, longitude), "exif"
    latitude = xmp.degrees(more.get("exif:GPSLatitude"), 90)
    longitude = xmp.degrees(more.get("exif:GPSLongitude"), 180)
    if latitude is not None and longitude is not None and (latitude or longitude):
        return (round(latitude, 6), round(longitude, 6)), "xmp"
    return None, ""


def _taken(
    main: dict[int, Any], shot: dict[int, Any], more: dict[str, str]
) -> tuple[str | None, str]:
    """(the first time that is one, its source). A zone belongs to its own time and no other."""
    for value, zone, source in (
        (shot.get(_TAKEN), shot.get(_ZONE_TAKEN), "exif:DateTimeOriginal"),
        (shot.get(_DIGITIZED), shot.get(_ZONE_DIGITIZED), "exif:DateTimeDigitized"),
        (more.get("exif:DateTimeOriginal"), None, "xmp:DateTimeOriginal"),
        (more.get("photoshop:DateCreated"), None, "xmp:DateCreated"),
        (more.get("xmp:CreateDate"), None, "xmp:CreateDate"),
        (main.get(_MODIFIED), shot.get(_ZONE_MODIFIED), "exif:DateTime"),
    ):
        taken = _time(value, zone)
        if taken is not None:
            return taken, source
    return None, ""


def _put(facts: dict[str, Any], key: str, value: Any) -> None:
    if value is not None:
        facts[key] = value


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        value = value.split(b"\0")[0]
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError:
            value = value.decode("latin-1")
    if not isinstance(value, str):
        return None
    text = "".join(c for c in value.split("\0")[0] if c.isprintable()).strip()
    return text[:_LONGEST_TEXT] or None


def _number(value: Any, low: float, high: float) -> float | None:
    if isinstance(value, tuple) and value:
        value = value[0]
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return round(number, 7) if math.isfinite(number) and low <= number <= high else None


def _degrees(parts: Any, reference: Any, negative: str, bound: float) -> float | None:
    """Degrees, minutes and seconds as decimal degrees, to about a tenth of a metre."""
    if not isinstance(parts, tuple) or not 1 <= len(parts) <= 3:
        return None
    numbers = [_number(part, 0, 360) for part in parts]
    if None in numbers:
        return None
    degrees = sum(n / 60.0**i for i, n in enumerate(numbers) if n is not None)
    if degrees > bound:
        return None
    return round(-degrees if (_text(reference) or "").upper() == negative else degrees, 6)


def _time(value: Any, zone: Any) -> str | None:
    """ISO 8601; a zone in the value itself goes before the one beside it."""
    match = _TIME.match(_text(value) or "")
    if not match:
        return None
    *parts, own = match.groups()
    try:
        taken = datetime.datetime(*(int(part or 0) for part in parts))  # type: ignore[arg-type]
    except ValueError:  # cameras without a set clock write zeros
        return None
    return taken.isoformat() + (_zone(own) or _zone(_text(zone)))


def _zone(text: str | None) -> str:
    """ "+02:00" of that, of "+0200" and of "Z"; "" for what no place on Earth has."""
    text = (text or "").strip()
    if text in ("Z", "z"):
        return "+00:00"
    match = _ZONE.match(text)
    if not match:
        return ""
    sign, hours, minutes = match.groups()
    offset = (int(hours) * 60 + int(minutes)) * (-1 if sign == "-" else 1)
    return f"{sign}{hours}:{minutes}" if int(minutes) < 60 and -720 <= offset <= 840 else ""
