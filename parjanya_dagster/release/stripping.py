"""Removes metadata about people and places from originals. No pixel is decoded or changed. Pure.

EXIF, GPS, XMP, IPTC, comments, embedded thumbnails and appended data are left out. The code lists
what is kept, so unknown metadata is left out, too. Colour profiles stay. The orientation stays in
an EXIF block that has nothing else. What is hidden among coded pixels stays.

Sources: ITU-T T.81 and T.872 (JPEG), W3C PNG 3, Google's WebP container, CompuServe GIF89a,
Microsoft's BITMAPV5HEADER.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Final

from parjanya_dagster.errors import ReleaseBroken

_PNG_KEPT: Final = frozenset(
    (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB",
     b"cICP", b"mDCV", b"cLLI", b"bKGD", b"hIST", b"pHYs", b"sPLT", b"acTL", b"fcTL", b"fdAT")
)  # fmt: skip
_WEBP_KEPT: Final = frozenset((b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"))
_WEBP_FRAME: Final = frozenset((b"VP8 ", b"VP8L", b"ALPH"))
_WEBP_EXIF, _WEBP_XMP = 0x08, 0x04  # flags of VP8X
_GIF_KEPT: Final = (b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012")
_JPEG_KEPT: Final = frozenset((*range(0xC0, 0xC8), *range(0xC9, 0xD0), *range(0xDA, 0xDE)))
"""Frames, tables, scans, restart intervals. Of what applications add, see `_jpeg_segment`."""
_MARKER: Final = re.compile(rb"\xff([^\x00\x01\xff\xd0-\xd7])")
_AFTER_SCAN: Final = re.compile(
    rb"\xff[^\x00\xff\xd0-\xd7]"
)  # it begins with one byte: ten times as fast
_SOS, _SOI, _EOI = 0xDA, 0xD8, 0xD9


def strip(data: bytes, fmt: str, orientation: int = 1) -> bytes:
    """The same picture without metadata. Raises ReleaseBroken where it cannot be taken apart."""
    try:
        return _RULES[fmt](data, orientation)
    except KeyError:
        raise ReleaseBroken(f"Metadata cannot be taken out of {fmt}") from None
    except (struct.error, IndexError, ValueError) as error:
        raise ReleaseBroken(f"This {fmt} cannot be taken apart: {error}") from error


def _jpeg(data: bytes, orientation: int) -> bytes:
    pieces = [b"\xff\xd8"]
    exif = b"Exif\0\0" + _exif(orientation)
    if orientation != 1:
        pieces.append(b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif)
    at = 2
    while True:
        found = _MARKER.search(data, at)  # decoders skip what lies before a marker, and so do we
        if found is None:
            raise ValueError(f"no marker after byte {at}")
        marker, at = found.group(1)[0], found.end()
        if marker in (_EOI, _SOI):  # a second picture may follow one that lacks its end
            return b"".join([*pieces, b"\xff\xd9"])
        (length,) = struct.unpack_from(">H", data, at)
        content = data[at + 2 : at + length]
        if length < 2 or len(content) != length - 2:
            raise ValueError(f"a segment ends beyond the file at byte {at}")
        at += length
        kept = _jpeg_segment(marker, content)
        if kept is not None:
            pieces.append(bytes((0xFF, marker)) + struct.pack(">H", len(kept) + 2) + kept)
        if marker == _SOS:
            end = _AFTER_SCAN.search(data, at)
            if end is None:  # some cameras forget the end, and decoders do not mind
                return b"".join([*pieces, data[at:], b"\xff\xd9"])
            pieces.append(data[at : end.start()])
            at = end.start()


def _jpeg_segment(marker: int, content: bytes) -> bytes | None:
    """What is kept of a segment. None: nothing."""
    match marker:
        case 0xE0:  # JFIF's own thumbnail may show what was cropped away
            return content[:12] + b"\0\0" if content.startswith(b"JFIF\0") else None
        case 0xE2:
            return content if content.startswith(b"ICC_PROFILE\0") else None
        case 0xEE:
            return content[:12] if content.startswith(b"Adobe") else None
    return content if marker in _JPEG_KEPT else None


def _png(data: bytes, orientation: int) -> bytes:
    pieces, at = [data[:8]], 8
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise ValueError(f"a chunk ends beyond the file at byte {at}")
        if kind in _PNG_KEPT:
            pieces.append(data[at:end])
        if kind == b"IHDR" and orientation != 1:
            exif = b"eXIf" + _exif(orientation)
            pieces.append(struct.pack(">I", len(exif) - 4) + exif + _crc(exif))
        if kind == b"IEND":
            return b"".join(pieces)
        at = end


def _webp(data: bytes, orientation: int) -> bytes:
    pieces, extended = [], b""
    (size,) = struct.unpack_from("<I", data, 4)
    for kind, content in _chunks(data, 12, min(len(data), 8 + size)):
        if kind == b"VP8X":
            extended = content
        elif kind in _WEBP_KEPT:
            pieces.append(_chunk(kind, _webp_frame(content) if kind == b"ANMF" else content))
    if extended:
        flags = extended[0] & ~(_WEBP_EXIF | _WEBP_XMP)
        if orientation != 1:
            flags |= _WEBP_EXIF
            pieces.append(_chunk(b"EXIF", _exif(orientation)))
        pieces.insert(0, _chunk(b"VP8X", bytes((flags,)) + extended[1:10]))
    body = b"WEBP" + b"".join(pieces)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _webp_frame(content: bytes) -> bytes:
    """A frame may have chunks of anybody's behind its picture."""
    inside = _chunks(content, 16, len(content))
    return content[:16] + b"".join(_chunk(k, one) for k, one in inside if k in _WEBP_FRAME)


