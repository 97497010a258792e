"""What a file is, from its first bytes. Its name is ignored. Knows nothing of decoders."""

from __future__ import annotations

import struct
from typing import Final

from . import foreign
from .errors import Rejected
from .tiff import MAGICS as TIFF_MAGICS
from .tiff import raw_kind

MIME: Final[dict[str, str]] = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "tiff": "image/tiff",
    "bmp": "image/bmp",
    "gif": "image/gif",
    "avif": "image/avif",
    "heic": "image/heic",
    "dng": "image/x-adobe-dng",
    "raw": "image/x-raw",
}

# Raw files of cameras that are no TIFF inside: Fujifilm, Olympus, Panasonic, Sigma, Minolta, Canon.
_RAW_MAGICS: Final = (
    b"FUJIFILMCCD-RAW",
    b"IIRO",
    b"IIRS",
    b"MMOR",
    b"IIU\0",
    b"FOVb",
    b"\0MRM",
    b"II\x1a\0\0\0HEAPCCDR",
)


def sniff(data: bytes) -> str:
    """The format of `data`, a key of `MIME`.

    Raises Rejected: `empty`, `unsupported_format` (known, and not read here) or `not_an_image`.
    """
    if not data:
        raise Rejected("empty", "The file has no bytes.")
    head = data[:32]
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:4] in TIFF_MAGICS:
        return raw_kind(data) or "tiff"
    if head.startswith(_RAW_MAGICS):
        return "raw"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if head[:2] == b"BM" and _is_bmp(data):
        return "bmp"
    name = foreign.name_of(data)
    if name:
        raise Rejected("unsupported_format", f"The file is {name}, which is not curated.")
    if head[4:8] == b"ftyp":
        return _iso_format(data)
    if not data.strip(b"\0"):
        raise Rejected("not_an_image", "The file consists of zero bytes only.")
    kind = "text" if foreign.is_text(data) else "no image format that is known here"
    raise Rejected("not_an_image", f"The content is {kind}, whatever the file is called.")


def _iso_format(data: bytes) -> str:
    """AVIF, HEIC or CR3 by the brands of the ftyp box; films and the rest are refused."""
    size = min(int.from_bytes(data[:4], "big"), len(data), 4096)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, size - 3, 4))}
    if data[8:12] == b"crx ":
        return "raw"
    if brands & {b"avif", b"avis"}:
        return "avif"
    if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}:
        return "heic"
    brand = data[8:12].decode("ascii", "replace").strip()
    raise Rejected("unsupported_format", f"The file is a film or other media of kind {brand!r}.")


def _is_bmp(data: bytes) -> bool:
    """ "BM" alone starts many an English text; the size of the second header decides."""
    if len(data) < 26:
        return False
    return struct.unpack_from("<I", data, 14)[0] in (12, 16, 40, 52, 56, 64, 108, 124)
