"""Which images have a word: an inverted index, in chunks of 65,536 slots.

A chunk of a word holds the slots within it as numbers of two bytes. So a word that a million
images have is read in milliseconds. SQLite's own full-text index answers row by row, and took
1.7 s for that (docs/decisions/0023-the-catalog.md).
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

CHUNK = 1 << 16
_LOCAL = np.dtype("<u2")
_LAST = "\U0010ffff"

Change = Iterable[tuple[int, frozenset[str]]]  # slots, and words of each


class Postings:
    """The index over the connection of a catalog's file. Its caller holds the transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def change(self, come: Change, gone: Change) -> None:
        """Add words to slots, and take words from slots."""
        added, removed = _by_chunk(come), _by_chunk(gone)
        written, deleted = [], []
        for word, chunk in added.keys() | removed.keys():
            slots = np.array(added.get((word, chunk), ()), _LOCAL)
            old = self._connection.execute(
                "SELECT slots FROM postings WHERE word = ? AND chunk = ?", (word, chunk)
            ).fetchone()
            if old is not None:
                kept = np.frombuffer(old[0], _LOCAL)
                if (word, chunk) in removed:
                    kept = np.setdiff1d(kept, np.array(removed[word, chunk], _LOCAL))
                slots = np.concatenate([kept, slots])
            if len(slots):
                written.append((word, chunk, slots.tobytes()))
            else:
                deleted.append((word, chunk))
        self._connection.executemany("INSERT OR REPLACE INTO postings VALUES (?, ?, ?)", written)
        self._connection.executemany("DELETE FROM postings WHERE word = ? AND chunk = ?", deleted)

    def having(self, words: Sequence[str], size: int) -> NDArray[np.bool_]:
        """Which of `size` slots have all these words, of which the last may be a beginning."""
        every = np.ones(size, np.bool_)
        for position, word in enumerate(words):
            last = word + _LAST if position == len(words) - 1 else word
            one = np.zeros(size, np.bool_)
            for chunk, slots in self._connection.execute(
                "SELECT chunk, slots FROM postings WHERE word >= ? AND word <= ?", (word, last)
            ):
                at = np.frombuffer(slots, _LOCAL).astype(np.int64) + chunk * CHUNK
                one[at[at < size]] = True
            every &= one
        return every


def _by_chunk(changes: Change) -> dict[tuple[str, int], list[int]]:
    chunks: dict[tuple[str, int], list[int]] = defaultdict(list)
    for slot, words in changes:
        chunk, local = divmod(slot, CHUNK)
        for word in words:
            chunks[word, chunk].append(local)
    return chunks
