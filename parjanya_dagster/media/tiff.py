"""The directories of a TIFF, classic or Big: what they say of its pictures, and where those lie.

Every number from the file is compared with the file's length before it is used.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from .binary import unpack_from

MAGICS: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_MOST_DIRECTORIES: Final = 64
_MOST_VALUES: Final = 100_000
_LONGEST_ZEROS: Final = 64
_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES, _SUB_IFDS = 273, 279, 324, 325, 330
_NEEDED: Final = (258, _STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES, _SUB_IFDS)
# Bytes of each type, and how whole numbers among them are read.
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_SIZES.update({13: 4, 16: 8, 17: 8, 18: 8})
_CODES: Final = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}


@dataclass(frozen=True, kw_only=True)
class Directory:
    """One directory: its whole-number tags, and the bytes of the file that it lays claim to."""

    tags: dict[int, tuple[int, ...]]
    end: int  # of the directory and of all that it points to
    sub: int | None = None  # its place among the SubIFDs of the first directory

    def first(self, tag: int, default: int = 0) -> int:
        values = self.tags.get(tag)
        return values[0] if values else default

    @property
    def is_reduced(self) -> bool:
        """A smaller copy of another picture: NewSubfileType bit 0, or SubfileType 2."""
        return bool(self.first(254) & 1) or self.first(255) == 2

    @property
    def pixels(self) -> int:
        return self.first(256) * self.first(257)

    def extents(self) -> Iterator[tuple[int, int]]:
        """(offset, length) of each strip or tile."""
        offsets = self.tags.get(_STRIPS) or self.tags.get(_TILES) or ()
        lengths = self.tags.get(_STRIP_BYTES) or self.tags.get(_TILE_BYTES) or ()
        yield from zip(offsets, lengths, strict=False)


@dataclass(frozen=True, kw_only=True)
class Tiff:
    """The main chain of directories, the SubIFDs, and whether a pointer led nowhere."""

    pages: list[Directory] = field(default_factory=list)
    subs: list[Directory] = field(default_factory=list)
    sub_is_missing: bool = False
    loose_end: tuple[int, int] | None = None  # place and size of a pointer that leads nowhere

    @property
    def directories(self) -> list[Directory]:
        return self.pages + self.subs


def read(data: bytes) -> Tiff:
    """Raises struct.error where the first directory is not there."""
    order, big = ("<" if data[:2] == b"II" else ">"), data[2:4] in (b"+\0", b"\0+")
    (at,) = unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    pages: list[Directory] = []
    subs: list[Directory] = []
    seen: set[int] = set()
    sub_is_missing = False
    loose_end = None
    end_at = 0
    while at and at not in seen and len(seen) < _MOST_DIRECTORIES:
        seen.add(at)
        try:
            page, following, end = _directory(data, at, order, big)
        except struct.error:
            if not pages:
                raise
            loose_end = (end_at, 8 if big else 4)
            break
        if pages and not page.pixels:  # a pointer into something else
            loose_end = (end_at, 8 if big else 4)
            break
        pages.append(page)
        for place, sub in enumerate(page.tags.get(_SUB_IFDS, ())):
            if sub in seen or len(seen) >= _MOST_DIRECTORIES:
                continue
            seen.add(sub)
            try:
                directory, *_ = _directory(
                    data, sub, order, big, place if len(pages) == 1 else None
                )
            except struct.error:
                sub_is_missing = True
                continue
            subs.append(directory)
        at, end_at = following, end
    return Tiff(pages=pages, subs=subs, sub_is_missing=sub_is_missing, loose_end=loose_end)


def raw_kind(data: bytes) -> str | None:
    """ "dng" or "raw" for a TIFF that is a camera's raw file, None for an ordinary one."""
    if data[8:10] == b"CR" and data[:4] == b"II*\0":
        return "raw"
    try:
        directories = read(data).directories
    except struct.error:
        return None
    if any(50706 in directory.tags for directory in directories):  # DNGVersion
        return "dng"
    for directory in directories:
        # Photometric interpretations of colour filter arrays and of linear raw; compressions of
        # Sony, Nikon, Kodak, Pentax and Samsung.
        if directory.first(262) in (32803, 34892):
            return "raw"
        if directory.first(259) in (32767, 34713, 65000, 65535):
            return "raw"
    return None


