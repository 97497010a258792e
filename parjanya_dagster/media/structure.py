"""What the structure of a JPEG or PNG says without decoding: what it carries, how many pictures.

Reads markers, chunks and boxes, never pixels. Every loop is bounded by the length of the file, and
no number from the file is used before it was compared with that length.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from . import tiff

# More blocks of metadata than this carry nothing that a photograph needs.
MAX_METADATA_BLOCKS: Final = 5_000


def metadata_size(data: bytes, fmt: str) -> tuple[int, int]:
    """(bytes, blocks) of everything in a JPEG or PNG that is not needed to draw it.

    Stops counting blocks soon after `MAX_METADATA_BLOCKS`. (0, 0) for other formats, whose
    decoders bound it themselves.
    """
    if fmt == "jpeg":
        blocks: Iterator[tuple[bytes, int, int]] = _jpeg_metadata(data)
    elif fmt == "png":
        blocks = (chunk for chunk in png_chunks(data) if chunk[0] not in _PNG_PICTURE)
    else:
        return 0, 0
    size = count = 0
    for _, _, length in blocks:
        size += length
        count += 1
        if count > MAX_METADATA_BLOCKS:
            break
    return size, count


_PNG_PICTURE: Final = frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND", b"fdAT", b"fcTL"))


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(type, offset of the content, length present) of each chunk of a PNG, up to its IEND."""
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if not kind.isalpha():  # no chunk starts here: damage, or zeros
            return
        yield kind, at + 8, min(length, len(data) - at - 8)
        if kind == b"IEND":
            return
        at += 12 + length


def _jpeg_metadata(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(marker, offset of the content, length) of each APPn and COM segment before the scan."""
    for marker, at, length in _jpeg_segments(data):
        if 0xE0 <= marker[1] <= 0xEF or marker[1] == 0xFE:
            yield marker, at, length


def _jpeg_segments(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(marker, offset of the content, length) of each segment before the scan."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker in (0xDA, 0xD9):
            return
        (length,) = struct.unpack_from(">H", data, at + 2)
        yield data[at : at + 2], at + 4, length - 2
        at += 2 + max(length, 2)


def jpeg_coarseness(data: bytes) -> int:
    """By what a JPEG divides the mean of each block of its first component, times eight.

    So 16 means that means are kept in steps of 2 grey levels. 0 where the file does not say.
    """
    for marker, at, length in _jpeg_segments(data):
        end = min(at + length, len(data))
        while marker == b"\xff\xdb" and at < end:
            wide, table = data[at] >> 4, data[at] & 15
            if table == 0 and at + 3 <= end:
                return int.from_bytes(data[at + 1 : at + 2 + (wide > 0)], "big")
            at += 65 + 64 * (wide > 0)
    return 0


def apng_frames(data: bytes) -> int:
    """Frames of a PNG: above 1 for an animated one (acTL comes before the first IDAT)."""
    for kind, at, length in png_chunks(data):
        if kind == b"acTL" and length >= 8 and at + 4 <= len(data):
            return max(1, int(struct.unpack_from(">I", data, at)[0]))
        if kind == b"IDAT":
            break
    return 1


def mpo_images(data: bytes) -> int:
    """Pictures in a JPEG by CIPA DC-007 (MPO): 1 for an ordinary JPEG.

    Phones write such files too, with a gain or depth map as the second picture.
    """
    for _, at, length in _jpeg_metadata(data):
        if data[at : at + 4] == b"MPF\0":
            try:
                pages = tiff.read(data[at + 4 : at + length]).pages
            except struct.error:
                return 1
            return min(max(1, pages[0].first(0xB001, 1)), 1000) if pages else 1
    return 1
