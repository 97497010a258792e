"""What programs keep in the chunks of a PNG: EXIF, also as hexadecimal digits, XMP, an orientation.

ImageMagick and its kin wrote EXIF so before the chunk eXIf was agreed on, and still do.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .structure import png_chunks

_LONGEST: Final = 1 << 20
_CHUNK: Final = b"eXIf"
_EXIF_NAMES: Final = (b"Raw profile type exif", b"Raw profile type APP1")


@dataclass(frozen=True, kw_only=True)
class PngText:
    exif: bytes | None = None
    xmp: bytes | None = None
    orientation: int | None = None


def read(data: bytes) -> PngText:
    """Texts that are too long, or no texts, count as absent."""
    exif = xmp = orientation = None
    for name, text in _texts(data):
        if name == _CHUNK:
            exif = text
        elif name in _EXIF_NAMES:
            exif = exif or _block(text)
        elif name == b"XML:com.adobe.xmp":
            xmp = xmp or text
        elif name in (b"exif:Orientation", b"Orientation") and text.strip() in _TURNS:
            orientation = orientation or int(text)
    return PngText(exif=exif, xmp=xmp, orientation=orientation)


_TURNS: Final = tuple(b"%d" % turn for turn in range(1, 9))


def _texts(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    for kind, at, length in png_chunks(data):
        if length > _LONGEST:
            continue
        if kind == _CHUNK:  # libpng tells of it only where it lies before the picture
            yield _CHUNK, data[at : at + length]
        if kind not in (b"tEXt", b"zTXt", b"iTXt"):
            continue
        name, _, rest = data[at : at + length].partition(b"\0")
        packed = kind == b"zTXt"
        if kind == b"zTXt":
            rest = rest[1:]
        elif kind == b"iTXt":
            packed, rest = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
        if packed:
            if name not in _EXIF_NAMES and not name.startswith(b"XML"):
                continue  # left packed: nothing here wants it
            unpacker = zlib.decompressobj()
            try:
                rest = unpacker.decompress(rest, _LONGEST)
            except zlib.error:
                continue
            if unpacker.unconsumed_tail:
                continue
        yield name, rest


def _block(text: bytes) -> bytes | None:
    """The EXIF block of "\\nexif\\n    LENGTH\\nHEX…"."""
    lines = text.split(None, 2)
    if len(lines) < 3:
        return None
    try:
        block = bytes.fromhex(lines[2].decode("ascii"))
    except ValueError:
        return None
    return block if block[:6] == b"Exif\0\0" or block[:2] in (b"II", b"MM") else None
