"""Is the end there? One rule for each container, from its structure alone.

A decoder that is content with less than the file promises would show grey or half a film. Bytes
after the end are nobody's loss: archives, films and makers' notes are appended to sound pictures.
Zeros where coded picture should be are what a broken-off copy leaves on a disk.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from . import isobmff, tiff
from .structure import png_chunks

# Zeros at the end of a WebP's coded picture: flat pictures end in some, one for about 40 blocks of
# 16×16 pixels (measured with libwebp). Twice that is no picture's end.
_ALWAYS_ZEROS: Final = 64
_BLOCKS_PER_ZERO: Final = 20


def is_cut_short(data: bytes, fmt: str) -> bool:
    """True where the end that `fmt` promises is missing."""
    if fmt in ("tiff", "dng", "raw"):
        if data[:4] in tiff.MAGICS:
            return len(data) < 8 or tiff.is_cut_short(data)
        return data[4:8] == b"ftyp" and isobmff.is_cut_short(data)
    rule = _RULES.get(fmt)
    return rule is not None and rule(data)


def jpeg_end_is_missing(data: bytes) -> bool:
    """True without an end marker after the last scan.

    Neither marker can occur inside entropy-coded data. An EXIF thumbnail has both, earlier.
    """
    if data.endswith(b"\xff\xd9"):  # as nearly all do, and looking for more would take a while
        return b"\xff\xda" not in data
    return data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda") or b"\xff\xda" not in data


def jpeg_with_end(data: bytes) -> bytes:
    """The JPEG with an end marker after what was written of it, zeros not counted.

    A decoder tells then whether pixels are missing, or the marker only.
    """
    written = data.rstrip(b"\0")
    if written.endswith(b"\xff"):
        written += b"\0" if len(written) < len(data) else b""
    return written + b"\xff\xd9"


def _png_is_cut_short(data: bytes) -> bool:
    return not any(kind == b"IEND" and at + 4 <= len(data) for kind, at, _ in png_chunks(data))


def _gif_is_cut_short(data: bytes) -> bool:
    """Blocks are walked to the trailer: a GIF promises nothing about its length."""
    try:
        at = 13 + _colours(data[10])
        while True:
            match data[at]:
                case 0x3B:
                    return False
                case 0x21:
                    at = _past_blocks(data, at + 2)
                case 0x2C:
                    at = _past_blocks(data, at + 11 + _colours(data[at + 9]))
                case _:
                    return True
    except IndexError:
        return True


def _colours(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _past_blocks(data: bytes, at: int) -> int:
    while data[at]:
        at += 1 + data[at]
    return at + 1


def _webp_is_cut_short(data: bytes) -> bool:
    if len(data) < 20:
        return True
    end = int(struct.unpack_from("<I", data, 4)[0]) + 8
    if len(data) < end:
        return True
    at, coded = 12, 0
    while at + 8 <= end:
        kind, size = struct.unpack_from("<4sI", data, at)
        if not kind.strip(b"\0"):
            return True  # zeros where a chunk should be
        if kind in (b"VP8 ", b"VP8L", b"ANMF"):
            coded = min(at + 8 + size, end)
        at += 8 + size + size % 2
    most = _ALWAYS_ZEROS + _webp_blocks(data) // _BLOCKS_PER_ZERO
    return coded > most + 12 and not data[coded - most : coded].strip(b"\0")


def _webp_blocks(data: bytes) -> int:
    """Blocks of 16×16 pixels on the canvas."""
    if data[12:16] == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
    elif data[12:16] == b"VP8 " and len(data) >= 30:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    else:
        return 0  # lossless: its coder leaves none
    return (width // 16 + 1) * (height // 16 + 1)


def _bmp_is_cut_short(data: bytes) -> bool:
    if len(data) < 26:
        return True
    return len(data) < int(struct.unpack_from("<I", data, 2)[0])


_RULES: Final[dict[str, Callable[[bytes], bool]]] = {
    "jpeg": jpeg_end_is_missing,
    "png": _png_is_cut_short,
    "gif": _gif_is_cut_short,
    "webp": _webp_is_cut_short,
    "bmp": _bmp_is_cut_short,
    "avif": isobmff.is_cut_short,
    "heic": isobmff.is_cut_short,
}
