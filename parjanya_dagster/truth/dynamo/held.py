"""Rows under a lease that this process took, as it wrote them. Who commits need not read them.

What is kept here may be out of date. A write that is built on it has the conditions of any other.
So it fails where somebody changed the row meanwhile, and then the row is read.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from parjanya_dagster.truth.dynamo import changes
from parjanya_dagster.truth.dynamo.changes import Stored
from parjanya_dagster.truth.dynamo.codec import Item
from parjanya_dagster.truth.dynamo.wire import Add, Delete, Write
from parjanya_dagster.truth.outcomes import Claim

KEPT = 10_000  # rows, of some 2 KB each


class Held:
    """The items of rows that were leased here last. Threads may share it."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._items: dict[str, Item] = {}  # by image id, the oldest first
        self._lock = threading.Lock()

    def note(self, writes: Sequence[Write]) -> None:
        """Remember leased rows that were written, and forget those that were given back."""
        with self._lock:
            for write in writes:
                image_id, sk = write.key[0].partition("#")[2], write.key[1]
                if sk != "row" or isinstance(write, Delete):
                    continue
                if isinstance(write, Add):
                    if image_id in self._items:  # its lease was prolonged
                        self._items[image_id] = {**self._items[image_id], **write.sets}
                    continue
                self._items.pop(image_id, None)
                if "lease_owner" in write.item:
                    self._items[image_id] = write.item
            while len(self._items) > self._kept:
                del self._items[next(iter(self._items))]

    def of(self, claims: Mapping[str, Claim]) -> dict[str, Stored]:
        """The rows of these claims, by image id, where they are known as their claims have them."""
        with self._lock:
            items = {i: self._items[i] for i in claims if i in self._items}
        known = {image_id: changes.stored_of(item) for image_id, item in items.items()}
        return {i: stored for i, stored in known.items() if holds(claims[i], stored)}


def holds(claim: Claim, stored: Stored) -> bool:
    """Whether a row is still in the hands of who claimed it."""
    return (stored.row.fence, stored.row.lease_owner) == (claim.row.fence, claim.owner)