def is_cut_short(data: bytes) -> bool:
    """True where a directory, or a strip or tile of it, lies outside the file.

    A pointer after the last directory may lead nowhere: writers leave rubbish there. It counts only
    where the file goes on after all that its directories point to, as with pages that were cut off.
    """
    try:
        tiff = read(data)
    except struct.error:
        return True
    if tiff.sub_is_missing or not tiff.pages or not tiff.pages[0].tags:
        return True
    reach = max(directory.end for directory in tiff.directories)
    if reach > len(data) or any(_ends_in_zeros(data, page) for page in tiff.directories):
        return True
    return tiff.loose_end is not None and len(data) - reach > 16


def _ends_in_zeros(data: bytes, directory: Directory) -> bool:
    """Whether a strip or tile of LZW, JPEG or Deflate does, as none of them can when whole."""
    if directory.first(259) not in (5, 7, 8, 32946):
        return False
    return any(
        length > _LONGEST_ZEROS
        and not data[at + length - _LONGEST_ZEROS : at + length].strip(b"\0")
        for at, length in directory.extents()
    )


def without_loose_end(data: bytes) -> bytes:
    """The same TIFF, where a pointer after its last directory no longer leads to nowhere."""
    try:
        loose = read(data).loose_end
    except struct.error:
        return data
    if loose is None:
        return data
    place, size = loose
    return data[:place] + bytes(size) + data[place + size :]


def picture_place(data: bytes) -> tuple[int, int | None]:
    """(page, SubIFD of it or None) of the picture itself, where the first page is its thumbnail."""
    try:
        tiff = read(data)
    except struct.error:
        return 0, None
    if not tiff.pages or not tiff.pages[0].is_reduced:
        return 0, None
    for number, page in enumerate(tiff.pages):
        if not page.is_reduced and page.pixels >= tiff.pages[0].pixels:
            return number, None
    for sub in tiff.subs:
        if sub.sub is not None and not sub.is_reduced and sub.pixels >= tiff.pages[0].pixels:
            return 0, sub.sub
    return 0, None


def reduced_pages(data: bytes) -> int:
    """Pages of the main chain that are smaller copies of others."""
    try:
        return sum(page.is_reduced for page in read(data).pages)
    except struct.error:
        return 0


def embedded_jpegs(data: bytes) -> list[bytes]:
    """JPEGs that a directory holds whole, the largest first: previews that cameras put there."""
    try:
        directories = read(data).directories
    except struct.error:
        return []
    places = []
    for directory in directories:
        extents = list(directory.extents())
        if directory.first(259) in (6, 7) and len(extents) == 1:
            places.append(extents[0])
        if 513 in directory.tags and 514 in directory.tags:
            places.append((directory.first(513), directory.first(514)))
    found = [data[at : at + length] for at, length in places if at + length <= len(data)]
    return sorted((jpeg for jpeg in found if jpeg[:3] == b"\xff\xd8\xff"), key=len, reverse=True)


def _directory(
    data: bytes, at: int, order: str, big: bool, sub: int | None = None
) -> tuple[Directory, int, int]:
    """The directory at `at`, the offset of the next, and where that is written.

    Raises struct.error beyond the end.
    """
    head, entry_size, word = ("Q", 20, "Q") if big else ("H", 12, "I")
    (count,) = unpack_from(order + head, data, at)
    start = at + struct.calcsize(order + head)
    inline = 8 if big else 4
    tags: dict[int, tuple[int, ...]] = {}
    pointer = start + count * entry_size
    (following,) = unpack_from(order + word, data, pointer)
    end = pointer + inline
    for index in range(count):
        entry = start + entry_size * index
        tag, kind, number = unpack_from(order + "HH" + word, data, entry)
        size = _SIZES.get(kind, 1) * number
        place = entry + entry_size - inline
        if size > inline:
            (place,) = unpack_from(order + word, data, place)
            if tag in _NEEDED:
                end = max(end, place + size)
        if kind in _CODES and 0 < number <= _MOST_VALUES and (size <= inline or tag in _NEEDED):
            tags[tag] = unpack_from(f"{order}{number}{_CODES[kind]}", data, place)
    directory = Directory(tags=tags, end=end, sub=sub)
    reach = max((offset + length for offset, length in directory.extents()), default=0)
    return Directory(tags=tags, end=max(end, reach), sub=sub), following, pointer
