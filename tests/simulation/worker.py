"""The process of a run, one step at a time: claim, commit, next stage, manifests, end.

What it asks a model is what a row's policy names when the row is claimed. By the time it commits,
the policy may be another. It decides as production does.

The order of its writes is that of the real loop (`execution.worker`, `execution.stage_run`), which
`test_crash_at_every_write` runs itself. In steps, workers interleave.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from parjanya_dagster.belief import refusing
from parjanya_dagster.belief.snapshot import Phase
from parjanya_dagster.belief.tags import RUN
from parjanya_dagster.errors import StorageUnavailable
from parjanya_dagster.execution.stages.curate import Curate
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
from tests.simulation.bucket import PREVIEWS
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
        stage = self.stages[self.at]
        self._beat(store, now, stage, Phase.WORKING)
        most = self.most(stage)
        if not self.claims and 0 < most <= self.taken:
            self._leave(store, now, stage)
            return None
        if not self.claims:
            limit = min(size, most - self.taken) if most else size
            self.claims = store.claim(
                ClaimRequest(
                    stage=stage,
                    batches=self.keys,
                    limit=limit,
                    owner=self.run_id,
                    lease=LEASE,
                    ahead=self.stages[self.at + 1 :],
                ),
                now,
            )
            self.taken += len(self.claims)
            if not self.claims:
                self._leave(store, now, stage)
            self.asks = {claim.image_id: policies.asked(claim.row) for claim in self.claims}
            return None
        if any(map(poison, self.claims)):
            raise Poisoned(stage)
        some, self.claims = self.claims[:size], self.claims[size:]
        if kind == "completed" and stage == "curated":
            outcomes = decided(store, some, policies, now, self.run_id)
        else:
            outcomes = [(c, outcome(c, kind, now, lambda r: self.asks[r.image_id])) for c in some]
        committed: Committed = store.commit(outcomes, now, self.run_id)
        self.progress_at = now
        return committed

    def extend(self, store: Any, now: float) -> None:
        if self.claims:
            store.extend(self.claims, LEASE, now)

    def _leave(self, store: Any, now: float, stage: str) -> None:
        if stage == "curated":
            stale = store.stale_manifests()
            for key in self.keys:
                tenant = key.partition("/")[0]
                if key in stale and tenant in self.refusing:
                    refusing.note(store, tenant, now, StorageUnavailable("AccessDenied"))
                elif key in stale:
                    store.manifest_written(key, stale[key])
        self.at, self.taken = self.at + 1, 0
        self.progress_at = now
        self._beat(store, now, stage, Phase.LEFT)

    def _beat(self, store: Any, now: float, stage: str, phase: Phase) -> None:
        said = {"stage": stage, "phase": phase, "progress_at": self.progress_at or now}
        store.beat(f"{RUN}:{self.run_id}", now, said)


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
