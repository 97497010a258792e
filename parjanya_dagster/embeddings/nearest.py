"""The nearest of many vectors: compared as signs first, then exactly. Knows no bucket, no tenant.

Up to `EXACT` vectors are compared one by one. Of more, each has a code: the signs of its numbers,
from the middle of all vectors. The `CANDIDATES` whose codes differ least are then compared exactly.
A code has one bit for each number, so a million of 256 numbers are 32 MB, read in milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float16]

EXACT = 20_000
CANDIDATES = 4_000
CHUNK = 1 << 15  # vectors that are compared together: they stay in the processor's cache
SAMPLE = 50_000  # vectors that the middle is taken from
_FAR = np.iinfo(np.uint16).max


class Nearest:
    """Named vectors, in groups that are replaced as a whole. One thread at a time."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._vectors: Matrix = np.zeros((0, dimension), np.float16)
        self._ids: NDArray[np.bytes_] = np.zeros(0, "S24")
        self._live: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._codes: NDArray[np.uint64] = np.zeros((0, -(-dimension // 64)), np.uint64)
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
        order = np.lexsort((self._ids[slots], -likeness))[:n]
        return [(self._ids[slots[at]].decode(), float(likeness[at])) for at in order.tolist()]

    def _candidates(self, vector: NDArray[np.float32], n: int) -> NDArray[np.int64]:
        live = self._live[: self._size]
        if len(self) <= max(n, EXACT):
            return np.flatnonzero(live)
        self._code()
        code = self._signs(vector[None])[0]
        apart = np.empty(self._size, np.uint16)
        for at in range(0, self._size, CHUNK):
            differing = self._codes[at : min(at + CHUNK, self._size)] ^ code
            apart[at : at + CHUNK] = np.bitwise_count(differing).sum(axis=1, dtype=np.uint16)
        apart[~live] = _FAR
        return np.argpartition(apart, n)[:n]

    def _signs(self, vectors: NDArray[np.floating]) -> NDArray[np.uint64]:
        bits = np.packbits(vectors > self._middle, axis=1)
        room = self._codes.shape[1] * 8 - bits.shape[1]
        return np.ascontiguousarray(np.pad(bits, ((0, 0), (0, room)))).view(np.uint64)

    def _code(self) -> None:
        """Give a code to all that have none; to all, where the middle is that of far fewer."""
        if self._size >= 2 * self._centred:
            step = max(1, self._size // SAMPLE)
            self._middle = self._vectors[: self._size : step].astype(np.float32).mean(axis=0)
            self._centred, self._coded = self._size, 0
        for at in range(self._coded, self._size, CHUNK):
            end = min(at + CHUNK, self._size)
            self._codes[at:end] = self._signs(self._vectors[at:end])
        self._coded = self._size

    def _grow(self, size: int) -> None:
        room = len(self._live)
        if size <= room:
            return
        more = max(size, room + room // 2, 1024)
        for name in ("_vectors", "_ids", "_live", "_codes"):
            old = getattr(self, name)
            new = np.zeros((more, *old.shape[1:]), old.dtype)
            new[: self._size] = old[: self._size]
            setattr(self, name, new)

    def _compact(self) -> None:
        """Leave no slot to what is gone."""
        groups, at = self._groups, 0
        order = np.concatenate(
            [np.arange(first, last) for first, last in groups.values()] or [np.zeros(0, np.int64)]
        ).astype(np.int64)
        for name in ("_vectors", "_ids", "_live"):
            setattr(self, name, getattr(self, name)[order])
        self._codes = np.zeros((len(order), self._codes.shape[1]), np.uint64)
        for group, (first, last) in groups.items():
            groups[group] = (at, at + last - first)
            at += last - first
        self._size, self._coded, self._centred = len(order), 0, 0
