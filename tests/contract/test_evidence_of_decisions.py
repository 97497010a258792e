"""A decision's evidence was made by the prompt and the metrics that its policy names.

The policy of a row may change at any moment of its way: by a regrade, or by another pin. The real
planner of regrades and the real stage `curated` work here on every store. What a model would
answer is played: its evidence says what it was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from parjanya_dagster import policy
from parjanya_dagster.execution.stages.curate import Curate
from parjanya_dagster.execution.worker import Pace, work_off
from parjanya_dagster.policy import Policy
from parjanya_dagster.regrade.advance import Advance
from parjanya_dagster.regrade.moves import unfit
from parjanya_dagster.truth.models import Evidence, ImageRow, Regrade
from parjanya_dagster.truth.outcomes import Claim, Completed
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.stages import STAGES
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.transitions import rebuild
from tests.support.world import NOON, arrive, claim, commit, row, tenant

TEXT = """name: asks
version: {version}
description: What is under test is what it asks.
needs:
  enriched: {{taxonomy: [photo], prompt: kinds@{version}}}
  scored: {{metrics: [{metrics}]}}
"""
OLD, NEW, SHARPER = (
    policy.load(TEXT.format(version=version, metrics=metrics))
    for version, metrics in ((1, "piqe"), (2, "piqe"), (3, "piqe, niqe"))
)
POLICIES = {one.ref: one for one in (OLD, NEW, SHARPER)}
PLACES = [
    *(f"waits for {stage}" for stage in STAGES),
    *(f"in flight at {stage}" for stage in STAGES),
    "decided",
]


class World:
    """Images of one tenant, and workers that ask what the row's policy names."""

    def __init__(self, store: Store) -> None:
        self.store, self.now = store, NOON
        store.put_tenant(tenant())
        store.pin("acme", OLD.ref)
        self.asked: list[tuple[str, str]] = []  # stage, what was asked
        self.held: list[tuple[Claim, Completed]] = []  # work that is done, and not committed

    def policy_of(self, one: ImageRow) -> Policy:
        found = self.store.tenant(one.tenant)
        assert found is not None
        return POLICIES[one.target or found.policy]

    def answer(self, one: Claim) -> Completed:
        wants = self.policy_of(one.row).document.needs
        assert wants.enriched
        assert wants.scored
        prompt, metrics = str(wants.enriched.prompt), wants.scored.metrics
        body, said = {
            "validated": ({"sha256": one.image_id, "likeness": {"views": []}}, ""),
            "enriched": ({"prompt": prompt, "category": "photo"}, prompt),
            "scored": ({"metrics": {name: {"value": 1.0} for name in metrics}}, str(metrics)),
        }[one.stage]
        self.asked.append((one.stage, said))
        return Completed(
            Evidence(
                image_id=one.image_id,
                stage=one.stage,
                fingerprint=f"{one.stage}-{said}",
                body=body,
                engine="played",
                model="none",
                revision="1",
                determinism="exact",
                run_id="run-1",
                created_at=self.now,
            )
        )

    def curate(self) -> Curate:
        return Curate(
            self.store,
            lambda slug: POLICIES[self.store.tenant(slug).policy],  # type: ignore[union-attr]
            run_id="run-1",
            clock=lambda: self.now,
            published=POLICIES.__getitem__,
        )

    def bring(self, place: str) -> None:
        """Images to a place of their way, under the old policy."""
        arrive(self.store, 2)
        for stage in STAGES:
            if place.endswith(stage):
                break
            self.work(stage)
        if place.startswith("in flight"):
            held = claim(self.store, stage, owner="slow", now=self.now)
            if stage == "curated":
                outcomes, _ = self.curate().decide(held)
                self.held = [(one, done) for one, done in outcomes if isinstance(done, Completed)]
            else:
                self.held = [(one, self.answer(one)) for one in held]

    def work(self, stage: str) -> None:
        if stage != "curated":
            for one in claim(self.store, stage, now=self.now):
                commit(self.store, [one], self.answer(one), now=self.now)
            return
        work_off(
            self.store,
            self.curate(),
            self.store.batches(),
            owner="run-1",
            pace=Pace(),
            clock=lambda: self.now,
        )

    def finish(self) -> None:
        """The slow worker commits what it has; then everything runs until nothing is due."""
        self.store.commit(self.held, self.now, "slow")
        for _ in range(12):
            if not self.store.due(self.now + 1e6):
                return
            for stage in STAGES:
                self.work(stage)
        raise AssertionError(self.store.due(self.now + 1e6))

    def regrade(self, to: Policy) -> None:
        self.now += 1
        asked = Regrade(
            replay_id=f"regrade-{to.ref}-{self.now}",
            policy=to.ref,
            tenants=("acme",),
            since="",
            until="",
            started_at=self.now,
        )
        wanted = self.store.begin_regrade(asked)
        advance = Advance(
            store=self.store,
            published=POLICIES.__getitem__,
            clock=lambda: self.now,
            regrade=wanted,
        )
        assert advance.run()
        self.now += 1

    def repin(self, to: Policy) -> None:
        """Without a regrade: images that arrive are decided by it, and so are these."""
        self.store.pin("acme", to.ref)

    def rows(self) -> Sequence[ImageRow]:
        return self.store.rows(self.store.batches())

    def decided_from_what_was_asked(self) -> None:
        for one in self.rows():
            assert one.pipeline_status == "curated"
            assert unfit(self.store, POLICIES[str(one.policy)], [one]) == set()
            used = self.store.evidence([one])[one.image_id]
            wants = POLICIES[str(one.policy)].document.needs
            assert wants.enriched
            assert wants.scored
            assert used["enriched"].body["prompt"] == wants.enriched.prompt
            assert set(used["scored"].body["metrics"]) >= set(wants.scored.metrics)
            decision = used["curated"].body
            assert decision["used"] == {
                stage: found.fingerprint for stage, found in used.items() if stage != "curated"
            }
            assert rebuild(self.store.history(one.image_id)) == one


