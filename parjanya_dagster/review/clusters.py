"""Images that look alike, in groups. Each one of a group looks like its first.

Hashes find candidates and recorded thumbnails decide, as for duplicates (docs/duplicates.md): so
nothing is decoded. Asks for evidence of candidates alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from parjanya_dagster import media
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.store import EvidenceLog

_Looks = tuple[str, tuple[int, ...]]


def clusters(store: EvidenceLog, rows: Sequence[ImageRow]) -> list[list[ImageRow]]:
    """Groups in the order of their first images, each in the order of `rows`."""
    hashes = {row.image_id: int(row.phash, 16) for row in rows if row.phash}
    likeness = _likeness(store, [row for row in rows if _has_candidate(row, rows, hashes)])
    groups: list[list[ImageRow]] = []
    for row in rows:
        for group in groups:
            if _alike(group[0], row, hashes, likeness):
                group.append(row)
                break
        else:
            groups.append([row])
    return groups


def _alike(
    first: ImageRow,
    row: ImageRow,
    hashes: Mapping[str, int],
    likeness: Mapping[str, Mapping[str, Any]],
) -> bool:
    if first.sha256 is not None and first.sha256 == row.sha256:
        return True
    if not _near(first, row, hashes):
        return False
    this, that = likeness.get(first.image_id), likeness.get(row.image_id)
    if not this or not that or not this.get("views") or not that.get("views"):
        return False  # too flat to be recognised, or recorded before likeness was
    return _same(_looks(this), _looks(that))


def _near(one: ImageRow, other: ImageRow, hashes: Mapping[str, int]) -> bool:
    a, b = hashes.get(one.image_id), hashes.get(other.image_id)
    return a is not None and b is not None and (a ^ b).bit_count() <= media.NEAR


def _has_candidate(row: ImageRow, rows: Sequence[ImageRow], hashes: Mapping[str, int]) -> bool:
    return any(other is not row and _near(row, other, hashes) for other in rows)


def _likeness(store: EvidenceLog, rows: Sequence[ImageRow]) -> dict[str, Mapping[str, Any]]:
    found = store.evidence(rows, ("validated",)) if rows else {}
    return {
        image_id: stages["validated"].body.get("likeness") or {}
        for image_id, stages in found.items()
        if "validated" in stages
    }


def _looks(seen: Mapping[str, Any]) -> _Looks:
    """What a comparison reads of a likeness: a border or a caption too."""
    return str(seen["thumbnail"]), tuple(seen.get("content") or ())


@lru_cache(4096)  # a page asks again after each decision
def _same(one: _Looks, other: _Looks) -> bool:
    this, that = (
        {"thumbnail": thumbnail, "content": content or None} for thumbnail, content in (one, other)
    )
    return media.alike(this, that).same
