"""The nearest of many vectors: compared as signs first, then exactly. Knows no bucket, no tenant.

Up to `EXACT` vectors are compared one by one. Of more, each has a code: it is turned at random
around the middle of all vectors, and the signs of up to `BITS` of its numbers are kept. The
`CANDIDATES` whose codes differ least are then compared exactly. The turn makes every bit say about
equally much; without it, the few numbers that vary most would count as little as all others.
A million codes are 32 MB, read in milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float16]

EXACT = 20_000
BITS = 256  # of a code
CANDIDATES = 4_000
CHUNK = 1 << 15  # vectors that are compared together: they stay in the processor's cache
SAMPLE = 50_000  # vectors that the middle is taken from
_FAR = np.iinfo(np.uint16).max


class Nearest:
    """Named vectors, in groups that are replaced as a whole. One thread at a time."""

    def __init__(self, dimension: int) -> None:
        self.dimension, self._bits = dimension, min(dimension, BITS)
        self._vectors: Matrix = np.zeros((0, dimension), np.float16)
        self._ids: NDArray[np.bytes_] = np.zeros(0, "S24")
        self._live: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._codes: NDArray[np.uint64] = np.zeros((-(-self._bits // 64), 0), np.uint64)
        self._middle: NDArray[np.float32] = np.zeros(dimension, np.float32)
        self._size = 0  # slots in use
        self._coded = 0  # slots that have a code
        self._centred = 0  # slots there were when the middle was taken
        self._groups: dict[str, tuple[int, int]] = {}  # name -> its slots

    def __len__(self) -> int:
        return sum(last - first for first, last in self._groups.values())

    @property
    def nbytes(self) -> int:
        arrays = (self._vectors, self._ids, self._live, self._codes)
        return sum(array.nbytes for array in arrays)

    def put(self, group: str, ids: Sequence[str], matrix: Matrix) -> None:
        """Add vectors (n, dimension) of unit length, in the place of those of the group."""
        self.drop(group)
        if self._size > 1024 and self._size > 2 * len(self):
            self._compact()
        first, last = self._size, self._size + len(ids)
        self._grow(last)
        self._vectors[first:last] = matrix
        self._ids[first:last] = np.array(ids, "S24")
        self._live[first:last] = True
        self._size = last
        self._groups[group] = (first, last)

    def drop(self, group: str) -> None:
        """Forget a group. One that is not there is forgotten already."""
        first, last = self._groups.pop(group, (0, 0))
        self._live[first:last] = False

    def all(self) -> tuple[NDArray[np.bytes_], Matrix]:
        """Names and vectors (n, dimension), a copy, in the order of the names."""
        slots = np.flatnonzero(self._live[: self._size])
        slots = slots[np.argsort(self._ids[slots], kind="stable")]
        return self._ids[slots], self._vectors[slots]

    def near(self, vector: NDArray[np.float32], n: int) -> list[tuple[str, float]]:
        """Up to n names and their cosine similarities to a vector of unit length, nearest first."""
        slots = self._candidates(vector, max(n, CANDIDATES))
        likeness = np.concatenate(
            [
                self._vectors[slots[at : at + CHUNK]].astype(np.float32) @ vector
                for at in range(0, len(slots), CHUNK)
            ]
            or [np.zeros(0, np.float32)]
        )
        if len(slots) > n:
            best = np.argpartition(-likeness, n - 1)[:n]
            slots, likeness = slots[best], likeness[best]
        order = np.lexsort((self._ids[slots], -likeness))
        return [(self._ids[slots[at]].decode(), float(likeness[at])) for at in order.tolist()]

    def _candidates(self, vector: NDArray[np.float32], n: int) -> NDArray[np.int64]:
        live = self._live[: self._size]
        if len(self) <= max(n, EXACT):
            return np.flatnonzero(live)
        self._code()
        code = self._signs(vector[None])[:, 0]
        apart = np.empty(self._size, np.uint16)
        for at in range(0, self._size, CHUNK):
            end = min(at + CHUNK, self._size)
            apart[at:end] = np.bitwise_count(self._codes[0, at:end] ^ code[0])
            for word in range(1, len(code)):
                apart[at:end] += np.bitwise_count(self._codes[word, at:end] ^ code[word])
        apart[~live] = _FAR
        return np.argpartition(apart, n)[:n]

    def _signs(self, vectors: NDArray[np.floating]) -> NDArray[np.uint64]:
        """Codes (words of 64 bits, n): word by word, so that one word of all is read in a row."""
        turned = (vectors.astype(np.float32) - self._middle) @ self._turn
        bits = np.packbits(turned > 0, axis=1)
        room = len(self._codes) * 8 - bits.shape[1]
        return np.ascontiguousarray(np.pad(bits, ((0, 0), (0, room)))).view(np.uint64).T

    @cached_property
    def _turn(self) -> NDArray[np.float32]:
        """Some axes at right angles to each other: (dimension, bits)."""
        normal = np.random.default_rng(0).normal(size=(self.dimension, self._bits))
        axes: NDArray[np.float32] = np.linalg.qr(normal)[0].astype(np.float32)
        return axes

    def _code(self) -> None:
        """Give a code to all that have none; to all, where the middle is that of far fewer."""
        if self._size >= 2 * self._centred:
            step = max(1, self._size // SAMPLE)
            self._middle = self._vectors[: self._size : step].astype(np.float32).mean(axis=0)
            self._centred, self._coded = self._size, 0
        for at in range(self._coded, self._size, CHUNK):
            end = min(at + CHUNK, self._size)
            self._codes[:, at:end] = self._signs(self._vectors[at:end])
        self._coded = self._size

    def _grow(self, size: int) -> None:
        room = len(self._live)
        if size <= room:
            return
        more = max(size, room + room // 2, 1024)
        for name in ("_vectors", "_ids", "_live"):
            old = getattr(self, name)
            new = np.zeros((more, *old.shape[1:]), old.dtype)
            new[: self._size] = old[: self._size]
            setattr(self, name, new)
        codes = np.zeros((len(self._codes), more), np.uint64)
        codes[:, : self._size] = self._codes[:, : self._size]
        self._codes = codes

    def _compact(self) -> None:
        """Leave no slot to what is gone."""
        groups, at = self._groups, 0
        order = np.concatenate(
            [np.arange(first, last) for first, last in groups.values()] or [np.zeros(0, np.int64)]
        ).astype(np.int64)
        for name in ("_vectors", "_ids", "_live"):
            setattr(self, name, getattr(self, name)[order])
        self._codes = np.zeros((len(self._codes), len(order)), np.uint64)
        for group, (first, last) in groups.items():
            groups[group] = (at, at + last - first)
            at += last - first
        self._size, self._coded, self._centred = len(order), 0, 0