@pytest.mark.parametrize("to", [NEW, SHARPER], ids=["prompt", "prompt and metrics"])
@pytest.mark.parametrize("place", PLACES)
def test_wherever_a_regrade_meets_an_image_it_is_decided_from_what_its_policy_asks(
    store: Store, place: str, to: Policy
) -> None:
    world = World(store)
    world.bring(place)
    world.regrade(to)
    world.finish()
    assert {one.policy for one in world.rows()} == {to.ref}
    world.decided_from_what_was_asked()
    assert store.mispinned() == []
    assert store.regrading() == {}


@pytest.mark.parametrize("change", [World.repin, World.regrade], ids=["pin", "regrade"])
@pytest.mark.parametrize("place", PLACES[:-1])
def test_a_policy_that_changes_twice_leaves_nothing_of_the_first(
    store: Store, place: str, change: Callable[[World, Policy], None]
) -> None:
    world = World(store)
    world.bring(place)
    change(world, NEW)
    world.work("enriched")
    change(world, SHARPER)
    world.finish()
    world.decided_from_what_was_asked()


def test_evidence_that_fits_is_not_made_again(store: Store) -> None:
    """A regrade to a policy that asks the same leaves images where they are."""
    world = World(store)
    world.bring("waits for scored")
    before = len(world.asked)
    world.regrade(OLD)
    world.finish()
    assert [stage for stage, _ in world.asked[before:]] == ["scored", "scored"]


def test_what_was_decided_from_other_evidence_is_seen_and_mended_by_a_regrade(
    store: Store,
) -> None:
    """As it stands in homes of an earlier version."""
    world = World(store)
    world.bring("decided")
    first, second = (one.image_id for one in world.rows())
    store.reset_images([first], Reset(stage="curated", reason="as it was"), world.now)
    (held,) = claim(store, "curated", now=world.now)
    found = store.evidence([held.row])[first]["curated"]
    mistaken = Completed(found, {"verdict": "accept", "reasons": [], "policy": NEW.ref})
    commit(store, [held], mistaken, now=world.now)
    assert unfit(store, NEW, [row(store, first)]) == {first}
    assert unfit(store, OLD, [row(store, second)]) == set()
    world.regrade(NEW)
    world.finish()
    world.decided_from_what_was_asked()
