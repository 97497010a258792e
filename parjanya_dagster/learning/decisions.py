"""People's standing verdicts with the evidence of their images, as a taste is learned from them.

Verdicts of policies are never read here. So no taste learns from what a taste decided.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from parjanya_dagster.learning.features import STAGES
from parjanya_dagster.learning.keeping import Kept, Source, keep
from parjanya_dagster.learning.tastes import Tastes
from parjanya_dagster.learning.training import Decided, decided, train
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.reviews import ACCEPT, REJECT
from parjanya_dagster.truth.store import EvidenceLog, Images
from parjanya_dagster.truth.store.paging import present_pages

_PAGE = 500


class Truth(Source, Images, EvidenceLog, Protocol):
    """What is read of Truth."""


def decisions_of(
    store: Truth,
    tastes: Tastes,
    tenant: str,
    space: Mapping[str, Any] | None = None,
    heard: Callable[[int], None] = lambda images: None,
) -> list[Decided]:
    """Every present image of a tenant with a person's standing verdict.

    `space`: of the vectors to learn from too. `heard` is told how many images were read.
    """
    found, read = [], 0
    for page in present_pages(store, tenant, _PAGE):
        rows = [row for row in page if row.person_verdict in (ACCEPT, REJECT)]
        recorded = store.evidence(rows, STAGES) if rows else {}
        vectors = tastes.vectors(space, rows)
        for row in rows:
            evidence = recorded.get(row.image_id, {})
            found.append(
                decided(
                    image_id=row.image_id,
                    accepted=row.person_verdict == ACCEPT,
                    at=row.reviewed_at or 0.0,
                    sha256=row.sha256 or row.image_id,
                    phash=row.phash,
                    fingerprints={stage: one.fingerprint for stage, one in evidence.items()},
                    bodies={stage: one.body for stage, one in evidence.items()},
                    vector=vectors.get(row.image_id),
                )
            )
        read += len(page)
        heard(read)
    return found


def learn(
    store: Truth,
    objects: Objects,
    tastes: Tastes,
    tenant: str,
    heard: Callable[[int], None] = lambda images: None,
) -> Kept:
    """Train a tenant's taste and keep it, unless the newest was learned from the same.

    Vectors are learned from too, where nearly all of these images have one.

    It may be killed at any point: a version is written whole or not at all. Raises
    TooFewDecisions, StorageUnavailable, BucketUnknown.
    """
    space = tastes.space()
    taste = train(tenant, decisions_of(store, tastes, tenant, space, heard), space)
    return keep(store, objects, taste)
