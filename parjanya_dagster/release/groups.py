"""Groups of images that show the same picture. A split must not divide a group. Pure.

Two images are in one group if their bytes are equal, if a policy called one a duplicate of the
other or both of a third, or if their small pictures show the same picture. The last is compared
here again: a policy names only the earliest original, and may not look for duplicates at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parjanya_dagster import media

CROWD = 32
"""Candidates of one image that are compared: the nearest. Pages of one template are many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kin:
    """What is known of one image's relatives."""

    sha256: str
    duplicate_of: str = ""  # the sha256 of its original, or another name of it; empty: none
    likeness: Mapping[str, Any] = field(default_factory=dict)  # as "validated" recorded it


def groups(images: Sequence[Kin]) -> dict[str, str]:
    """sha256 -> the name of its group: the smallest sha256 of those images that are in it."""
    sets = _Sets()
    for image in images:
        sets.join(image.sha256, image.duplicate_of or image.sha256)
    likeness = {image.sha256: image.likeness for image in images if image.likeness.get("views")}
    for one, others in _candidates(likeness).items():
        for other in others:
            if sets.root(one) != sets.root(other) and (
                media.alike(likeness[one], likeness[other]).same
            ):
                sets.join(one, other)
    names: dict[str, str] = {}
    for sha256 in sorted({image.sha256 for image in images}):
        names.setdefault(sets.root(sha256), sha256)
    return {image.sha256: names[sets.root(image.sha256)] for image in images}


def _candidates(likeness: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Image -> those before it with a hash near one of its own, the nearest first."""
    names = sorted(likeness)
    filed: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for at, name in enumerate(names):
        for key, hashed in media.likeness_keys(likeness[name]["views"]).items():
            filed[key].append((at, hashed))
    nearest: dict[int, dict[int, int]] = defaultdict(dict)
    for alike in filed.values():
        if len(alike) < 2:
            continue
        places = np.array([at for at, _ in alike])
        hashes = np.array([hashed for _, hashed in alike], np.int64).view(np.uint64)
        for n in range(1, len(alike)):
            bits = np.bitwise_count(hashes[:n] ^ hashes[n])
            near = np.flatnonzero(bits <= media.NEAR)
            if len(near) > CROWD:
                near = near[np.argsort(bits[near], kind="stable")[:CROWD]]
            found = nearest[int(places[n])]
            for other, apart in zip(places[near].tolist(), bits[near].tolist(), strict=True):
                found[other] = min(apart, found.get(other, media.NEAR))
    return {
        names[at]: [
            names[other]
            for other in sorted(found, key=lambda o, f=found: (f[o], o))[:CROWD]  # type: ignore[misc]
        ]
        for at, found in nearest.items()
    }


class _Sets:
    """Disjoint sets of names."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def root(self, name: str) -> str:
        above = self._above.setdefault(name, name)
        while above != name:
            self._above[name] = name = self._above.setdefault(above, above)
            above = self._above[name]
        return name

    def join(self, one: str, other: str) -> None:
        first, second = sorted((self.root(one), self.root(other)))
        self._above[second] = first
