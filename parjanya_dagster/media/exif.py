"""EXIF facts from the raw EXIF block. Absent or nonsensical values are left out, never guessed."""

from __future__ import annotations

import math
import re
from typing import Any, Final

_MAKE, _MODEL, _DATETIME = 0x010F, 0x0110, 0x0132
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_EXPOSURE, _F_NUMBER, _ISO, _TAKEN, _DIGITIZED = 0x829A, 0x829D, 0x8827, 0x9003, 0x9004
_OFFSET_TAKEN, _FOCAL, _LENS_MAKE, _LENS = 0x9011, 0x920A, 0xA433, 0xA434

_TIME: Final = re.compile(r"^(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)")
_ZONE: Final = re.compile(r"^[+-]\d\d:\d\d$")
_LONGEST_TEXT: Final = 120


def exif_facts(block: bytes | None, *, coordinates: bool = False) -> dict[str, Any]:
    """Facts of an EXIF block (with or without its "Exif\\0\\0" prefix).

    Exposure in seconds, focal length in millimetres, time in ISO 8601 with its zone if recorded.
    `gps_present` is always there; where somebody was is told only on request, as `latitude` and
    `longitude` in degrees, north and east positive. A damaged block gives fewer facts, never an
    error.
    """
    facts: dict[str, Any] = {"gps_present": False}
    if not block:
        return facts
    from PIL import Image

    try:
        exif = Image.Exif()
        exif.load(block)
        main = dict(exif)
        shot = dict(exif.get_ifd(_EXIF_IFD))
        gps = dict(exif.get_ifd(_GPS_IFD))
    except Exception:  # Pillow's parser raises whatever the damaged bytes make it raise
        return facts
    facts["gps_present"] = 2 in gps and 4 in gps
    if coordinates:
        _put(facts, "latitude", _degrees(gps.get(2), gps.get(1), "S", 90))
        _put(facts, "longitude", _degrees(gps.get(4), gps.get(3), "W", 180))
    _put(facts, "camera_make", _text(main.get(_MAKE)))
    _put(facts, "camera_model", _text(main.get(_MODEL)))
    _put(facts, "lens", _text(shot.get(_LENS)) or _text(shot.get(_LENS_MAKE)))
    taken = shot.get(_TAKEN) or shot.get(_DIGITIZED) or main.get(_DATETIME)
    _put(facts, "taken_at", _time(taken, shot.get(_OFFSET_TAKEN)))
    _put(facts, "exposure_time", _number(shot.get(_EXPOSURE), 1e-7, 1e6))
    _put(facts, "f_number", _number(shot.get(_F_NUMBER), 0.1, 1000))
    iso = _number(shot.get(_ISO), 1, 1e8)
    _put(facts, "iso", None if iso is None else round(iso))
    _put(facts, "focal_length_mm", _number(shot.get(_FOCAL), 0.1, 1e5))
    return facts


def _put(facts: dict[str, Any], key: str, value: Any) -> None:
    if value is not None:
        facts[key] = value


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    text = "".join(c for c in value.split("\0")[0] if c.isprintable()).strip()
    return text[:_LONGEST_TEXT] or None


def _number(value: Any, low: float, high: float) -> float | None:
    if isinstance(value, tuple) and value:
        value = value[0]
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return round(number, 7) if math.isfinite(number) and low <= number <= high else None


def _degrees(parts: Any, reference: Any, negative: str, bound: float) -> float | None:
    """Degrees, minutes and seconds as decimal degrees, to about a tenth of a metre."""
    if not isinstance(parts, tuple) or len(parts) != 3:
        return None
    numbers = [_number(part, 0, 360) for part in parts]
    if None in numbers:
        return None
    degrees = sum(n / 60.0**i for i, n in enumerate(numbers) if n is not None)
    if degrees > bound:
        return None
    return round(-degrees if (_text(reference) or "").upper() == negative else degrees, 6)


def _time(value: Any, zone: Any) -> str | None:
    import datetime

    match = _TIME.match(_text(value) or "")
    if not match:
        return None
    try:
        taken = datetime.datetime(*(int(part) for part in match.groups()))  # type: ignore[arg-type]
    except ValueError:  # cameras without a set clock write zeros
        return None
    offset = _text(zone) or ""
    return taken.isoformat() + (offset if _ZONE.match(offset) else "")
