"""Duplicates: present rows with the same bytes, and rows filed under a common key of likeness.

Images are filed before the commit that completes their validation, since so many keys would crowd
its transaction. If that commit never comes, a reader finds no evidence of the image. The next try
files the same again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from parjanya_dagster.truth.dynamo import codec, keys
from parjanya_dagster.truth.dynamo.base import Base
from parjanya_dagster.truth.dynamo.codec import Item
from parjanya_dagster.truth.dynamo.keys import Key
from parjanya_dagster.truth.models import PRESENT, ImageRow
from parjanya_dagster.truth.outcomes import Completed
from parjanya_dagster.truth.store import CROWD

PAGE = 25


def filed(row: ImageRow, outcome: Completed) -> dict[Key, Item]:
    """The items that file a row under its keys of likeness."""
    arrival = keys.arrival(row)
    return {
        (keys.like(row.tenant, key), arrival): codec.attributes(
            {"image_id": row.image_id, "view": view}
        )
        for key, view in outcome.likeness.items()
    }


class Likeness(Base):
    """The part of the store that finds duplicates."""

    def twins(
        self, tenant: str, sha256: Iterable[str], limit: int | None = None
    ) -> dict[str, list[ImageRow]]:
        hashes = sorted(set(sha256))
        twins = self.wire.each(lambda sha: self._twins(tenant, sha, limit), hashes)
        return {sha: rows for sha, rows in zip(hashes, twins, strict=True) if rows}

    def twin_ids(
        self, tenant: str, sha256: Iterable[str], limit: int | None = None
    ) -> dict[str, list[str]]:
        """The index lags a moment behind, so the rows themselves are read here too."""
        twins = self.twins(tenant, sha256, limit)
        return {sha: [row.image_id for row in rows] for sha, rows in twins.items()}

    def copies(
        self, tenant: str, sha256: str, after: ImageRow | None = None, limit: int = 1000
    ) -> list[ImageRow]:
        return self._twins(tenant, sha256, limit, after)

    def _twins(
        self, tenant: str, sha256: str, limit: int | None, after: ImageRow | None = None
    ) -> list[ImageRow]:
        where = (">", keys.arrival(after)) if after is not None else None
        pages = self.wire.query(keys.twin(tenant, sha256), where, index="twins")
        ids = (item["pk"]["S"].partition("#")[2] for item in pages)
        rows: list[ImageRow] = []
        while page := list(islice(ids, PAGE)):
            rows += [
                row
                for row in self._rows(page)
                if row.object_state == PRESENT and row.sha256 == sha256
            ]
            if limit is not None and len(rows) >= limit:
                break
        return sorted(rows, key=lambda row: (row.landed_at, row.image_id))[:limit]

    def alike(
        self, tenant: str, wanted: Mapping[str, Mapping[str, int]], distance: int
    ) -> dict[str, list[tuple[ImageRow, int]]]:
        every = sorted({key for under in wanted.values() for key in under})
        crowds = dict(
            zip(every, self.wire.each(lambda k: self._crowd(tenant, k), every), strict=True)
        )
        near: dict[str, dict[str, int]] = {}
        for image_id, under in wanted.items():
            best = near.setdefault(image_id, {})
            for key, view in under.items():
                for other, its_view in crowds[key]:
                    apart = ((view ^ its_view) & (1 << 64) - 1).bit_count()
                    if apart <= distance and other != image_id:
                        best[other] = min(apart, best.get(other, apart))
        others = self._read(sorted({other for best in near.values() for other in best}))
        rows = {i: stored.row for i, stored in others.items() if stored.row.object_state == PRESENT}
        return {
            image_id: sorted(
                ((rows[other], apart) for other, apart in best.items() if other in rows),
                key=lambda pair: (pair[0].landed_at, pair[0].image_id),
            )
            for image_id, best in near.items()
        }

    def _crowd(self, tenant: str, key: str) -> list[tuple[str, int]]:
        items = self.wire.query(keys.like(tenant, key), most=CROWD)
        return [(codec.text(item, "image_id"), codec.number(item, "view")) for item in items]
