"""What a PNG, AVIF or HEIC says of its samples beside an ICC profile: gAMA, cHRM, cICP, nclx."""

from __future__ import annotations

import struct

from . import isobmff
from .primaries import SRGB, Chromaticities, matrix_to_srgb
from .structure import png_chunks
from .transfer import Encoding, encoding_of_codes


def png_encoding(data: bytes) -> tuple[Encoding | None, bool]:
    """(the encoding, whether it goes before a profile), by the PNG specification's order.

    cICP, then iCCP, then sRGB, then gAMA and cHRM. Raises Rejected for a curve that is not read.
    """
    found: dict[bytes, bytes] = {}
    for kind, at, length in png_chunks(data):
        if kind == b"IDAT":
            break
        if kind in (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM"):
            found.setdefault(kind, data[at : at + min(length, 32)])
    if len(found.get(b"cICP", b"")) == 4:
        primaries, transfer, _, _ = found[b"cICP"]
        return encoding_of_codes(primaries, transfer, "png"), True
    if b"iCCP" in found or b"sRGB" in found:
        return None, False
    return _by_gamma(found.get(b"gAMA", b""), found.get(b"cHRM", b"")), False


def heif_encoding(data: bytes, fmt: str) -> Encoding | None:
    """By the box `colr` of the primary picture. Raises Rejected for a curve that is not read."""
    codes = isobmff.colour_codes(data)
    return encoding_of_codes(*codes, fmt) if codes else None


def _by_gamma(gamma: bytes, chromaticities: bytes) -> Encoding | None:
    """None without either. Nonsense counts as absent, as it does in browsers."""
    exponent = 0.0
    if len(gamma) == 4 and any(gamma):
        exponent = 100_000 / struct.unpack(">I", gamma)[0]
    if not 0.1 <= exponent <= 10:
        exponent = 0.0
    primaries = SRGB
    if len(chromaticities) == 32:
        white_x, white_y, *colours = (n / 100_000 for n in struct.unpack(">8I", chromaticities))
        red_x, red_y, green_x, green_y, blue_x, blue_y = colours
        stated = (red_x, red_y, green_x, green_y, blue_x, blue_y, white_x, white_y)
        primaries = stated if _span_colours(stated) else SRGB
    if exponent:
        return Encoding(primaries=primaries, curve="gamma", gamma=exponent)
    return Encoding(primaries=primaries) if primaries != SRGB else None


def _span_colours(stated: Chromaticities) -> bool:
    try:
        matrix_to_srgb(stated)
    except ValueError:
        return False
    return all(0 <= n <= 1 for n in stated)
