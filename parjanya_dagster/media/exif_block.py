"""The values of an EXIF block, or of a whole TIFF, classic or Big: tag by tag, bounded, no pixels.

Texts are bytes as written, rationals are floats, and a value that cannot be is left out.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from .binary import unpack_from

Values = dict[int, Any]

_EXIF_IFD: Final = 0x8769
_GPS_IFD: Final = 0x8825
_MOST_ENTRIES: Final = 2_000
_LONGEST: Final = 4_096  # bytes of one value
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_SIZES.update({13: 4, 16: 8, 17: 8, 18: 8, 129: 1})
_CODES: Final = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I"}
_CODES.update({16: "Q", 17: "q", 18: "Q"})
_TEXTS: Final = (2, 7, 129)


def read(block: bytes | None) -> tuple[Values, Values, Values]:
    """(main, shot, position): IFD0 and what it points to. Empty where the block is damaged."""
    if not block:
        return {}, {}, {}
    data = block[6:] if block[:6] == b"Exif\0\0" else block
    if data[:2] not in (b"II", b"MM"):
        return {}, {}, {}
    order, big = ("<" if data[:2] == b"II" else ">"), data[2:4] in (b"+\0", b"\0+")
    try:
        (at,) = unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    except struct.error:
        return {}, {}, {}
    main = _directory(data, at, order, big)
    shot = _pointed(data, main.get(_EXIF_IFD), order, big)
    return main, shot, _pointed(data, main.get(_GPS_IFD), order, big)


def _pointed(data: bytes, value: Any, order: str, big: bool) -> Values:
    whole = isinstance(value, tuple) and value and isinstance(value[0], int)
    return _directory(data, value[0], order, big) if whole else {}


def _directory(data: bytes, at: int, order: str, big: bool) -> Values:
    head, entry_size, word, inline = ("Q", 20, "Q", 8) if big else ("H", 12, "I", 4)
    values: Values = {}
    try:
        (count,) = unpack_from(order + head, data, at)
        start = at + struct.calcsize(order + head)
        for index in range(min(count, _MOST_ENTRIES)):
            entry = start + entry_size * index
            tag, kind, number = unpack_from(order + "HH" + word, data, entry)
            size = _SIZES.get(kind, 0) * number
            if not 0 < size <= _LONGEST:
                continue
            place = entry + entry_size - inline
            if size > inline:
                (place,) = unpack_from(order + word, data, place)
            if place + size <= len(data):
                values.setdefault(tag, _value(data, place, kind, number, order))
    except struct.error:  # the rest is missing; what was read holds
        pass
    return values


def _value(data: bytes, at: int, kind: int, number: int, order: str) -> Any:
    if kind in _TEXTS:
        return data[at : at + number]
    if kind in (5, 10):
        pairs = unpack_from(f"{order}{2 * number}{'I' if kind == 5 else 'i'}", data, at)
        return tuple(
            top / bottom if bottom else None
            for top, bottom in zip(pairs[::2], pairs[1::2], strict=True)
        )
    return unpack_from(f"{order}{number}{_CODES[kind]}", data, at)
