"""Images that look alike, in groups. Each one of a group looks like its first, or has its bytes.

Keys of hashes find candidates and recorded thumbnails decide, as for duplicates
(docs/duplicates.md). So crops and mirror images are found too, and nothing is decoded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from parjanya_dagster import media
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.store import EvidenceLog

CROWD = 32  # candidates that are compared: the nearest. Pages of one layout are many
REMEMBERED = 4096  # images whose look is kept: a page asks again after each decision
_Looks = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class _Look:
    """What was recorded of how an image looks."""

    filed: Mapping[str, int]  # key of likeness -> hash
    looks: _Looks  # what a comparison reads: the small picture, and where its content lies


@dataclass(slots=True)
class _Groups:
    """Groups so far, with their first images filed."""

    groups: list[list[ImageRow]] = field(default_factory=list)
    looks: list[_Looks | None] = field(default_factory=list)  # of the first image of each
    bytes: dict[str, int] = field(default_factory=dict)  # sha256 -> group
    filed: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, row: ImageRow, look: _Look | None) -> None:
        place = self.bytes.get(row.sha256) if row.sha256 else None
        if place is None and look is not None:
            place = self._alike(look)
        if place is None:
            place = len(self.groups)
            self.groups.append([])
            self.looks.append(look.looks if look else None)
            for key, hashed in look.filed.items() if look else ():
                self.filed[key].append((place, hashed))
        self.groups[place].append(row)
        if row.sha256:
            self.bytes.setdefault(row.sha256, place)

    def _alike(self, look: _Look) -> int | None:
        """The earliest group among the nearest whose first image shows the same picture."""
        nearest: dict[int, int] = {}
        for key, hashed in look.filed.items():
            for place, other in self.filed.get(key, ()):
                apart = media.likeness_apart(hashed, other)
                if apart <= media.NEAR:
                    nearest[place] = min(apart, nearest.get(place, apart))
        near = sorted(nearest, key=lambda place: (nearest[place], place))[:CROWD]
        for place in sorted(near):
            first = self.looks[place]
            if first is not None and _same(first, look.looks):
                return place
        return None


def clusters(store: EvidenceLog, rows: Sequence[ImageRow]) -> list[list[ImageRow]]:
    """Groups in the order of their first images, each in the order of `rows`."""
    found = _Groups()
    looks = _looks(store, rows)
    for row in rows:
        found.add(row, looks.get(row.image_id))
    return found.groups


_known: dict[
    tuple[str, str], _Look | None
] = {}  # by image and fingerprint: evidence stays as it is


def _looks(store: EvidenceLog, rows: Sequence[ImageRow]) -> dict[str, _Look | None]:
    """How images look. Evidence is read of those that were not asked about lately."""
    names = {row.image_id: (row.image_id, row.evidence.get("validated", "")) for row in rows}
    found = {one: _known[name] for one, name in names.items() if name[1] and name in _known}
    missing = [row for row in rows if row.image_id not in found]
    recorded = store.evidence(missing, ("validated",)) if missing else {}
    for row in missing:
        one = recorded.get(row.image_id, {}).get("validated")
        found[row.image_id] = _known[names[row.image_id]] = _look(one.body if one else {})
    for name in list(_known)[: max(0, len(_known) - REMEMBERED)]:
        _known.pop(name, None)
    return found


def _look(validated: Mapping[str, Any]) -> _Look | None:
    """None: too flat to be recognised, or recorded before likeness was."""
    seen = validated.get("likeness") or {}
    if not seen.get("views"):
        return None
    content = tuple(seen.get("content") or ())
    return _Look(media.likeness_keys(seen["views"]), (str(seen["thumbnail"]), content))


@lru_cache(REMEMBERED)
def _same(one: _Looks, other: _Looks) -> bool:
    this, that = (
        {"thumbnail": thumbnail, "content": content or None} for thumbnail, content in (one, other)
    )
    return media.alike(this, that).same
