"""The process of a run, one step at a time: claim, commit, next stage, manifests, end.

What it asks a model is what a row's policy names when the row is claimed. By the time it commits,
the policy may be another. It decides as production does.

The order of its writes is that of the real loop (`execution.worker`, `execution.stage_run`), which
`test_crash_at_every_write` runs itself. In steps, workers interleave. What it keeps for its next
stage is kept by the real `Kept`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, cast

from parjanya_dagster.belief import refusing
from parjanya_dagster.belief.snapshot import Phase
from parjanya_dagster.belief.tags import RUN
from parjanya_dagster.errors import StorageUnavailable
from parjanya_dagster.execution.kept import Hand
from parjanya_dagster.execution.stages.curate import Curate
from parjanya_dagster.execution.worker import _keep
from parjanya_dagster.policy import Policy
from parjanya_dagster.truth.models import Evidence, ImageRow
from parjanya_dagster.truth.outcomes import (
    Claim,
    Committed,
    Completed,
    Outcome,
    Retry,
    SendBack,
    TerminalFailure,
)
from parjanya_dagster.truth.requests import ClaimRequest
from parjanya_dagster.truth.store import Store
from tests.simulation.bucket import PREVIEWS
from tests.simulation.keeping import Line, SteppedKept
from tests.simulation.policies import Policies

LEASE = 120.0
OUTCOMES = ("completed", "retry", "bug", "terminal", "send_back")


class Poisoned(BaseException):
    """The image killed the process."""


@dataclass
class Worker:
    """Where a process stands. It knows its run and nothing of Dagster's opinion of it."""

    run_id: str
    keys: tuple[str, ...]
    stages: tuple[str, ...]
    most: Callable[[str], int] = lambda _: 0  # rows that it takes at a stage; 0: all that are due
    at: int = 0
    taken: int = 0  # at this stage
    claims: list[Claim] = field(default_factory=list)
    alive: bool = True
    progress_at: float = 0.0
    refusing: set[str] = field(default_factory=set)  # tenants whose bucket takes no manifests
    asks: dict[str, Policy] = field(default_factory=dict)  # by image, as it was claimed
    ahead: float = 0.0  # seconds by which its clock is
    taken_up: set[tuple[str, int]] = field(default_factory=set)  # image, fence: of its last claim
    worked: set[tuple[str, int]] = field(default_factory=set)  # of those, while it works on them

    def __post_init__(self) -> None:
        self.now = 0.0  # by its clock
        self.line = Line()
        self.kept = SteppedKept(cast(Store, self.line), self.run_id, lambda: self.now, LEASE)
        self.work: ExitStack | None = None  # while it works on a claim
        self.fresh: tuple[Claim, ...] = ()  # was just committed, and is not kept yet
        self.last: Callable[[], bool] = lambda: True  # whether its claim is the last of a stage
        self.keeps: bool | None = None  # whether it keeps what its claim completes, once asked

    @property
    def done(self) -> bool:
        return self.at >= len(self.stages)

    def step(
        self,
        store: Any,
        now: float,
        *,
        size: int,
        kind: str,
        policies: Policies,
        poison: Callable[[Claim], bool],
    ) -> Committed | None:
        """Do the next thing. Raises Died or Poisoned at any write."""
        self.line.store, self.now = store, now + self.ahead
        stage = self.stages[self.at]
        self._beat(stage, Phase.WORKING)
        self._hold()
        if not self.claims:
            self._claim(stage, size, policies)
            return None
        if self.work is None:
            self.work = ExitStack()
            self.taken_up = {(claim.image_id, claim.row.fence) for claim in self.claims}
            self.work.enter_context(self.kept.working_on(self.claims))
            self.worked = self.taken_up
            if self.kept.announced:
                return None
        if any(map(poison, self.claims)):
            raise Poisoned(stage)
        some, self.claims = self.claims[:size], self.claims[size:]
        return self._commit(stage, some, kind, policies)

    def _claim(self, stage: str, size: int, policies: Policies) -> None:
        most = self.most(stage)
        if 0 < most <= self.taken:
            self._leave(stage)
            return
        limit = min(size, most - self.taken) if most else size
        ours = self.kept.take(stage, limit)
        self.claims = ours or self.line.claim(
            ClaimRequest(
                stage=stage,
                batches=self.keys,
                limit=limit,
                owner=self.run_id,
                lease=self.kept.lease,
                ahead=self.stages[self.at + 1 :],
            ),
            self.now,
        )
        self.taken += len(self.claims)
        if not self.claims:
            self._leave(stage)
            return
        few = (not ours and len(self.claims) < limit) or 0 < most <= self.taken
        self.keeps = None
        self.last = lambda: few or not self.line.due_rows(self.keys, [stage], self.now, 1)
        self.asks = {claim.image_id: policies.asked(claim.row) for claim in self.claims}

    def _commit(self, stage: str, some: list[Claim], kind: str, policies: Policies) -> Committed:
        now = self.now
        if kind == "completed" and stage == "curated":
            outcomes = decided(self.line, some, policies, now, self.run_id)
        else:
            outcomes = [(c, outcome(c, kind, now, lambda r: self.asks[r.image_id])) for c in some]
        if self.keeps is None:
            follows = self.at + 1 < len(self.stages)
            self.keeps = follows and _keep(self.kept, stage, self.last)
        lease = self.kept.lease if self.keeps else None
        committed: Committed = self.line.commit(outcomes, now, self.run_id, keep=lease)
        self.fresh = committed.kept
        self.progress_at = now
        return committed

    def _hold(self) -> None:
        """What comes after a commit. Between the two, threads may do anything."""
        fresh, self.fresh = self.fresh, ()
        self.kept.hold(fresh)
        if self.work is not None and not self.claims:
            self.work.close()
            self.work, self.worked = None, set()

    def beats(self, store: Any, now: float) -> None:
        """It says that it lives, and prolongs its leases."""
        self.line.store, self.now = store, now + self.ahead
        self.kept.beats()

    def told_to_end(self, store: Any, now: float) -> None:
        """It hands everything back at once, from another thread."""
        self.line.store, self.now = store, now + self.ahead
        Hand(self.kept, self.claims).let_go()

    def fails(self, now: float) -> None:
        """Truth does not answer it, so its run fails. It hands back what it can."""
        self.now = now + self.ahead
        self.kept.hand_back(self.claims, "StorageUnavailable")
        self.kept.give_back("StorageUnavailable")

    def _leave(self, stage: str) -> None:
        if stage == "curated":
            stale = self.line.stale_manifests()
            for key in self.keys:
                tenant = key.partition("/")[0]
                if key in stale and tenant in self.refusing:
                    unavailable = StorageUnavailable("AccessDenied")
                    refusing.note(cast(Store, self.line), tenant, self.now, unavailable)
                elif key in stale:
                    self.line.manifest_written(key, stale[key])
        if self.kept.waits_for(stage) or not self.kept:
            self.kept.give_back()
        self.at, self.taken = self.at + 1, 0
        self.progress_at = self.now
        self._beat(stage, Phase.LEFT)

    def _beat(self, stage: str, phase: Phase) -> None:
        said = {"stage": stage, "phase": phase, "progress_at": self.progress_at or self.now}
        self.line.beat(f"{RUN}:{self.run_id}", self.now, said)


