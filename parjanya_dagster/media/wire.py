"""Messages between a `DecoderPool` and its children: a JSON header, then byte strings.

JSON and bounded lengths, never pickle: a child that a hostile image has taken over must not be
able to run code in its parent.
"""

from __future__ import annotations

import json
import os
import struct
from typing import Any, BinaryIO, Final

_PREFIX: Final = struct.Struct(">II")  # lengths of the header and of the list of blob lengths
LONGEST_HEADER: Final = 4 * 1024 * 1024
LONGEST_BLOB: Final = 64 * 1024 * 1024
"""Bytes of an answer's part: previews have at most a few million."""


class BrokenMessage(Exception):
    """The bytes on a pipe are no message."""


def packed(header: dict[str, Any], *blobs: bytes) -> list[bytes]:
    """The parts of a message, to be written one after the other."""
    text = json.dumps(header, allow_nan=False).encode()
    sizes = struct.pack(f">{len(blobs)}Q", *map(len, blobs))
    return [_PREFIX.pack(len(text), len(sizes)) + text + sizes, *blobs]


class Parser:
    """Grows a message from pieces as they arrive."""

    def __init__(self) -> None:
        self._pieces = bytearray()

    def feed(self, piece: bytes) -> tuple[dict[str, Any], list[bytes]] | None:
        """The message once it is whole, else None. Raises BrokenMessage."""
        self._pieces += piece
        data = self._pieces
        if len(data) < _PREFIX.size:
            return None
        text_length, sizes_length = _PREFIX.unpack_from(data)
        if text_length > LONGEST_HEADER or sizes_length > 64 or sizes_length % 8:
            raise BrokenMessage("a length is out of bounds")
        start = _PREFIX.size + text_length + sizes_length
        if len(data) < start:
            return None
        sizes = struct.unpack_from(f">{sizes_length // 8}Q", data, _PREFIX.size + text_length)
        if any(size > LONGEST_BLOB for size in sizes):
            raise BrokenMessage("a length is out of bounds")
        if len(data) < start + sum(sizes):
            return None
        try:
            text = bytes(data[_PREFIX.size : _PREFIX.size + text_length])
            header = json.loads(text, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise BrokenMessage("the header is no JSON") from error
        if not isinstance(header, dict):
            raise BrokenMessage("the header is no object")
        blobs = []
        for size in sizes:
            blobs.append(bytes(data[start : start + size]))
            start += size
        return header, blobs


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


def send(pipe: int, header: dict[str, Any], *blobs: bytes) -> None:
    """Write a message to a blocking pipe."""
    for part in packed(header, *blobs):
        view = memoryview(part)
        while view:
            view = view[os.write(pipe, view) :]


def receive(stream: BinaryIO) -> tuple[dict[str, Any], list[bytes]] | None:
    """Read a message from a buffered stream that is trusted; None where it ends."""
    prefix = stream.read(_PREFIX.size)
    if len(prefix) < _PREFIX.size:
        return None
    text_length, sizes_length = _PREFIX.unpack(prefix)
    header = json.loads(stream.read(text_length))
    sizes = struct.unpack(f">{sizes_length // 8}Q", stream.read(sizes_length))
    # A buffered read of a known length fills its bytes in place: no image is copied twice.
    blobs = [stream.read(size) for size in sizes]
    whole = all(len(blob) == size for blob, size in zip(blobs, sizes, strict=True))
    return (header, blobs) if whole else None
