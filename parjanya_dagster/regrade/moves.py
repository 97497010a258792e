"""Where each image must go back to, so that a policy can decide it: its replay boundary.

Recorded evidence is preferred to new evidence. Best is the evidence that a decision under the same
policy was once made from. So going back to a policy gives its decisions back.

A row that is under way goes back too, where a stage that it has left did not ask what the policy
names. What its worker commits meanwhile may still be for the policy before: the stage `curated`
looks at that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from parjanya_dagster.errors import PolicyUnusable
from parjanya_dagster.policy import Policy, boundary, diff, lacking, unasked
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
        """A move for each row that the target has not decided and that can be decided.

        A row that the target decided from evidence made for another policy counts as not decided.
        """
        rows = [row for row in rows if self._concerned(row)]
        decided = [row for row in rows if _is_decided(row)]
        ours = [row for row in decided if row.policy == self._target.ref]
        others = [row for row in decided if row.policy != self._target.ref]
        mistaken = unfit(self._store, self._target, ours)
        unsure = [row for row in ours if row.image_id in mistaken]
        before = self._store.decided_under([row.image_id for row in others], self._target.hash)
        moves = self._under_way([row for row in rows if not _is_decided(row)])
        for row in others:
            if used := _used(before.get(row.image_id)):
                moves.append(_move(row, "curated", used))
            elif self._complete(row) and self._covered_by(row.policy):
                moves.append(_move(row, "curated", {}))
            else:
                unsure.append(row)
        return moves + self._looked_at(unsure)

    def _concerned(self, row: ImageRow) -> bool:
        if row.object_state != PRESENT or row.pipeline_status == Status.FAILED:
            return False
        if _is_decided(row):
            return row.policy != self._target.ref or bool(self._target.asking)
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

    def _under_way(self, rows: Sequence[ImageRow]) -> list[Move]:
        """Moves of rows that are not decided: they wait on, or go back to a stage that must ask."""
        back = {row.image_id: _asks_again(self._target, row, recorded)
                for row, recorded in _with_evidence(self._store, self._target, rows)}  # fmt: skip
        return [
            _wait(row) if (stage := back[row.image_id]) is None else _move(row, stage, {})
            for row in rows
        ]

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


def unfit(store: EvidenceLog, policy: Policy, rows: Sequence[ImageRow]) -> set[str]:
    """The ids of rows whose evidence was made by another prompt or metrics than the policy names.

    `rows` are decided under this policy. None should be found: see the stage `curated`.
    """
    return {
        row.image_id
        for row, recorded in _with_evidence(store, policy, rows)
        if _asks_again(policy, row, recorded) is not None
    }


def _with_evidence(
    store: EvidenceLog, policy: Policy, rows: Sequence[ImageRow]
) -> list[tuple[ImageRow, Mapping[str, Evidence]]]:
    if not policy.asking:
        return [(row, {}) for row in rows]
    current = store.evidence(rows, policy.asking)
    return [(row, current.get(row.image_id, {})) for row in rows]


def _asks_again(policy: Policy, row: ImageRow, recorded: Mapping[str, Evidence]) -> str | None:
    """The first stage before the row's own whose evidence does not answer the policy."""
    status = Status(row.pipeline_status)
    own = STAGES.index(STAGE_OF[status]) if status in STAGE_OF else len(MODELS)
    for stage in MODELS[:own]:
        if stage in policy.asking and stage in row.evidence:
            body = recorded[stage].body if stage in recorded else None
            if unasked(policy, stage, body):
                return stage
    return None


def _is_decided(row: ImageRow) -> bool:
    return row.pipeline_status == Status.CURATED


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
