"""Dagster's partition keys in its order: read completely once, then only what was added.

Dagster takes some 25 ms to list ten thousand keys, and a tick of the reconciler needs them several
times.
"""

from __future__ import annotations

from dagster import DagsterInstance
from dagster._core.types.pagination import StorageIdCursor

from parjanya_dagster.belief.tags import PARTITIONS

_PAGE = 10_000


class KeyOrder:
    """The keys as they were at the last `read`, for as long as one tick lasts.

    A list that was wiped or replaced is noticed, because the last known key must still be in its
    place. A single key that was deleted by hand is noticed at the next tick.
    """

    def __init__(self, instance: DagsterInstance) -> None:
        self._instance = instance
        self._keys: dict[str, None] = {}
        self._last = -1  # storage id of the last key

    def read(self) -> tuple[str, ...]:
        """All keys, oldest first. Raises whatever Dagster's storage raises."""
        if self._keys:
            page, last = self._after(self._last - 1)
            if not page or page[0] != next(reversed(self._keys)):
                self._keys, self._last = {}, -1
            else:
                self._add(page[1:], last)
        while True:
            page, last = self._after(self._last)
            if not page:
                return tuple(self._keys)
            self._add(page, last)

    def _add(self, page: list[str], last: int) -> None:
        for key in page:
            self._keys.pop(key, None)  # deleted and added again: it stands last now
            self._keys[key] = None
        self._last = last

    def _after(self, storage_id: int) -> tuple[list[str], int]:
        page = self._instance.get_paginated_dynamic_partitions(
            PARTITIONS, limit=_PAGE, ascending=True,
            cursor=StorageIdCursor(storage_id=storage_id).to_string(),
        )  # fmt: skip
        return list(page.results), StorageIdCursor.from_cursor(page.cursor).storage_id
