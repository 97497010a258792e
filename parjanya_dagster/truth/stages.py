"""The stages of an image's life and the statuses between them."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum


class Status(StrEnum):
    """`pipeline_status`. The last two are terminal. A row in flight has a lease, not a status."""

    PENDING_UPLOAD = "pending_upload"
    PENDING_VALIDATION = "pending_validation"
    PENDING_VLM_ENRICHMENT = "pending_vlm_enrichment"
    PENDING_IQA = "pending_iqa"
    PENDING_CURATION = "pending_curation"
    CURATED = "curated"
    FAILED = "failed"

    @property
    def terminal(self) -> bool:
        return self in (Status.CURATED, Status.FAILED)


STAGES = ("validated", "enriched", "scored", "curated")
"""The assets, in the order of work."""

WAITS_FOR = {
    "validated": Status.PENDING_VALIDATION,
    "enriched": Status.PENDING_VLM_ENRICHMENT,
    "scored": Status.PENDING_IQA,
    "curated": Status.PENDING_CURATION,
}
"""Stage -> the status of the rows that wait for it."""

STAGE_OF = {status: stage for stage, status in WAITS_FOR.items()}
"""Status -> the stage that its rows wait for."""

WORKABLE = tuple(WAITS_FOR.values())


def following(stage: str, stages: Collection[str]) -> str:
    """The stage right after, where it is one of `stages`. Empty: it is not, or there is none."""
    (comes,) = STAGES[STAGES.index(stage) + 1 :][:1] or ("",)
    return comes if comes in stages else ""


def after(stage: str) -> Status:
    """The status of a row that completed `stage`."""
    position = STAGES.index(stage) + 1
    return WAITS_FOR[STAGES[position]] if position < len(STAGES) else Status.CURATED