def decided(
    store: Any, claims: Sequence[Claim], policies: Policies, now: float, run_id: str
) -> list[tuple[Claim, Outcome]]:
    """What the stage `curated` makes of claims."""
    work = Curate(
        store, policies.pinned, run_id=run_id, clock=lambda: now, published=policies.published
    )
    return work.decide(claims)[0]


def outcome(
    claim: Claim, kind: str, now: float, policy_of: Callable[[ImageRow], Policy]
) -> Outcome:
    """An outcome of a kind, as that stage would report it."""
    if kind == "retry":
        return Retry("the model server is away")
    if kind == "bug":
        return Retry("KeyError: a mistake of ours", refund=False)
    if kind == "terminal":
        return TerminalFailure("undecodable", "the image ends after 7 bytes")
    if kind == "send_back" and claim.stage != "validated":
        return SendBack("validated", "its preview is missing")
    return Completed(_evidence(claim, now, policy_of), _columns(claim, policy_of))


def preview_key(image_id: str) -> str:
    return f"{PREVIEWS}{image_id}.webp"


def _columns(claim: Claim, policy_of: Callable[[ImageRow], Policy]) -> dict[str, Any]:
    if claim.stage == "validated":
        return {"sha256": claim.image_id, "preview_key": preview_key(claim.image_id)}
    if claim.stage == "curated":
        return {"verdict": "accept", "reasons": ["fine"], "policy": policy_of(claim.row).ref}
    return {}


def _evidence(claim: Claim, now: float, policy_of: Callable[[ImageRow], Policy]) -> Evidence:
    policy = policy_of(claim.row)
    needs = policy.document.needs
    prompt = str(needs.enriched.prompt) if needs.enriched else ""
    metrics = needs.scored.metrics if needs.scored else ()
    asked: dict[str, Any] = {
        "enriched": {"prompt": prompt},
        "scored": {"metrics": {name: {"value": 1.0} for name in metrics}},
    }.get(claim.stage, {})
    by = {"enriched": prompt, "scored": "+".join(metrics), "curated": policy.ref}
    return Evidence(
        image_id=claim.image_id,
        stage=claim.stage,
        fingerprint=f"{claim.stage}-{by.get(claim.stage, '1')}",
        body={"stage": claim.stage, **asked},
        engine="model",
        model="none",
        revision="1",
        determinism="bitwise",
        run_id=claim.owner,
        created_at=now,
    )


def kinds(quiet: bool) -> Sequence[str]:
    return ("completed",) if quiet else OUTCOMES
