"""XMP as a second source: the simple properties of a packet, by their usual names."""

from __future__ import annotations

import re
from typing import Final

_LONGEST: Final = 1 << 20
_PREFIXES: Final = {
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://cipa.jp/exif/1.0/": "exifEX",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/exif/1.0/aux/": "aux",
}
_RDF: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_COORDINATE: Final = re.compile(
    r"^\s*(\d{1,3})(?:[.,](\d+(?:\.\d+)?))?(?:,(\d+(?:\.\d+)?))?\s*([NSEW])\s*$"
)


def properties(packet: bytes | None) -> dict[str, str]:
    """`{"exif:GPSLatitude": "48,12.5N", …}`. Empty for a packet that is damaged or too long.

    A document type is refused, so that no entity is ever expanded.
    """
    if not packet or len(packet) > _LONGEST or b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
        return {}
    from xml.etree import ElementTree

    start, end = packet.find(b"<"), packet.rfind(b">") + 1
    try:
        root = ElementTree.fromstring(packet[start:end])
    except (ElementTree.ParseError, ValueError, LookupError):
        return {}
    found: dict[str, str] = {}
    for description in root.iter(_RDF + "Description"):
        for name, value in description.attrib.items():
            _keep(found, name, value)
        for child in description:
            first = next(child.iter(_RDF + "li"), child)
            _keep(found, child.tag, first.text or "")
    return found


def degrees(text: str | None, bound: float) -> float | None:
    """Decimal degrees of "DDD,MM.mmk" or "DDD,MM,SSk"; None for anything else."""
    match = _COORDINATE.match(text or "")
    if not match:
        return None
    whole, minutes, seconds, side = match.groups()
    if "." in (text or "").split(",")[0]:  # decimal degrees, as some programs write them
        value = float(f"{whole}.{minutes}")
    else:
        value = int(whole) + float(minutes or 0) / 60 + float(seconds or 0) / 3600
    return (-value if side in "SW" else value) if value <= bound else None


def ratio(text: str | None) -> float | None:
    """The number of "1/250" or "0.004"."""
    top, _, bottom = (text or "").partition("/")
    try:
        return float(top) / float(bottom or 1)
    except (ValueError, ZeroDivisionError):
        return None


def _keep(found: dict[str, str], name: str, value: str) -> None:
    space, _, local = name[1:].partition("}")
    prefix = _PREFIXES.get(space)
    if prefix and value.strip():
        found.setdefault(f"{prefix}:{local}", value.strip())
