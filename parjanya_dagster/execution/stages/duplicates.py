"""Duplicates within a tenant: of which earlier image each one is, and whom that concerns.

An image is a duplicate of the earliest present image with its bytes, else of the earliest that it
looks like. That one may be a duplicate itself: where A is like B and B like C, but A is not like
C, C is a duplicate of B. So the answer follows from the set of validated images alone, and not
from the order in which they are decided.

An image may be validated after later ones were decided, or while they are. Whoever looked before
it was there must look again: those are the `overtaken`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from parjanya_dagster import media
from parjanya_dagster.policy import Duplicate
from parjanya_dagster.truth.models import PRESENT, ImageRow
from parjanya_dagster.truth.stages import WAITS_FOR, Status
from parjanya_dagster.truth.store import EvidenceLog, Images, Store
from parjanya_dagster.truth.store.paging import copies_pages

Compare = Callable[[Sequence[media.Asked]], Sequence[media.Found]]
Bodies = dict[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Kinship:
    """What a search found."""

    duplicates: Mapping[str, Duplicate] = field(default_factory=dict)  # by image id
    overtaken: frozenset[str] = frozenset()  # ids of later images that must be decided again


def kinship(
    store: Store,
    rows: Sequence[ImageRow],
    likeness: Mapping[str, Mapping[str, Any]],
    distance_of: Callable[[str], int | None],
    compare: Compare = media.compared,
) -> Kinship:
    """Search the tenants of these rows, which wait to be decided together.

    `likeness` holds what was recorded of each row, by image id. `distance_of` says for a tenant
    how many bits of the hash may differ; None: only the same bytes make a duplicate. `compare`:
    what compares pictures.
    """
    duplicates: dict[str, Duplicate] = {}
    overtaken: set[str] = set()
    for tenant in sorted({row.tenant for row in rows}):
        mine = [row for row in rows if row.tenant == tenant and row.sha256]
        originals, beaten = _exact(store, tenant, mine)
        duplicates |= originals
        overtaken |= beaten
        distance = distance_of(tenant)
        if distance is not None:
            # An exact duplicate looks like whatever its original looks like: that one searches.
            first = [row for row in mine if row.image_id not in originals]
            together = {row.image_id for row in rows}
            resembled, beaten = _near(store, tenant, first, together, likeness, distance, compare)
            duplicates |= resembled
            overtaken |= beaten
    return Kinship(duplicates, frozenset(overtaken - {row.image_id for row in rows}))


def _exact(
    store: Store, tenant: str, mine: Sequence[ImageRow]
) -> tuple[dict[str, Duplicate], set[str]]:
    earliest = store.twin_ids(tenant, {str(row.sha256) for row in mine}, limit=2)
    duplicates = {
        row.image_id: Duplicate("exact", same[0])
        for row in mine
        if (same := earliest.get(str(row.sha256))) and same[0] != row.image_id
    }
    # Only the earliest of several looks at all the others, so copies cost no square.
    leading = {
        str(row.sha256): row
        for row in mine
        if row.image_id not in duplicates and len(earliest.get(str(row.sha256), ())) > 1
    }
    overtaken: set[str] = set()
    for sha256, first in leading.items():
        for copies in copies_pages(store, tenant, sha256):
            pending, decided = _settled(copies)
            overtaken |= pending
            for copy, bodies in _bodies(store, decided, "curated"):
                if bodies.get("curated", {}).get("duplicate_of") != first.image_id:
                    overtaken.add(copy.image_id)
    return duplicates, overtaken


def _near(
    store: Store,
    tenant: str,
    mine: Sequence[ImageRow],
    together: Set[str],
    likeness: Mapping[str, Mapping[str, Any]],
    distance: int,
    compare: Compare,
) -> tuple[dict[str, Duplicate], set[str]]:
    wanted = {
        row.image_id: keys
        for row in mine
        if (keys := media.likeness_keys(likeness.get(row.image_id, {}).get("views", ())))
    }
    candidates = store.alike(tenant, wanted, distance)
    others = {row.image_id: row for some in candidates.values() for row, _ in some}
    bodies = {row.image_id: b for row, b in _bodies(store, others.values(), "validated", "curated")}
    pictures = {
        image_id: seen
        for image_id, body in bodies.items()
        if (seen := body.get("validated", {}).get("likeness")) is not None
    }
    looks: list[tuple[ImageRow, list[tuple[ImageRow, int]]]] = []  # the first that is alike counts
    for row in mine:
        there = [each for each in candidates.get(row.image_id, ()) if each[0].image_id in pictures]
        earlier = [each for each in there if _age(each[0]) < _age(row)]
        # A later one that is decided together with this one looks back at it itself.
        later = [
            each
            for each in there
            if _age(each[0]) > _age(row)
            and each[0].image_id not in together
            and _may_be_overtaken(store, row, each[0], bodies[each[0].image_id])
        ]
        looks += [(row, some) for some in (earlier, *([each] for each in later)) if some]
    found = compare(
        [
            (likeness[row.image_id], [pictures[other.image_id] for other, _ in some])
            for row, some in looks
        ]
    )
    duplicates: dict[str, Duplicate] = {}
    overtaken: set[str] = set()
    for (row, some), alike in zip(looks, found, strict=True):
        if alike is None:
            continue
        (other, bits), mirrored = some[alike[0]], alike[1]
        if _age(other) > _age(row):
            overtaken.add(other.image_id)
        else:
            duplicates[row.image_id] = Duplicate("near", other.image_id, bits, mirrored)
    return duplicates, overtaken


def _may_be_overtaken(store: Images, row: ImageRow, later: ImageRow, bodies: Bodies) -> bool:
    """Whether a later image that looks like this one was decided, or is, without knowing it."""
    pending, decided = _settled([later])
    if not decided:
        return bool(pending)
    known = bodies.get("curated", {}).get("duplicate_of")
    if known is None or known == row.image_id:
        return known is None
    original = store.get(known)
    if original is None or original.object_state != PRESENT:
        return True
    # The same bytes come first, and of others the earliest.
    return original.sha256 != later.sha256 and _age(original) > _age(row)


def _settled(rows: Sequence[ImageRow]) -> tuple[set[str], list[ImageRow]]:
    """The ids of rows that somebody decides at this moment, and the rows that are decided.

    Whoever decides one now may have looked before we were there. One that nobody holds yet will
    be looked at later, and find us.
    """
    waiting = WAITS_FOR["curated"]
    held = {
        row.image_id
        for row in rows
        if row.pipeline_status == waiting and row.lease_owner is not None
    }
    return held, [row for row in rows if row.pipeline_status == Status.CURATED]


def _bodies(store: EvidenceLog, rows: Any, *stages: str) -> list[tuple[ImageRow, Bodies]]:
    """Rows with the bodies of their evidence of these stages."""
    rows = list(rows)
    recorded = store.evidence(rows, stages)
    return [
        (row, {stage: record.body for stage, record in recorded.get(row.image_id, {}).items()})
        for row in rows
    ]


def _age(row: ImageRow) -> tuple[float, str]:
    return row.landed_at, row.image_id
