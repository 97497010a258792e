"""Duplicates: present rows with the same bytes, and rows filed under a common key of likeness.

Images are filed in a log of their tenant (`filing_log`). Of tenants from before version 4 of the
table there are items by key as well, which are read beside it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from itertools import chain, islice

from parjanya_dagster.truth.dynamo import codec, keys
from parjanya_dagster.truth.dynamo.base import Base
from parjanya_dagster.truth.dynamo.filings import Filing, code
from parjanya_dagster.truth.models import PRESENT, ImageRow
from parjanya_dagster.truth.store import CROWD

PAGE = 25
BY_KEY = "likeness_by_key"
"""What a tenant has whose images were filed by key before."""


class Likeness(Base):
    """The part of the store that finds duplicates."""

    def twins(
        self,
        tenant: str,
        sha256: Iterable[str],
        limit: int | None = None,
        but: Collection[str] = (),
    ) -> dict[str, list[ImageRow]]:
        hashes = sorted(set(sha256))
        twins = self.wire.each(
            lambda sha: self._twins(tenant, sha, limit, but=frozenset(but)), hashes
        )
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
        self,
        tenant: str,
        sha256: str,
        limit: int | None,
        after: ImageRow | None = None,
        but: Collection[str] = (),
    ) -> list[ImageRow]:
        where = (">", keys.arrival(after)) if after is not None else None
        pages = self.wire.query(keys.twin(tenant, sha256), where, index="twins")
        ids = (item["pk"]["S"].partition("#")[2] for item in pages)
        first: list[ImageRow | None] = []  # in the order of arrival; None: one of `but`
        while page := list(islice(ids, PAGE)):
            asked = self._rows([image_id for image_id in page if image_id not in but])
            rows = {row.image_id: row for row in asked}
            for image_id in page:
                row = rows.get(image_id)
                if image_id in but:
                    first.append(None)
                elif row is not None and row.object_state == PRESENT and row.sha256 == sha256:
                    first.append(row)
            if limit is not None and len(first) >= limit:
                break
        return [row for row in first[:limit] if row is not None]

    def alike(
        self, tenant: str, wanted: Mapping[str, Mapping[str, int]], distance: int
    ) -> dict[str, list[tuple[ImageRow, int]]]:
        codes = {key: code(key) for under in wanted.values() for key in under}
        crowds = self._crowds(tenant, codes)
        near: dict[str, dict[str, int]] = {}
        for image_id, under in wanted.items():
            best = near.setdefault(image_id, {})
            for key, view in under.items():
                for filing in crowds.get(codes[key], ()):
                    apart = ((view ^ filing.view) & (1 << 64) - 1).bit_count()
                    if apart <= distance and filing.image_id != image_id:
                        best[filing.image_id] = min(apart, best.get(filing.image_id, apart))
        others = self._read(sorted({other for best in near.values() for other in best}))
        # Copies lie in the tenant's bucket: whatever one names, nothing of others is told.
        rows = {
            image_id: row
            for image_id, row in ((i, stored.row) for i, stored in others.items())
            if row.object_state == PRESENT and row.tenant == tenant
        }
        return {
            image_id: sorted(
                ((rows[other], apart) for other, apart in best.items() if other in rows),
                key=lambda pair: (pair[0].landed_at, pair[0].image_id),
            )
            for image_id, best in near.items()
        }

    def _crowds(self, tenant: str, codes: Mapping[str, int]) -> dict[int, list[Filing]]:
        """The earliest to land of what is filed under each key, by its code."""
        home = self.wire.get(keys.tenant(tenant)) if codes else None
        if home is None:
            return {}
        found = self.filings.search(tenant, codec.text(home, "bucket"), codes.values(), CROWD)
        if BY_KEY in home or self.adopts:  # they were filed before the others
            by_key = self.wire.each(lambda key: self._by_key(tenant, key, codes[key]), list(codes))
            found = [*chain.from_iterable(by_key), *found]
        first: dict[tuple[int, str], Filing] = {}
        for filing in found:
            first.setdefault((filing.code, filing.image_id), filing)
        crowds: dict[int, list[Filing]] = defaultdict(list)
        for filing in sorted(first.values(), key=lambda one: (one.landed_at, one.image_id)):
            if len(crowd := crowds[filing.code]) < CROWD:
                crowd.append(filing)
        return crowds

    def _by_key(self, tenant: str, key: str, code_: int) -> list[Filing]:
        """What versions before 4 of the table filed: an item for each image and key."""
        return [
            Filing(
                code_,
                float(codec.text(item, "sk").partition("#")[0]),
                codec.text(item, "image_id"),
                codec.number(item, "view"),
            )
            for item in self.wire.query(keys.like(tenant, key), most=CROWD)
        ]
