"""Where each image must go back to, so that a policy can decide it: its replay boundary.

Recorded evidence is preferred to new evidence. Best is the evidence that a decision under the same
policy was once made from. So going back to a policy gives its decisions back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from parjanya_dagster.errors import PolicyUnusable
from parjanya_dagster.policy import Policy, boundary, diff, lacking
from parjanya_dagster.truth.models import PRESENT, Evidence, ImageRow, Move
from parjanya_dagster.truth.stages import STAGE_OF, STAGES, Status
from parjanya_dagster.truth.store import EvidenceLog

MODELS = STAGES[:-1]  # the stages that policies read


class Planner:
    """Plans the moves of rows to one policy. Reads Truth and writes nothing."""

    def __init__(
        self, store: EvidenceLog, published: Callable[[str], Policy], target: Policy
    ) -> None:
        self._store, self._published, self._target = store, published, target
        self._narrower: dict[str, bool] = {}  # policy -> whether the target needs no more than it

    def moves(self, rows: Sequence[ImageRow]) -> list[Move]:
        """A move for each row that the target has not decided and that can be decided."""
        rows = [row for row in rows if self._concerned(row)]
        decided = [row for row in rows if row.pipeline_status == Status.CURATED]
        before = self._store.decided_under([row.image_id for row in decided], self._target.hash)
        moves: list[Move] = []
        unsure: list[ImageRow] = []
        for row in rows:
            if row.pipeline_status != Status.CURATED:
                moves.append(_wait(row))
            elif used := _used(before.get(row.image_id)):
                moves.append(_move(row, "curated", used))
            elif self._complete(row) and self._covered_by(row.policy):
                moves.append(_move(row, "curated", {}))
            else:
                unsure.append(row)
        return moves + self._looked_at(unsure)

    def _concerned(self, row: ImageRow) -> bool:
        if row.object_state != PRESENT or row.pipeline_status == Status.FAILED:
            return False
        if row.pipeline_status == Status.CURATED:
            return row.policy != self._target.ref
        return row.target != self._target.ref and row.pipeline_status != Status.PENDING_UPLOAD

    def _complete(self, row: ImageRow) -> bool:
        return all(stage in row.evidence for stage in MODELS)

    def _covered_by(self, ref: str | None) -> bool:
        """Whether the policy that decided the row needed everything that the target needs.

        What was lacking then, its engines could not give, and asking them again would not help.
        Of a policy that cannot be read any more that is not known, and the evidence is looked at.
        """
        if ref is None:
            return False
        if ref not in self._narrower:
            try:
                before = self._published(ref)
            except PolicyUnusable:
                self._narrower[ref] = False
            else:
                self._narrower[ref] = diff(before, self._target).threshold_only
        return self._narrower[ref]

    def _looked_at(self, rows: Sequence[ImageRow]) -> list[Move]:
        """Moves of rows whose evidence must be read to know what is lacking."""
        current = self._store.evidence(rows)
        moves = []
        for row in rows:
            bodies = {
                stage: evidence.body for stage, evidence in current.get(row.image_id, {}).items()
            }
            start = boundary(self._target, bodies)
            if start == "curated" and self._complete(row):
                moves.append(_move(row, start, {}))
                continue
            other = self._recorded(row, bodies)
            start = boundary(self._target, {**bodies, **{s: e.body for s, e in other.items()}})
            moves.append(_move(row, start, {s: e.fingerprint for s, e in other.items()}))
        return moves

    def _recorded(
        self, row: ImageRow, bodies: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, Evidence]:
        """For stages whose current evidence lacks something: the newest that is complete."""
        by_stage: dict[str, list[Evidence]] = defaultdict(list)
        for evidence in self._store.all_evidence(row.image_id):
            by_stage[evidence.stage].append(evidence)
        recorded = {}
        for stage in MODELS:
            if not lacking(self._target, stage, bodies.get(stage)):
                continue
            whole = [e for e in by_stage[stage] if not lacking(self._target, stage, e.body)]
            if whole:
                recorded[stage] = whole[-1]
        return recorded


def _wait(row: ImageRow) -> Move:
    """Leave a row on its way to the decision. A row that waits there already gets a new fence."""
    at_decision = row.pipeline_status == Status.PENDING_CURATION
    stage = STAGE_OF[Status.PENDING_CURATION] if at_decision else None
    return Move(
        image_id=row.image_id, fence=row.fence, status=row.pipeline_status, stage=stage, evidence={}
    )


def _move(row: ImageRow, stage: str, evidence: Mapping[str, str]) -> Move:
    new = {s: f for s, f in evidence.items() if row.evidence.get(s) != f}
    return Move(
        image_id=row.image_id,
        fence=row.fence,
        status=row.pipeline_status,
        stage=stage,
        evidence=new,
    )


def _used(decision: Mapping[str, Any] | None) -> dict[str, str]:
    return dict(decision.get("used") or {}) if decision else {}
