"""Formats that are not curated, by name, so that a refusal says what the file is.

Magic numbers are those of the formats' own specifications. Where a format has none (TGA, PCX), its
whole header must make sense, because a wrong name is worse than none.
"""

from __future__ import annotations

import re
import struct
from typing import Final

MAGICS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript drawing"),
    (b"\xc5\xd0\xd3\xc6", "an EPS drawing"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"BZh", "a bzip2 archive"),
    (b"8BPS", "a Photoshop document"),
    (b"gimp xcf ", "a GIMP picture (XCF)"),
    (b"\0\0\x01\0", "a Windows icon"),
    (b"icns", "an Apple icon"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 code stream"),
    (b"II\xbc", "a JPEG XR image"),
    (b"DDS ", "a DirectDraw texture (DDS)"),
    (b"qoif", "a QOI image"),
    (b"\xabKTX 11\xbb\r\n\x1a\n", "a KTX texture"),
    (b"\xabKTX 20\xbb\r\n\x1a\n", "a KTX texture"),
    (b"PVR\x03", "a PVR texture"),
    (b"\x13\xab\xa1\x5c", "an ASTC texture"),
    (b"\x76\x2f\x31\x01", "an OpenEXR image"),
    (b"#?RADIANCE", "a Radiance HDR image"),
    (b"#?RGBE", "a Radiance HDR image"),
    (b"SIMPLE  =", "a FITS image"),
    (b"\x01\xda\0\x01", "an SGI image"),
    (b"\x01\xda\x01\x01", "an SGI image"),
    (b"\x01\xda\0\x02", "an SGI image"),
    (b"\x01\xda\x01\x02", "an SGI image"),
    (b"\x59\xa6\x6a\x95", "a Sun raster image"),
    (b"BPG\xfb", "a BPG image"),
    (b"FLIF", "a FLIF image"),
    (b"farbfeld", "a farbfeld image"),
    (b"AT&TFORM", "a DjVu document"),
    (b"\x8aMNG\r\n\x1a\n", "an MNG animation"),
    (b"\x8bJNG\r\n\x1a\n", "a JNG image"),
    (b"SDPX", "a DPX image"),
    (b"XPDS", "a DPX image"),
    (b"\x80\x2a\x5f\xd7", "a Cineon image"),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile"),
    (b"\x01\0\x09\0\0\x03", "a Windows metafile"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"Paint Shop Pro Image File", "a Paint Shop Pro picture"),
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a Linux program"),
)

_PORTABLE: Final = {
    b"1": "a PBM image",
    b"2": "a PGM image",
    b"3": "a PPM image",
    b"4": "a PBM image",
    b"5": "a PGM image",
    b"6": "a PPM image",
    b"7": "a PAM image",
    b"F": "a PFM image",
    b"f": "a PFM image",
}
_PROLOGUE: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE\s+svg\b[^>\[]*(?:\[.*?\])?\s*>)*",
    re.S,
)
# Each comment is taken once and for all: a file of nothing but comments is read through only once.
_XBM: Final = re.compile(rb"\s*(?:(?>/\*.*?\*/)\s*+)*+#define\s+\w+_width\s+\d+", re.S)


def name_of(data: bytes) -> str | None:
    """What the file is, with its article; None where it is nothing that is known here."""
    for magic, name in MAGICS:
        if data.startswith(magic):
            return name
    return _iff(data) or _portable(data) or _drawing(data) or _by_header(data)


def is_text(data: bytes) -> bool:
    head = data[:4096]
    try:
        text = head.decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        # A multi-byte character may be cut at the end of the window.
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return bool(text) and all(c.isprintable() or c.isspace() for c in text)


def _iff(data: bytes) -> str | None:
    if data[:4] == b"FORM" and data[8:12] in (b"ILBM", b"PBM ", b"RGB8", b"RGBN"):
        return "an Amiga picture (IFF)"
    if data[:4] == b"RIFF" and data[8:12] in (b"AVI ", b"WAVE"):
        return "a film or a sound"
    if data[:4] == b"\0\0\2\0" and data[4:6] != b"\0\0" and data[9:10] == b"\0":
        return "a Windows cursor"
    if data[128:132] == b"DICM":
        return "a DICOM image"
    return None


def _portable(data: bytes) -> str | None:
    if re.match(rb"P[1-7Ff]\s+(?:#[^\n]*\n\s*)*(?:\d|WIDTH)", data[:4096]):
        return _PORTABLE[data[1:2]]
    return None


def _drawing(data: bytes) -> str | None:
    """Pictures that are text: SVG behind whatever XML allows before it, XPM, XBM, HTML."""
    head = data[:65_536]
    prologue = _PROLOGUE.match(head)
    rest = head[prologue.end() if prologue else 0 :]
    if re.match(rb"<(?:\w+:)?svg[\s>/]", rest):
        return "an SVG drawing"
    if re.match(rb"<!DOCTYPE\s+html|<html[\s>]", rest, re.I):
        return "an HTML page"
    if re.match(rb"\s*/\* XPM2? \*/", head) or head.startswith(b"! XPM2"):
        return "an XPM image"
    if _XBM.match(head[:4096]):
        return "an XBM image"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<?xml"):
        return "an XML document"
    return None


def _by_header(data: bytes) -> str | None:
    if len(data) < 18:
        return None
    if data[0] == 0x0A and data[1] in (0, 2, 3, 4, 5) and data[2] <= 1 and len(data) >= 128:
        left, top, right, bottom = struct.unpack_from("<4H", data, 4)
        planes, row = data[65], struct.unpack_from("<H", data, 66)[0]
        sane = data[3] in (1, 2, 4, 8) and left <= right and top <= bottom and data[64] == 0
        if sane and planes in (1, 2, 3, 4) and row and row * 8 >= (right - left + 1) * data[3]:
            return "a PCX image"
    if data.rstrip(b"\0").endswith(b"TRUEVISION-XFILE.") or _is_tga(data):
        return "a TGA image"
    return None


def _is_tga(data: bytes) -> bool:
    """The old kind, without its footer: every field must have one of its few values."""
    palette, kind = data[1], data[2]
    first, colours, colour_bits = struct.unpack_from("<HHB", data, 3)
    width, height, bits, flags = struct.unpack_from("<HHBB", data, 12)
    if kind not in (1, 2, 3, 9, 10, 11) or not width or not height or flags & 0xC0:
        return False
    if palette != (1 if kind in (1, 9) else 0) or flags & 15 not in (0, 1, 8):
        return False
    if palette:
        return bits in (8, 16) and colour_bits in (15, 16, 24, 32) and first < max(colours, 1)
    if (first, colours) != (0, 0) or bits not in ((8, 16) if kind in (3, 11) else (15, 16, 24, 32)):
        return False
    whole = 18 + data[0] + width * height * ((bits + 7) // 8)
    return len(data) >= whole if kind in (2, 3) else len(data) > 18 + data[0]
