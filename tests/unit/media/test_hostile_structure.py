"""Files whose structure points to nowhere are refused with a reason, as all others are."""

from __future__ import annotations

import struct

import pytest

from parjanya_dagster.media import Rejected, validate
from parjanya_dagster.media.exif_block import read as read_exif

FAR = 2**64 - 8  # beyond what Python takes for a place
BIG_TIFF = b"II+\0\x08\0\0\0"


def box(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


def heic(meta: bytes, brand: bytes = b"heic") -> bytes:
    return box(b"ftyp", brand + bytes(4) + b"mif1") + box(b"meta", bytes(4) + meta)


def big_tiff(directory: bytes) -> bytes:
    return BIG_TIFF + struct.pack("<Q", 16) + directory + bytes(64)


STRIPS_FAR_AWAY = struct.pack("<QHHQQQ", 1, 273, 4, 50_000, FAR, 0)
HOSTILE = {
    "tiff: directory far away": BIG_TIFF + struct.pack("<Q", FAR) + bytes(64),
    "tiff: too many entries": big_tiff(struct.pack("<Q", 2**63)),
    "tiff: strips far away": big_tiff(STRIPS_FAR_AWAY),
    "heic: no content": heic(b""),
    "heic: iloc without content": heic(box(b"iloc")),
    "heic: half an iloc": heic(box(b"iloc", b"\1\0\0\0\x44")),
    "heic: pitm without content": heic(box(b"pitm")),
    "heic: ipma without content": heic(box(b"iprp", box(b"ipma"))),
    "avif: iloc without content": heic(box(b"iloc"), b"avif"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_structure_that_points_to_nowhere_is_refused(name: str) -> None:
    with pytest.raises(Rejected) as refused:
        validate(HOSTILE[name])
    assert refused.value.failure_class in ("truncated", "corrupt")


@pytest.mark.parametrize("name", [name for name in HOSTILE if name.startswith("tiff")])
def test_such_exif_says_nothing(name: str) -> None:
    assert read_exif(HOSTILE[name]) == ({}, {}, {})
