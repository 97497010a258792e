"""Boxes of AVIF, HEIC and their like (ISO/IEC 14496-12, 23008-12): what they say, no pixels.

A file of another make only says less: nothing here raises but struct.error, and that is caught at
each door.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from .binary import byte_at, unpack_from

# Boxes at the top of a file that readers know. What else follows them is a maker's own trailer.
_TOP: Final = frozenset(
    (b"ftyp", b"meta", b"mdat", b"moov", b"moof", b"mfra", b"free", b"skip", b"idat", b"uuid")
)
_MOST_ITEMS: Final = 20_000
_LONGEST_ZEROS: Final = 64


@dataclass(frozen=True, kw_only=True)
class Box:
    kind: bytes
    start: int  # of its content
    end: int  # as promised, which may lie beyond the data


@dataclass
class Meta:
    """The box `meta`, as far as it is needed here."""

    primary: int | None = None
    extents: list[tuple[int, int, int]] = field(default_factory=list)  # (item, start, end) in file
    premultiplied: set[int] = field(default_factory=set)  # items whose colours are
    properties: list[Box] = field(default_factory=list)
    associations: dict[int, list[int]] = field(default_factory=dict)  # item: properties from 1


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    at, end = start, len(data) if end is None else end
    while at + 8 <= end:
        size, kind = unpack_from(">I4s", data, at)
        content = at + 8
        if size == 1 and at + 16 <= end:
            (size,) = unpack_from(">Q", data, at + 8)
            content = at + 16
        if size == 0:  # reaches to the end, wherever that is
            size = end - at
        if size < content - at:
            return
        yield Box(kind=kind, start=content, end=at + size)
        at += size


def is_cut_short(data: bytes) -> bool:
    """True where something that the picture is made of lies outside the file, or in zeros.

    Bytes after the last box are none of the picture's business: phones keep films and notes there.
    """
    found = {}
    for box in boxes(data):
        if box.kind not in _TOP:
            break
        if box.end > len(data):
            return True
        found[box.kind] = box
    if b"meta" not in found:
        return b"moov" not in found
    try:
        ends = [end for _, _, end in read_meta(data).extents]
    except struct.error:
        return True
    if b"moov" in found and b"mdat" in found:
        ends.append(found[b"mdat"].end)  # the frames of a sequence lie there
    reach = max(ends, default=0)
    if reach > len(data):
        return True
    tail = data[max(0, reach - _LONGEST_ZEROS) : reach]
    return len(tail) == _LONGEST_ZEROS and not tail.strip(b"\0")


def colour_codes(data: bytes) -> tuple[int, int] | None:
    """(primaries, transfer) by H.273 of the primary picture, where a box `colr` says so."""
    try:
        meta = read_meta(data)
    except struct.error:
        return None
    chosen = [
        meta.properties[number - 1]
        for number in meta.associations.get(meta.primary or 0, ())
        if 0 < number <= len(meta.properties)
    ]
    for box in chosen or meta.properties:
        if box.kind == b"colr" and data[box.start : box.start + 4] == b"nclx":
            try:
                primaries, transfer = unpack_from(">HH", data, box.start + 4)
            except struct.error:
                return None
            return primaries, transfer
    return None


def is_premultiplied(data: bytes) -> bool:
    """Whether colours of the primary picture were multiplied by its alpha (reference `prem`)."""
    try:
        meta = read_meta(data)
    except struct.error:
        return False
    return meta.primary in meta.premultiplied


def sequence_frames(data: bytes) -> int:
    """Pictures in the longest track of pictures; 0 where the file is no sequence."""
    most = 0
    try:
        for moov in _all(data, b"moov", 0, len(data)):
            for trak in _all(data, b"trak", moov.start, moov.end):
                for mdia in _all(data, b"mdia", trak.start, trak.end):
                    handler = next(_all(data, b"hdlr", mdia.start, mdia.end), None)
                    if handler is None or data[handler.start + 8 : handler.start + 12] != b"pict":
                        continue
                    for minf in _all(data, b"minf", mdia.start, mdia.end):
                        for stbl in _all(data, b"stbl", minf.start, minf.end):
                            for stsz in _all(data, b"stsz", stbl.start, stbl.end):
                                (count,) = unpack_from(">I", data, stsz.start + 8)
                                most = max(most, count)
    except struct.error:
        pass
    return most


def read_meta(data: bytes) -> Meta:
    """Raises struct.error where it ends too early."""
    meta = Meta()
    for outer in _all(data, b"meta", 0, len(data)):
        for box in boxes(data, outer.start + 4, min(outer.end, len(data))):
            match box.kind:
                case b"pitm":
                    wide = byte_at(data, box.start) > 0
                    (meta.primary,) = unpack_from(">I" if wide else ">H", data, box.start + 4)
                case b"iloc":
                    meta.extents = _extents(data, box)
                case b"iref":
                    meta.premultiplied = _premultiplied(data, box)
                case b"iprp":
                    for part in boxes(data, box.start, box.end):
                        if part.kind == b"ipco":
                            meta.properties = list(boxes(data, part.start, part.end))
                        elif part.kind == b"ipma":
                            _associate(data, part, meta)
        break
    return meta


def _all(data: bytes, kind: bytes, start: int, end: int) -> Iterator[Box]:
    return (box for box in boxes(data, start, min(end, len(data))) if box.kind == kind)


def _extents(data: bytes, box: Box) -> list[tuple[int, int, int]]:
    version = byte_at(data, box.start)
    at = box.start + 4
    sizes, more = unpack_from("BB", data, at)
    offset_size, length_size = sizes >> 4, sizes & 15
    base_size, index_size = more >> 4, more & 15 if version else 0
    at += 2
    count_code = ">I" if version == 2 else ">H"
    (count,) = unpack_from(count_code, data, at)
    at += struct.calcsize(count_code)
    found: list[tuple[int, int, int]] = []
    for _ in range(min(count, _MOST_ITEMS)):
        (item,) = unpack_from(count_code, data, at)
        at += struct.calcsize(count_code)
        method = 0
        if version:
            method = unpack_from(">H", data, at)[0] & 15
            at += 2
        at += 2  # data reference
        base, at = _number(data, at, base_size)
        (extents,) = unpack_from(">H", data, at)
        at += 2
        for _ in range(extents):
            at += index_size
            offset, at = _number(data, at, offset_size)
            length, at = _number(data, at, length_size)
            if method == 0 and length:
                found.append((item, base + offset, base + offset + length))
    return found


def _premultiplied(data: bytes, box: Box) -> set[int]:
    """The items from which a reference `prem` leads to their alpha."""
    wide = byte_at(data, box.start) > 0
    return {
        unpack_from(">I" if wide else ">H", data, reference.start)[0]
        for reference in boxes(data, box.start + 4, min(box.end, len(data)))
        if reference.kind == b"prem"
    }


def _number(data: bytes, at: int, size: int) -> tuple[int, int]:
    if at + size > len(data):
        raise struct.error("beyond the end")
    return int.from_bytes(data[at : at + size], "big"), at + size


def _associate(data: bytes, box: Box, meta: Meta) -> None:
    version, wide = byte_at(data, box.start), byte_at(data, box.start + 3) & 1
    (count,) = unpack_from(">I", data, box.start + 4)
    at = box.start + 8
    for _ in range(min(count, _MOST_ITEMS)):
        (item,) = unpack_from(">I" if version else ">H", data, at)
        at += 4 if version else 2
        (number,) = unpack_from(">B", data, at)
        at += 1
        places = unpack_from(f">{number}{'H' if wide else 'B'}", data, at)
        at += number * (2 if wide else 1)
        mask = 0x7FFF if wide else 0x7F
        meta.associations.setdefault(item, []).extend(place & mask for place in places)
