"""Mutated real files through the pool: every one has an outcome, and none costs more than itself.

Seeded: a failure names the seed and the mutation that led to it. FUZZ_MUTATIONS asks for
more of them, FUZZ_SEED for others.
"""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest
from PIL import Image
from test_formats import dng, heic

from parjanya_dagster.media import FAILURE_CLASSES, DecoderPool, Limits, Rejected, Validated

MUTATIONS = int(os.environ.get("FUZZ_MUTATIONS", "400"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))


@pytest.fixture(scope="module")
def originals(photo, encode) -> dict[str, bytes]:
    small = photo.resize((160, 120))
    turned = [small.rotate(90), small.rotate(180)]
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 12.0, 0.0)})
    return {
        "jpeg": encode(small, "JPEG", exif=exif),
        "progressive": encode(small, "JPEG", progressive=True),
        "cmyk": encode(small.convert("CMYK"), "JPEG"),
        "mpo": encode(small, "MPO", save_all=True, append_images=turned),
        "png": encode(small, "PNG", exif=exif),
        "palette": encode(small.convert("P"), "PNG"),
        "apng": encode(small, "PNG", save_all=True, append_images=turned),
        "webp": encode(small, "WEBP", exif=exif),
        "animated webp": encode(small, "WEBP", save_all=True, append_images=turned),
        "gif": encode(small, "GIF", save_all=True, append_images=turned),
        "tiff": encode(small, "TIFF", compression="tiff_lzw"),
        "jpeg in tiff": encode(small, "TIFF", compression="jpeg"),
        "bmp": encode(small, "BMP"),
        "avif": encode(small, "AVIF"),
        "heic": heic(small),
        "dng": dng(small),
    }


def mutated(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """One to four wounds, half of them near the start, where the headers are."""
    wounded = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        reach = len(wounded) if chance.random() < 0.5 else min(len(wounded), 400)
        at = chance.randrange(max(1, reach))
        length = chance.choice((1, 1, 2, 4, 16, 200))
        match chance.randrange(7):
            case 0:
                wounded[at : at + length] = chance.randbytes(length)
            case 1:
                wounded[at : at + 4] = chance.choice(
                    (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0")
                )
            case 2:
                del wounded[at : at + length]
            case 3:
                wounded[at:at] = wounded[at : at + length] * chance.choice((1, 2, 50))
            case 4:
                del wounded[max(1, at) :]
            case 5:
                other = chance.choice(others)
                wounded[at : at + length] = other[at : at + length]
            case 6:
                if wounded:
                    wounded[at % len(wounded)] ^= 1 << chance.randrange(8)
    return bytes(wounded)


def test_every_mutation_has_an_outcome(originals):
    chance = random.Random(SEED)
    names = list(originals)
    picked = [chance.choice(names) for _ in range(MUTATIONS)]
    files = [mutated(originals[name], list(originals.values()), chance) for name in picked]
    limits = Limits(max_pixels=4_000_000, max_frames=100)

    with DecoderPool(2, deadline_s=10, memory_bytes=512 * 1024**2) as pool:
        outcomes = pool.validate_many(files, limits)
        peak = pool.peak_memory_bytes / 1e6
        unharmed = pool.validate_many(originals.values(), limits)

    assert [type(outcome) for outcome in unharmed] == [Validated] * len(originals)
    counts: Counter[str] = Counter()
    for index, outcome in enumerate(outcomes):
        where = f"seed {SEED}, mutation {index} of a {picked[index]}"
        assert isinstance(outcome, (Validated, Rejected)), where
        if isinstance(outcome, Rejected):
            assert outcome.failure_class in FAILURE_CLASSES, where
            counts[outcome.failure_class] += 1
            # A decoder may die; one that raises what nobody foresaw is a hole in our own code.
            assert "failed on this image" not in outcome.reason, f"{where}: {outcome.reason}"
        else:
            counts["accepted"] += 1
    print(f"{dict(counts)}; peak memory of a decoder {peak:.0f} MB")
    assert 0 < peak < 700
    assert counts["accepted"] < len(files) > 0
