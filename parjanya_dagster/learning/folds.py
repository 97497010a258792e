"""Which decisions are held out together. Copies of one picture are, so that none is learned from
its twin. Pure, and the same for the same pictures in whatever order they come.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FOLDS: Final = 5
NEAR: Final = 12  # bits of 64 under which two hashes are held out together


def folds(
    sha256s: Sequence[str], phashes: Sequence[str | None], parts: int = FOLDS
) -> NDArray[np.int64]:
    """The fold of each picture, 0 to parts - 1. Shape: (n,).

    A picture goes with the first, by sha256, whose perceptual hash is near its own. Candidates are
    not confirmed, so some that differ are held out together too. That costs nothing.
    """
    fold = np.zeros(len(sha256s), dtype=np.int64)
    leaders = np.zeros(len(sha256s), dtype=np.uint64)
    names: list[str] = []
    of_bytes: dict[str, str] = {}
    for at in sorted(range(len(sha256s)), key=lambda at: (sha256s[at], phashes[at] or "")):
        sha256 = sha256s[at]
        if sha256 not in of_bytes:
            of_bytes[sha256] = _leader(sha256, phashes[at], leaders, names)
        digest = hashlib.sha256(of_bytes[sha256].encode()).digest()
        fold[at] = int.from_bytes(digest[:8], "big") % parts
    return fold


def _leader(sha256: str, phash: str | None, leaders: NDArray[Any], names: list[str]) -> str:
    if phash is None:
        return sha256
    own = np.uint64(int(phash, 16))
    near = np.flatnonzero(np.bitwise_count(leaders[: len(names)] ^ own) <= NEAR)
    if len(near):
        return names[int(near[0])]
    leaders[len(names)] = own
    names.append(sha256)
    return sha256
