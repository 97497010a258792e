"""Images that people decided, beside what a policy says of each. Reads Truth and writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parjanya_dagster.execution.stages.curate import Curate
from parjanya_dagster.learning.folds import folds
from parjanya_dagster.policy import (
    Policy,
    allowed_by,
    movable,
    moved_comparison,
    read_by,
    softened,
)
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.outcomes import Claim, Completed
from parjanya_dagster.truth.reviews import ACCEPT, REJECT
from parjanya_dagster.truth.stages import Status
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.store.paging import present_pages
from parjanya_dagster.tuning import thresholds as cuts
from parjanya_dagster.tuning.thresholds import Cut, Problem, RuleValues

RANK = {"accept": cuts.ACCEPT, "review": cuts.REVIEW, "reject": cuts.REJECT}
_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedImage:
    """A person's decision on an image, and the policy's over the same evidence."""

    row: ImageRow
    spoke: Mapping[str, str]  # rule id -> verdict, of each rule that spoke
    values: Mapping[str, float | None]  # rule id -> what it compared, of rules that can be tuned
    softened: frozenset[str]  # rules whose reject doubt would make a review
    allowed: Mapping[str, tuple[bool | None, bool | None]]
    """Rule id -> whether the other parts of its condition hold: as written, and widened."""


@dataclass(kw_only=True)
class Judged:
    images: list[JudgedImage] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)  # decided, by why it cannot be used

    @property
    def people(self) -> NDArray[np.int64]:
        """Shape: (n,). ACCEPT or REJECT."""
        ranks = {ACCEPT: cuts.ACCEPT, REJECT: cuts.REJECT}
        return np.array([ranks[str(i.row.person_verdict)] for i in self.images], dtype=np.int64)

    def said(self, rule: str) -> NDArray[np.int64]:
        """What a rule says of each image: its rank. Shape: (n,)."""
        return np.array([RANK[i.spoke.get(rule, "accept")] for i in self.images], dtype=np.int64)

    def folds(self) -> NDArray[np.int64]:
        return folds([i.row.sha256 or i.row.image_id for i in self.images],
                     [i.row.phash for i in self.images])  # fmt: skip

    def problem(self, policy: Policy, review_cost: float) -> Problem:
        rules = {rule.id: rule for rule in policy.document.rules if movable(rule) is not None}
        fixed = [
            max((RANK[said] for rule, said in image.spoke.items() if rule not in rules), default=0)
            for image in self.images
        ]
        tuned = {}
        for name, rule in rules.items():
            comparison = moved_comparison(rule)
            ((operator, threshold),) = comparison.ordering
            allowed = [image.allowed[name] for image in self.images]
            value = [image.values[name] for image in self.images]
            tuned[name] = RuleValues(
                operator=operator,
                rejects=rule.verdict == "reject",
                cut=Cut(threshold, comparison.review_from),
                value=np.array([np.nan if v is None else v for v in value], dtype=np.float64),
                softened=np.array(
                    [
                        name in image.softened or firm is not True
                        for image, (firm, _) in zip(self.images, allowed, strict=True)
                    ],
                    dtype=np.bool_,
                ),
                applies=np.array([wide is not False for _, wide in allowed], dtype=np.bool_),
            )
        return Problem(
            people=self.people,
            fixed=np.array(fixed, dtype=np.int64),
            rules=tuned,
            review_cost=review_cost,
        )


def judge(
    store: Store,
    work: Curate,
    tenant: str,
    policy: Policy,
    heard: Callable[[int], None] = lambda images: None,
    since: float = 0.0,
) -> Judged:
    """Every image of a tenant with a person's standing verdict, as the policy decides it now.

    `work` decides by the policy, and writes nothing. `heard` is told how many images were read.
    Verdicts given before `since` are left out.
    """
    found, read = Judged(), 0
    for page in present_pages(store, tenant, _PAGE):
        read += len(page)
        decided = [row for row in page if row.person_verdict in (ACCEPT, REJECT)]
        usable = [row for row in decided if row.pipeline_status == Status.CURATED
                  and (row.reviewed_at or 0.0) >= since]  # fmt: skip
        for row in decided:
            if row not in usable:
                early = (row.reviewed_at or 0.0) < since
                found.left_out["learned from already" if early else "under way or failed"] += 1
        _judge_page(store, work, policy, usable, found)
        heard(read)
    return found


def _judge_page(
    store: Store, work: Curate, policy: Policy, rows: Sequence[ImageRow], found: Judged
) -> None:
    if not rows:
        return
    outcomes, _ = work.decide([Claim(row, "curated", "tune") for row in rows])
    recorded = store.evidence(rows, policy.stages)
    for claim, outcome in outcomes:
        if not isinstance(outcome, Completed):
            found.left_out["its evidence was made for another policy, or is missing"] += 1
            continue
        spoke: dict[str, str] = {}
        for reason in outcome.evidence.body["reasons"]:
            spoke[str(reason["rule"])] = str(reason["verdict"])
        bodies: dict[str, Any] = {
            stage: evidence.body for stage, evidence in recorded.get(claim.image_id, {}).items()
        }
        rules = [rule for rule in policy.document.rules if movable(rule) is not None]
        found.images.append(
            JudgedImage(
                row=claim.row,
                spoke=spoke,
                values={rule.id: read_by(rule, bodies) for rule in rules},
                softened=frozenset(r.id for r in rules if softened(policy, r, bodies)),
                allowed={rule.id: allowed_by(rule, bodies) for rule in rules},
            )
        )
