"""A thumbnail inside the JPEG that it is of, as cameras write it: EXIF 2.32, 4.5.8, IFD1.

So both are one object, and the thumbnail is in its first bytes. Decoders skip it.
"""

from __future__ import annotations

import struct

MOST = 65_535 - 2  # bytes of a segment, without its length
BEGINNING = 1024 + 2 + 2 + MOST
"""Bytes of a file that surely hold the thumbnail: what lies before it, marker, length, segment."""
_SOI, _APP0, _APP1 = b"\xff\xd8", b"\xff\xe0", b"\xff\xe1"
_EXIF = b"Exif\0\0"
_SHORT, _LONG = 3, 4  # types of TIFF
_UPRIGHT = struct.pack(">HHHLHH", 1, 0x0112, _SHORT, 1, 1, 0)  # IFD0: an orientation, as it must
_IFD1 = 8 + len(_UPRIGHT) + 4
_DATA = _IFD1 + 2 + 3 * 12 + 4
"""Where IFD1 and the thumbnail begin, counted from the header of the TIFF."""


def with_thumbnail(jpeg: bytes, thumbnail: bytes) -> bytes | None:
    """The JPEG with a thumbnail inside. None: it is too large, or the JPEG is none of ours.

    `jpeg` has no EXIF of its own.
    """
    segment = _head(len(thumbnail)) + thumbnail
    if not jpeg.startswith(_SOI) or len(segment) > MOST:
        return None
    at = 2
    if jpeg[2:4] == _APP0:  # JFIF says that it comes first
        at = 4 + int.from_bytes(jpeg[4:6])
    if at > BEGINNING - MOST - 4:
        return None
    marker = _APP1 + (len(segment) + 2).to_bytes(2)
    return b"".join((jpeg[:at], marker, segment, jpeg[at:]))


def thumbnail_of(beginning: bytes) -> bytes | None:
    """The thumbnail that `with_thumbnail` put into a JPEG, of its first `BEGINNING` bytes.

    None: there is none, or not all of it.
    """
    at = 2
    while beginning[:2] == _SOI and beginning[at : at + 1] == b"\xff":
        marker, length = beginning[at : at + 2], int.from_bytes(beginning[at + 2 : at + 4])
        segment = beginning[at + 4 : at + 2 + length]
        size = len(segment) - len(_EXIF) - _DATA
        if marker == _APP1 and size > 0 and segment.startswith(_head(size)):
            return segment[-size:] if len(segment) == length - 2 else None
        if not _APP0 <= marker <= b"\xff\xef":
            break
        at += 2 + length
    return None


def _head(size: int) -> bytes:
    """What lies in the segment before a thumbnail of so many bytes."""
    entries = ((0x0103, _SHORT, 6 << 16), (0x0201, _LONG, _DATA), (0x0202, _LONG, size))
    listed = b"".join(struct.pack(">HHLL", tag, kind, 1, value) for tag, kind, value in entries)
    header = struct.pack(">2sHL", b"MM", 42, 8)
    ifd0 = _UPRIGHT + struct.pack(">L", _IFD1)
    ifd1 = struct.pack(">H", len(entries)) + listed + struct.pack(">L", 0)
    return _EXIF + header + ifd0 + ifd1
