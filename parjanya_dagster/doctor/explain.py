"""What is known of one image: plain data for the command line and JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from parjanya_dagster.belief.snapshot import LiveRun
from parjanya_dagster.doctor.waiting import held_at
from parjanya_dagster.truth.holders import as_held, run_of
from parjanya_dagster.truth.image_reader import ImagesReadable
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.stages import STAGE_OF, Status

MOST_COPIES = 20


def explanation(
    store: ImagesReadable, row: ImageRow, now: float, runs: tuple[LiveRun, ...] | None = None
) -> dict[str, Any]:
    """Status, what it waits for, evidence, decision with reasons, and history of one image.

    `runs` are those that Dagster believes to be alive; None where they cannot be read.
    """
    if row.lease_owner is not None:
        row = as_held(row, store.holders().get(row.lease_owner))
    current = set(row.evidence.values())
    history = store.history(row.image_id)
    decisions = store.decisions([row.image_id]).get(row.image_id, ())
    held = held_at(row, now, history, store.heartbeats(), runs)
    return {
        "image_id": row.image_id,
        "tenant": row.tenant,
        "object": {
            "bucket": row.bucket,
            "key": row.key,
            "version": row.version,
            "size": row.size,
            "state": row.object_state,
            "landed_at": row.landed_at,
        },
        "batch": row.batch,
        "status": row.pipeline_status,
        "why": f"{why(row, now)} {held.detail}".rstrip(),
        "boundary": held.boundary,
        "since": held.since,
        "next_step": held.next_step,
        "attempts": row.attempts,
        "decision": (
            {"verdict": row.verdict, "policy": row.policy, "reasons": list(row.reasons)}
            if row.verdict
            else None
        ),
        "effective_verdict": row.effective_verdict,
        "decided_by": row.decided_by,
        "person": (
            {"verdict": row.person_verdict, "who": row.person, "at": row.reviewed_at}
            if row.person_verdict
            else None
        ),
        "asked_again": row.lapsed and not row.person_verdict,
        "reviews": [asdict(review) for review in store.reviews(row.image_id)],
        "copies": [
            {"image_id": copy.image_id, "key": copy.key, "person_verdict": copy.person_verdict}
            for copy in _copies(store, row)
        ],
        "failure": (
            {"class": row.failure_class, "reason": row.failure_reason, "stage": row.failed_stage}
            if row.failure_class
            else None
        ),
        "decisions": [asdict(decision) for decision in decisions],
        "evidence": [
            {**asdict(evidence), "current": evidence.fingerprint in current}
            for evidence in store.all_evidence(row.image_id)
        ],
        "history": [asdict(event) for event in history],
    }


def _copies(store: ImagesReadable, row: ImageRow) -> list[ImageRow]:
    """The first present images with the same bytes."""
    if row.sha256 is None:
        return []
    same = store.twins(row.tenant, [row.sha256], MOST_COPIES + 1).get(row.sha256, [])
    return [copy for copy in same if copy.image_id != row.image_id][:MOST_COPIES]


def why(row: ImageRow, now: float) -> str:
    """One sentence: where the image is, and what it waits for."""
    status = Status(row.pipeline_status)
    if status is Status.CURATED:
        said = f"{row.verdict} under {row.policy}"
        if row.person_verdict:
            return f"Decided: {row.person_verdict} by {row.person} (the policy: {said})."
        if row.lapsed:
            return f"A person is asked again, since a verdict lapsed (the policy: {said})."
        return f"Decided: {said}."
    if status is Status.FAILED:
        return f"Failed at {row.failed_stage}: {row.failure_reason}"
    if status is Status.PENDING_UPLOAD:
        return "Its upload has not arrived."
    stage = STAGE_OF[status]
    run = run_of(row.lease_owner or "")
    if row.in_flight(now):
        left = (row.lease_until or now) - now
        return f"In flight: run {run} works on {stage}; its lease runs {left:.0f} s more."
    if row.lease_owner is not None:
        return f"Run {run} died while it worked on {stage}; it will be tried again."
    if row.not_before > now:
        return (
            f"Waits for {stage}: failed {row.retries} times for a passing reason, tried again in "
            f"{row.not_before - now:.0f} s."
        )
    return f"Due for {stage} since {now - row.not_before:.0f} s: waits for a run."
