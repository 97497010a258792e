"""The stage `curated`: the tenant's policy decides, from recorded evidence alone.

The evidence must answer what the policy wants asked: its prompt, its metrics. The policy of a row
may change while the row is under way, so this is looked at when the row is decided, and nowhere
else can it be missed. A row with other evidence goes back to the stage that asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from parjanya_dagster.errors import PolicyUnusable, StorageUnavailable, UnknownTenant
from parjanya_dagster.execution.fingerprint import fingerprint
from parjanya_dagster.execution.stages.duplicates import Compare, kinship
from parjanya_dagster.execution.tracing import span_over
from parjanya_dagster.media import compared
from parjanya_dagster.policy import EVALUATION_VERSION, Duplicate, Policy, evaluate, unasked
from parjanya_dagster.truth.models import Evidence, ImageRow
from parjanya_dagster.truth.outcomes import Claim, Completed, Outcome, Retry, SendBack
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.stages import STAGES
from parjanya_dagster.truth.store import Store

if TYPE_CHECKING:
    from parjanya_dagster.learning.tastes import Said, Tastes

MODELS = STAGES[:-1]  # the stages that look at the image
_OVERTAKEN = "an earlier image turned out to be the same or alike"


class Curate:
    """Evaluates policies; loads no model."""

    stage = "curated"
    load_seconds = 0.0

    def __init__(
        self,
        store: Store,
        policy_of: Callable[[str], Policy],
        *,
        run_id: str,
        clock: Callable[[], float],
        published: Callable[[str], Policy] | None = None,
        tastes: Tastes | None = None,
        compare: Compare = compared,
    ) -> None:
        self._store = store
        self._published = published  # ref -> policy, for rows that a regrade sent
        self._tastes = tastes  # for policies that name one
        self._compare = compare  # what compares pictures
        self._policy_of = policy_of  # tenant -> its pinned policy
        self._run_id = run_id
        self._clock = clock

    def prepare(self) -> None:
        """Nothing to load."""

    def work(self, claims: Sequence[Claim]) -> Iterator[tuple[Claim, Outcome]]:
        with span_over("decide", claims):
            outcomes, overtaken = self.decide(claims)
        # Before we commit: if we die in between, whoever works on these rows next does it again.
        self._store.reset_images(
            sorted(overtaken),
            Reset(stage=self.stage, reason=_OVERTAKEN, run_id=self._run_id),
            self._clock(),
        )
        yield from outcomes

    def decide(self, claims: Sequence[Claim]) -> tuple[list[tuple[Claim, Outcome]], frozenset[str]]:
        """An outcome for each claim, and ids of decided images that must be decided again.

        Nothing is written.
        """
        outcomes: list[tuple[Claim, Outcome]] = []
        overtaken: frozenset[str] = frozenset()
        for policy, some in self._by_policy(claims):
            if isinstance(policy, str):
                outcomes += [(claim, Retry(policy)) for claim in some]
                continue
            rows = [claim.row for claim in some]
            recorded = self._store.evidence(rows, policy.stages | policy.asking)
            said = self._said(policy, rows, recorded)
            if isinstance(said, str):
                outcomes += [(claim, Retry(said)) for claim in some]
                continue
            kin = kinship(
                self._store,
                rows,
                {
                    image_id: evidence["validated"].body.get("likeness", {})
                    for image_id, evidence in recorded.items()
                    if "validated" in evidence
                },
                lambda _, distance=policy.near_distance: distance,  # type: ignore[misc]
                self._compare,
            )
            overtaken |= kin.overtaken
            for claim in some:
                duplicate = kin.duplicates.get(claim.image_id)
                evidence = recorded.get(claim.image_id, {})
                told = said.get(claim.image_id)
                outcomes.append((claim, self._outcome(claim, policy, evidence, duplicate, told)))
        return outcomes, overtaken - {claim.image_id for claim in claims}

    def _by_policy(self, claims: Sequence[Claim]) -> list[tuple[Policy | str, list[Claim]]]:
        """Claims by tenant and the policy that a regrade wants, or else the tenant's pin.

        A text in place of the policy says why it cannot be used: those rows wait, and no others.
        """
        groups: dict[tuple[str, str], list[Claim]] = {}
        for claim in claims:
            groups.setdefault((claim.row.tenant, claim.row.target or ""), []).append(claim)
        return [(self._policy(*decided_by), some) for decided_by, some in groups.items()]

    def _policy(self, tenant: str, target: str) -> Policy | str:
        try:
            if target and self._published:
                return self._published(target)
            return self._policy_of(tenant)
        except (PolicyUnusable, UnknownTenant) as error:
            return f"its policy cannot be used: {error}"

    def _said(
        self,
        policy: Policy,
        rows: Sequence[ImageRow],
        recorded: Mapping[str, Mapping[str, Evidence]],
    ) -> Mapping[str, Said] | str:
        """What the policy's taste says of rows. A text says why it cannot be asked: they wait."""
        named = policy.document.needs.taste
        if named is None:
            return {}
        if self._tastes is None:
            return f"{policy.ref} names a taste, and none can be read here"
        try:
            return self._tastes.said(named, rows, recorded)
        except (PolicyUnusable, StorageUnavailable) as error:
            return f"the taste of {policy.ref} cannot be used: {error}"
        except Exception as error:  # images under other policies go on
            return f"the taste of {policy.ref} cannot be used: {type(error).__name__}: {error}"

    def _outcome(
        self,
        claim: Claim,
        policy: Policy,
        evidence: Mapping[str, Evidence],
        duplicate: Duplicate | None,
        said: Said | None,
    ) -> Outcome:
        pointers = claim.row.evidence
        for stage in MODELS:
            if stage not in pointers or (stage in policy.stages and stage not in evidence):
                return SendBack(stage, f"its {stage} evidence is missing")
        for stage in sorted(policy.asking, key=MODELS.index):
            body = evidence[stage].body if stage in evidence else None
            if other := ", ".join(unasked(policy, stage, body)):
                return SendBack(stage, f"its {stage} evidence lacks {other}, for {policy.ref}")
        try:
            return self._decide(claim, policy, evidence, duplicate, said)
        except Exception as error:  # evaluate is total; if it is not, its neighbours go on
            return Retry(f"{type(error).__name__}: {error}", refund=False)

    def _decide(
        self,
        claim: Claim,
        policy: Policy,
        evidence: Mapping[str, Evidence],
        duplicate: Duplicate | None,
        said: Said | None,
    ) -> Completed:
        used = {stage: claim.row.evidence[stage] for stage in MODELS}
        bodies = {stage: record.body for stage, record in evidence.items()}
        taste = said.body() if said else None
        if taste is not None:
            bodies["taste"] = taste
        decision = evaluate(policy, bodies, duplicate)
        body = {**decision.body(), "used": used,
                "duplicate_of": duplicate.of if duplicate else None}  # fmt: skip
        if taste is not None:
            body["taste"] = taste
        record = Evidence(
            image_id=claim.image_id,
            stage=self.stage,
            fingerprint=fingerprint(
                stage=self.stage,
                version=EVALUATION_VERSION,
                policy=policy.hash,
                used=used,
                duplicate=_told(duplicate),
                # A vector may be made after a decision, so what the taste said counts too.
                **({} if taste is None else {"taste": taste}),
            ),
            body=body,
            engine="policy",
            model=policy.ref,
            revision=policy.hash,
            determinism="exact",
            run_id=self._run_id,
            created_at=self._clock(),
        )
        return Completed(
            record,
            {
                "verdict": decision.verdict,
                "reasons": [reason.message for reason in decision.reasons],
                "policy": policy.ref,
            },
            asks_again=policy.asks_again,
        )


def _told(duplicate: Duplicate | None) -> list[str | int] | None:
    """A duplicate as part of a fingerprint."""
    if duplicate is None:
        return None
    mirrored = ["mirrored"] if duplicate.mirrored else []
    return [duplicate.kind, duplicate.of, duplicate.distance, *mirrored]
