"""Whether a person's decision may be made, and the change that it makes. Pure.

Every store applies it, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from parjanya_dagster.errors import DecisionStale, NotDecidedNow, ReviewRefused
from parjanya_dagster.truth import transitions
from parjanya_dagster.truth.models import PRESENT, ImageRow
from parjanya_dagster.truth.reviews import PEOPLES, UNDO, Review, ReviewDecision, standing
from parjanya_dagster.truth.stages import Status
from parjanya_dagster.truth.storable import storable_text

LONGEST_NOTE = 2000  # characters
LONGEST_NAME = 200


def review(
    row: ImageRow,
    history: Sequence[Review],
    decision: ReviewDecision,
    now: float,
    seen: int,
    evidence: Mapping[str, str] | None,
) -> transitions.Change | None:
    """The change of a person's decision. None: it was made before, by this very request.

    `history` has the decisions so far, the oldest first. `seen` is how many of them were shown,
    and `evidence` what was shown of the image (stage -> fingerprint; None: whatever there is).

    Raises ReviewRefused, NotDecidedNow, DecisionStale.
    """
    _require_whole(decision)
    if _recorded(decision, history):
        return None
    _require_reviewable(row)
    _require_fresh(row, history, seen, evidence)
    before = standing(history)
    if decision.action == UNDO and before.review is None:
        raise ReviewRefused(f"{row.key}: there is no decision of a person to undo.")
    made = Review(
        image_id=row.image_id,
        number=row.reviews + 1,
        tenant=row.tenant,
        batch=row.batch,
        at=now,
        who=storable_text(decision.who),
        action=decision.action,
        note=storable_text(decision.note),
        evidence=dict(row.evidence),
        policy=row.policy,
        policy_verdict=row.verdict,
        sha256=row.sha256,
        request_id=storable_text(decision.request_id),
    )
    return transitions.review(row, made, before.after(made).columns, now)


def _recorded(decision: ReviewDecision, history: Sequence[Review]) -> bool:
    """Whether this very request was recorded before. An id means one decision of one person."""
    for made in history:
        if made.request_id == storable_text(decision.request_id):
            if (made.who, made.action) != (storable_text(decision.who), decision.action):
                raise ReviewRefused(
                    f"The request {made.request_id!r} was another decision: {made.action} by "
                    f"{made.who}. Give each decision an id of its own."
                )
            return True
    return False


def _require_whole(decision: ReviewDecision) -> None:
    if decision.action not in PEOPLES:
        raise ReviewRefused(f"{decision.action!r} is no decision: {', '.join(PEOPLES)} are.")
    if not decision.request_id:
        raise ReviewRefused("A decision needs an id of its request.")
    for name, text, most in (
        ("who", decision.who.strip(), LONGEST_NAME),
        ("request_id", decision.request_id, LONGEST_NAME),
        ("note", decision.note, LONGEST_NOTE),
    ):
        if len(text) > most:
            raise ReviewRefused(f"{name} has {len(text)} characters, at most {most} are kept.")
    if not decision.who.strip():
        raise ReviewRefused("A decision needs the name of who makes it.")


def _require_reviewable(row: ImageRow) -> None:
    if row.object_state != PRESENT:
        raise ReviewRefused(f"{row.key}: its object was {row.object_state}.")
    if row.pipeline_status == Status.FAILED:
        raise ReviewRefused(f"{row.key}: it failed ({row.failure_class}): nothing can be decided.")
    if row.pipeline_status != Status.CURATED:
        raise NotDecidedNow(f"{row.key} is {row.pipeline_status}. {NotDecidedNow.__doc__}")


def _require_fresh(
    row: ImageRow, history: Sequence[Review], seen: int, evidence: Mapping[str, str] | None
) -> None:
    if seen != row.reviews:
        newer = history[-1] if history else None
        what = f"{newer.action} by {newer.who}" if newer else f"{row.reviews} decisions, not {seen}"
        raise DecisionStale(
            f"{row.key} was decided since it was shown: {what}. Look at it again.", row, newer
        )
    if evidence is not None and dict(evidence) != dict(row.evidence):
        raise DecisionStale(
            f"{row.key} was decided by {row.policy} since it was shown: {row.verdict}. "
            "Look at it again.",
            row,
        )
