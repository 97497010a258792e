"""Images under their keys of likeness, many in one block of bytes, and the search in it. Pure.

An image has some 45 keys. As items of their own each would cost a write unit, however short it is.
A block is six arrays, so that a million keys are compared in milliseconds:

| array | of each | |
|---|---|---|
| `ids` | image | 12 bytes: its id |
| `landed` | image | when it landed |
| `views_of` | image | how many hashes follow |
| `views` | view | a hash of 64 bits |
| `keys_of` | view | how many keys follow |
| `keys` | key | 32 bits: `code` |
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VERSION = 1
_HEAD = struct.Struct("<4sIIII")  # mark, version, images, views, keys
_MARK = b"like"
_ID = 12  # bytes of an image id
_MOST_KEYS = 255  # of one view: the next ones go with the same view again
_EXACT = re.compile(r"[0-9a-f]{6}")
_SIEVE = (1 << 20) - 1


class Filing(NamedTuple):
    """An image as it was filed under one key."""

    code: int
    landed_at: float
    image_id: str
    view: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Filings:
    """A block. The arrays are those of the table above."""

    ids: NDArray[np.uint8]  # (images, 12)
    landed: NDArray[np.float64]
    views_of: NDArray[np.uint16]
    views: NDArray[np.int64]
    keys_of: NDArray[np.uint8]
    keys: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.landed)


def code(key: str) -> int:
    """A key in 32 bits: exactly, if it is one of `media.likeness_keys`. Of others their CRC."""
    if _EXACT.fullmatch(key):
        return int(key, 16)
    return (1 << 24) + zlib.crc32(key.encode()) % ((1 << 32) - (1 << 24))


def of_images(images: Sequence[tuple[str, float, Mapping[str, int]]]) -> Filings:
    """The block of images: of each its id, when it landed, and its keys with their hashes."""
    import numpy as np

    views_of: list[int] = []
    views: list[int] = []
    keys_of: list[int] = []
    keys: list[int] = []
    for _, _, likeness in images:
        under: dict[int, list[int]] = {}
        for key, view in likeness.items():
            under.setdefault(view, []).append(code(key))
        before = len(views)
        for view, codes in under.items():
            for start in range(0, len(codes), _MOST_KEYS):
                some = codes[start : start + _MOST_KEYS]
                views.append(view)
                keys_of.append(len(some))
                keys += some
        views_of.append(len(views) - before)
    raw = b"".join(bytes.fromhex(image_id) for image_id, _, _ in images)
    return Filings(
        ids=np.frombuffer(raw, np.uint8).reshape(len(images), _ID),
        landed=np.array([landed for _, landed, _ in images], np.float64),
        views_of=np.array(views_of, np.uint16),
        views=np.array(views, np.int64),
        keys_of=np.array(keys_of, np.uint8),
        keys=np.array(keys, np.uint32),
    )


def joined(blocks: Sequence[Filings]) -> Filings:
    """One block of several, in their order."""
    import numpy as np

    return Filings(
        ids=np.concatenate([one.ids for one in blocks]),
        landed=np.concatenate([one.landed for one in blocks]),
        views_of=np.concatenate([one.views_of for one in blocks]),
        views=np.concatenate([one.views for one in blocks]),
        keys_of=np.concatenate([one.keys_of for one in blocks]),
        keys=np.concatenate([one.keys for one in blocks]),
    )


def packed(block: Filings) -> bytes:
    """The bytes of a block: 285 of an image with 9 views and 45 keys."""
    head = _HEAD.pack(_MARK, VERSION, len(block), len(block.views), len(block.keys))
    arrays = (block.ids, block.landed, block.views_of, block.views, block.keys_of, block.keys)
    return head + b"".join(array.tobytes() for array in arrays)


def unpacked(data: bytes) -> Filings:
    """The block of these bytes. Raises ValueError where they are none."""
    import numpy as np

    if len(data) < _HEAD.size:
        raise ValueError("This is no block of likeness: it is too short.")
    mark, version, images, views, keys = _HEAD.unpack_from(data)
    sizes = (images * _ID, images * 8, images * 2, views * 8, views, keys * 4)
    if (mark, version) != (_MARK, VERSION) or _HEAD.size + sum(sizes) != len(data):
        raise ValueError("This is no block of likeness of this version.")
    ends = np.cumsum((_HEAD.size, *sizes)).tolist()
    cut = [data[start:end] for start, end in pairwise(ends)]
    block = Filings(
        ids=np.frombuffer(cut[0], np.uint8).reshape(images, _ID),
        landed=np.frombuffer(cut[1], np.float64),
        views_of=np.frombuffer(cut[2], np.uint16),
        views=np.frombuffer(cut[3], np.int64),
        keys_of=np.frombuffer(cut[4], np.uint8),
        keys=np.frombuffer(cut[5], np.uint32),
    )
    counted = int(block.views_of.sum(dtype=np.int64)), int(block.keys_of.sum(dtype=np.int64))
    if counted != (views, keys):
        raise ValueError("This is no block of likeness: its counts do not agree.")
    return block


def found(block: Filings, codes: Iterable[int], most: int) -> list[Filing]:
    """What is filed under these keys, of each key the `most` images that landed first.

    An image counts once, as it was filed first: its commit may have failed often.
    """
    import numpy as np

    wanted = np.unique(np.fromiter(codes, np.uint32))
    sieve = np.zeros(_SIEVE + 1, bool)
    sieve[wanted & _SIEVE] = True
    perhaps = np.flatnonzero(sieve[block.keys & _SIEVE])
    hits = perhaps[np.isin(block.keys[perhaps], wanted)]
    if not len(hits):
        return []
    view = np.searchsorted(np.cumsum(block.keys_of, dtype=np.int64), hits, side="right")
    image = np.searchsorted(np.cumsum(block.views_of, dtype=np.int64), view, side="right")
    under = block.keys[hits]
    names = block.ids[image].copy().view(f"S{_ID}").ravel()
    order = np.lexsort((names, block.landed[image], under))
    under, view, image, names = under[order], view[order], image[order], names[order]
    new = np.concatenate(([True], (under[1:] != under[:-1]) | (names[1:] != names[:-1])))
    under, view, image = under[new], view[new], image[new]
    first = np.flatnonzero(np.concatenate(([True], under[1:] != under[:-1])))
    place = np.arange(len(under)) - np.repeat(first, np.diff(first, append=len(under)))
    early = np.flatnonzero(place < most)
    return [
        Filing(int(under[n]), float(block.landed[image[n]]), block.ids[image[n]].tobytes().hex(),
               int(block.views[view[n]]))
        for n in early.tolist()
    ]  # fmt: skip
