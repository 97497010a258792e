"""What the structure of a file says without decoding: where it should end, and what it carries.

Reads markers, chunks and boxes, never pixels. Every loop is bounded by the length of the file, and
no number from the file is used before it was compared with that length.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

# More blocks of metadata than this carry nothing that a photograph needs.
MAX_METADATA_BLOCKS: Final = 5_000

_IFD_LIMIT: Final = 64
_ENTRY_LIMIT: Final = 100_000


def is_cut_short(data: bytes, fmt: str) -> bool:
    """True where the end that `fmt` promises is missing."""
    if fmt == "jpeg":
        # Neither marker can occur inside entropy-coded data. An EXIF thumbnail has both, earlier.
        return data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda") or b"\xff\xda" not in data
    if fmt == "png":
        return b"IEND\xaeB`\x82" not in data
    if fmt == "webp":
        return len(data) < 12 or len(data) < int(struct.unpack_from("<I", data, 4)[0]) + 8
    if fmt == "gif":
        return not data.rstrip(b"\0").endswith(b";")
    if fmt == "bmp":
        return len(data) < int(struct.unpack_from("<I", data, 2)[0])
    if fmt in ("tiff", "dng", "raw") and data[:2] in (b"II", b"MM"):
        return _tiff_is_cut_short(data)
    if fmt in ("avif", "heic"):
        return _boxes_are_cut_short(data)
    return False


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
    """(type, offset of the content, length present) of each chunk of a PNG."""
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind, at + 8, min(length, len(data) - at - 8)
        at += 12 + length


def _jpeg_metadata(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(marker, offset of the content, length) of each APPn and COM segment before the scan."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker in (0xDA, 0xD9):
            return
        (length,) = struct.unpack_from(">H", data, at + 2)
        if 0xE0 <= marker <= 0xEF or marker == 0xFE:
            yield data[at : at + 2], at + 4, length - 2
        at += 2 + max(length, 2)


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
                for tag, _, value in _ifd(data[at + 4 : at + length], None):
                    if tag == 0xB001 and value:
                        return min(max(1, value[0]), 1000)
            except struct.error:
                return 1
    return 1


def is_raw(data: bytes) -> str | None:
    """ "dng" or "raw" for a TIFF that is a camera's raw file, None for an ordinary one."""
    if data[8:10] == b"CR" and data[:4] == b"II*\0":
        return "raw"
    raw = False
    try:
        for directory in _directories(data):
            tags = {tag: values for tag, _, values in directory}
            if 50706 in tags:  # DNGVersion
                return "dng"
            # Photometric interpretations of colour filter arrays and of linear raw.
            raw = raw or tags.get(262, (0,))[:1] in ((32803,), (34892,))
            # Compressions of Sony, Nikon, Kodak, Pentax and Samsung.
            raw = raw or tags.get(259, (0,))[:1] in ((32767,), (34713,), (65000,), (65535,))
    except struct.error:
        pass
    return "raw" if raw else None


def _tiff_is_cut_short(data: bytes) -> bool:
    """True where a directory of a classic TIFF, or a strip or tile of it, lies outside the file."""
    if len(data) < 8:
        return True
    if data[2:4] not in (b"*\0", b"\0*"):
        return False
    try:
        for directory in _directories(data):
            tags = {tag: values for tag, _, values in directory}
            offsets = tags.get(273) or tags.get(324) or ()
            lengths = tags.get(279) or tags.get(325) or ()
            ends = (at + length for at, length in zip(offsets, lengths, strict=False))
            if max(ends, default=0) > len(data):
                return True
    except struct.error:  # a read beyond the end
        return True
    return False


def _directories(data: bytes) -> Iterator[list[tuple[int, int, tuple[int, ...]]]]:
    """The directories of a classic TIFF: the first, those after it, and their SubIFDs."""
    order = "<" if data[:2] == b"II" else ">"
    waiting = list(struct.unpack_from(order + "I", data, 4))
    seen: set[int] = set()
    while waiting and len(seen) < _IFD_LIMIT:
        at = waiting.pop(0)
        if at in seen or at == 0:
            continue
        seen.add(at)
        directory = _ifd(data, at)
        yield directory
        for tag, _, values in directory:
            if tag == 330:
                waiting.extend(values)
        end = at + 2 + 12 * struct.unpack_from(order + "H", data, at)[0]
        waiting.extend(struct.unpack_from(order + "I", data, end))


def _ifd(data: bytes, at: int | None) -> list[tuple[int, int, tuple[int, ...]]]:
    """(tag, type, integer values) of one directory. Raises struct.error beyond the end."""
    order = "<" if data[:2] == b"II" else ">"
    if at is None:
        (at,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, at)
    entries = []
    for index in range(count):
        entry = at + 2 + 12 * index
        tag, kind, number, value = struct.unpack_from(order + "HHII", data, entry)
        values: tuple[int, ...] = ()
        if kind in (1, 3, 4, 13) and 0 < number <= _ENTRY_LIMIT:
            size, code = {1: (1, "B"), 3: (2, "H")}.get(kind, (4, "I"))
            start = entry + 8 if number * size <= 4 else value
            # Only the tags that are asked for need their values.
            if number * size <= 4 or tag in (273, 279, 324, 325, 330):
                values = struct.unpack_from(f"{order}{number}{code}", data, start)
        entries.append((tag, kind, values))
    return entries


def _boxes_are_cut_short(data: bytes) -> bool:
    """True where the last top-level box of an ISO media file ends beyond the file."""
    at = 0
    while at + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        if size == 0:  # reaches to the end, wherever that is
            return False
        if size == 1:
            if at + 16 > len(data):
                return True
            (size,) = struct.unpack_from(">Q", data, at + 8)
        if size < 8:
            return False
        at += size
    return at > len(data)