def _chunks(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    while at + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, at)
        content = data[at + 8 : at + 8 + length]
        if len(content) != length:
            raise ValueError(f"a chunk ends beyond the file at byte {at}")
        yield kind, content
        at += 8 + length + length % 2


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", kind, len(content)) + content + b"\0" * (len(content) % 2)


def _gif(data: bytes, _orientation: int) -> bytes:
    at = 13 + _table(data[10])
    pieces = [data[:at]]
    while data[at] != 0x3B:
        start = at
        if data[at] == 0x21:  # an extension
            kind, name = data[at + 1], data[at + 3 : at + 14]
            at = _after_blocks(data, at + 2)
            if kind != 0xF9 and not (kind == 0xFF and name in _GIF_KEPT):
                continue
        elif data[at] == 0x2C:  # a picture
            at = _after_blocks(data, at + 11 + _table(data[at + 9]))
        else:
            raise ValueError(f"no block at byte {at}")
        pieces.append(data[start:at])
    return b"".join([*pieces, b";"])


def _table(flags: int) -> int:
    """Bytes of the colour table that follows."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    while data[at]:
        at += 1 + data[at]
    return at + 1


def _bmp(data: bytes, _orientation: int) -> bytes:
    """It has no metadata. What is appended is left out: the pixels say where they end.

    The header's size of the file is often wrong, so it is written again.
    """
    at, header = struct.unpack_from("<II", data, 10)
    if header == 12:
        width, height, bits, packed = *struct.unpack_from("<HH2xH", data, 18), 0
    else:
        width, height, bits, packed = struct.unpack_from("<ii2xHI", data, 18)
    if packed in (1, 2):  # runs of 8 or 4 bits
        end = _after_runs(data, at, pixels_a_byte=packed)
    else:
        end = at + (width * bits + 31) // 32 * 4 * abs(height)
    if header >= 124 and data[70:74] == b"DEBM":  # a colour profile, embedded
        start, size = struct.unpack_from("<II", data, 126)
        end = max(end, 14 + start + size)
    end = min(end, len(data))  # the padding of the last row may be missing
    return data[:2] + struct.pack("<I", end) + data[6:end]


def _after_runs(data: bytes, at: int, pixels_a_byte: int) -> int:
    """Where run-length encoded pixels end."""
    while True:
        count, value = data[at], data[at + 1]
        at += 2
        if count or not value:  # a run, or the end of a row
            continue
        if value == 1:
            return at
        wide = -(-value // pixels_a_byte)
        at += 2 if value == 2 else wide + wide % 2


def _exif(orientation: int) -> bytes:
    """A TIFF header and one entry."""
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"MM\0*" + struct.pack(">IH", 8, 1) + entry + b"\0\0\0\0"


def _crc(content: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(content))


_RULES: Final[dict[str, Callable[[bytes, int], bytes]]] = {
    "jpeg": _jpeg,
    "png": _png,
    "webp": _webp,
    "gif": _gif,
    "bmp": _bmp,
}
STRIPPED: Final = tuple(_RULES)
"""Formats of which metadata can be taken out."""
