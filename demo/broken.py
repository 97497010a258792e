"""Files that are not what they seem: truncated, empty, mislabelled, oversized.

Each comes with the only thing that is sure about it: whether it can be curated at all.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Flaw:
    """A broken or misleading file; `failure_class` is None where the file is in fact valid."""

    name: str
    kind: str
    data: bytes
    failure_class: str | None


def flaws(jpeg: bytes, png: bytes, other_png: bytes) -> list[Flaw]:
    """Broken files made from a JPEG of at least 20 kB and two PNGs."""
    half = len(jpeg) // 2
    middle = len(png) // 2
    return [
        Flaw("holiday-truncated.jpg", "truncated JPEG", jpeg[:half], "truncated"),
        Flaw("upload-stopped.jpg", "JPEG cut after its header", jpeg[:640], "truncated"),
        Flaw("chart-truncated.png", "truncated PNG", png[:middle], "truncated"),
        Flaw("empty.jpg", "empty file", b"", "empty"),
        Flaw("notes.jpg", "text called .jpg", b"Buy milk.\nCall the framer.\n", "not_an_image"),
        Flaw("index.png", "HTML called .png",
             b"<!doctype html><title>404</title><h1>Not found</h1>", "unsupported_format"),
        Flaw("random.webp", "noise called .webp", bytes((i * 197 + 31) % 251 for i in range(4096)),
             "not_an_image"),
        Flaw("damaged.png", "PNG with flipped bytes",
             png[:middle] + bytes(b ^ 0x5A for b in png[middle : middle + 64]) + png[middle + 64 :],
             "corrupt"),
        Flaw("bomb.png", "decompression bomb", _bomb(60_000, 60_000), "too_many_pixels"),
        Flaw("really-a-png.jpg", "PNG called .jpg", other_png, None),
    ]  # fmt: skip


def _bomb(width: int, height: int) -> bytes:
    """A valid one-bit PNG of a few hundred kB that unpacks to width x height black pixels.

    A thousand rows are packed once, in a form that may follow itself. All of them would take three
    seconds.
    """
    rows = b"\0" * (1 + (width + 7) // 8) * 1000
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(rows) + packer.flush(zlib.Z_FULL_FLUSH)
    ended = packer.flush()
    checksum = 1
    for _ in range(height // 1000):
        checksum = zlib.adler32(rows, checksum)
    body = b"\x78\xda" + packed * (height // 1000) + ended + struct.pack(">I", checksum)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", body)
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
