"""What lies beside a picture and says when and where it was taken: XMP, and Google Takeout's JSON.

Both speak only where the picture itself is silent. What they said is recorded under their name.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from .exif import exif_facts

LARGEST: Final = 1 << 20
"""Bytes. What is larger is not read."""

# Takeout cuts a name to this before it adds ".json". A picture's number stands after the cut.
_TAKEOUT_NAME: Final = 46
_TAKEOUT: Final = ".supplemental-metadata"
_NUMBERED: Final = re.compile(r"^(.+)(\(\d+\))(\.[^.]+)$")

_LONGEST_NAME, _LONGEST_KEY = 255, 1024
"""Bytes of what a file system and S3 can hold: what is longer lies nowhere."""

_FIRST, _LAST = -62_135_596_800, 253_402_300_799
"""Seconds of the years 1 to 9999."""


def names(key: str) -> tuple[str, ...]:
    """The keys under which a picture's sidecars may lie, in the order in which they are believed.

    "a.jpg.xmp" goes before "a.xmp", which a raw file and its JPEG may share.
    """
    folder, slash, name = key.rpartition("/")
    stem = name.rpartition(".")[0] or name
    plain, number = name, ""
    if match := _NUMBERED.match(name):
        plain, number = match[1] + match[3], match[2]
    json_names = (f"{(plain + more)[:_TAKEOUT_NAME]}{number}.json" for more in (_TAKEOUT, ""))
    found = dict.fromkeys((f"{name}.xmp", f"{stem}.xmp", *json_names))
    keys = [f"{folder}{slash}{each}" for each in found if len(each.encode()) <= _LONGEST_NAME]
    return tuple(key for key in keys if len(key.encode()) <= _LONGEST_KEY)


def completed(
    exif: Mapping[str, Any], sidecars: Mapping[str, bytes], *, coordinates: bool = False
) -> tuple[dict[str, Any], dict[str, str]]:
    """The facts of `exif_facts`, with time and position of sidecars where it has none.

    `sidecars`: bytes by name. A damaged one says nothing. `sources` names the sidecar and what in
    it was read, as "a.jpg.xmp: xmp:CreateDate". Also: the SHA-256 of those that said something.
    """
    facts, sources = dict(exif), dict(exif.get("sources", {}))
    used: dict[str, str] = {}
    for name, data in sidecars.items():
        said = _said(name, data, coordinates)
        told = said.get("sources", {})
        if "taken_at" in told and "taken_at" not in facts:
            facts["taken_at"] = said["taken_at"]
            sources["taken_at"] = f"{name}: {told['taken_at']}"
            used[name] = hashlib.sha256(data).hexdigest()
        if "position" in told and not facts["gps_present"]:
            place = ("gps_present", "latitude", "longitude")
            facts |= {each: said[each] for each in place if each in said}
            sources["position"] = f"{name}: {told['position']}"
            used[name] = hashlib.sha256(data).hexdigest()
    return facts | ({"sources": sources} if sources else {}), used


def _said(name: str, data: bytes, coordinates: bool) -> dict[str, Any]:
    if len(data) > LARGEST:
        return {}
    if name.lower().endswith(".xmp"):
        return exif_facts(None, data, coordinates=coordinates)
    return _takeout(data, coordinates)


def _takeout(data: bytes, coordinates: bool) -> dict[str, Any]:
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    facts: dict[str, Any] = {"sources": {}}
    seconds = _number(_of(_of(body, "photoTakenTime"), "timestamp"), _FIRST, _LAST)
    if seconds is not None:
        epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
        facts["taken_at"] = (epoch + datetime.timedelta(seconds=int(seconds))).isoformat()
        facts["sources"]["taken_at"] = "photoTakenTime"
    for source in ("geoData", "geoDataExif"):
        latitude = _number(_of(_of(body, source), "latitude"), -90, 90)
        longitude = _number(_of(_of(body, source), "longitude"), -180, 180)
        # Zeros are how it writes that there is none.
        if latitude is None or longitude is None or not (latitude or longitude):
            continue
        facts["gps_present"] = True
        facts["sources"]["position"] = source
        if coordinates:
            facts |= {"latitude": round(latitude, 6), "longitude": round(longitude, 6)}
        break
    return facts


def _of(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _number(value: Any, low: float, high: float) -> float | None:
    """A number, or a text of one: Takeout writes seconds as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and low <= number <= high else None
