"""Regrades in Truth: rows go to their boundary under a policy, once, and history is appended to."""

from __future__ import annotations

from typing import Any

import pytest

from parjanya_dagster.errors import UnknownTenant
from parjanya_dagster.truth.models import Evidence, Mispinned, Move, Regrade
from parjanya_dagster.truth.outcomes import Completed, TerminalFailure
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.transitions import rebuild
from tests.support.world import NOON, arrive, carry, claim, commit, row, tenant

ASKED = Regrade(
    replay_id="regrade-1",
    policy="default@2",
    tenants=("acme",),
    since="",
    until="",
    started_at=NOON,
)


def decide(store: Store, policy: str, *, now: float = NOON) -> None:
    """Decide everything that is due under one policy."""
    for one in claim(store, "curated", now=now):
        body = {"verdict": "accept", "policy": policy, "used": dict(one.row.evidence), "at": policy}
        found = Evidence(
            image_id=one.image_id,
            stage="curated",
            fingerprint=f"curated-{policy}",
            body=body,
            engine="policy",
            model=policy,
            revision=f"sha256:{policy}",
            determinism="exact",
            run_id="run-1",
            created_at=now,
        )
        columns: dict[str, Any] = {"verdict": "accept", "reasons": [policy], "policy": policy}
        commit(store, [one], Completed(found, columns), now=now)


def decided(store: Store, count: int, policy: str = "default@1") -> list[str]:
    ids = arrive(store, count)
    carry(store, through="scored")
    decide(store, policy)
    return ids


def move(store: Store, image: str, stage: str | None = "curated", **evidence: str) -> Move:
    one = row(store, image)
    return Move(
        image_id=image, fence=one.fence, status=one.pipeline_status, stage=stage, evidence=evidence
    )


def send(store: Store, *moves: Move, now: float = NOON + 1) -> frozenset[str]:
    return store.regrade_rows("regrade-1", "default@2", moves, now, "regrade")


def test_beginning_pins_the_tenants_and_is_recorded_once(store: Store) -> None:
    store.put_tenant(tenant("acme"))
    store.put_tenant(tenant("bolt"))
    assert store.begin_regrade(ASKED) == ASKED
    other = Regrade(
        replay_id="regrade-1",
        policy="default@1",
        tenants=("acme", "bolt"),
        since="",
        until="",
        started_at=NOON + 9,
    )
    assert store.begin_regrade(other) == ASKED
    assert {one.slug: one.policy for one in store.tenants()} == {
        "acme": "default@2",
        "bolt": "default@1",
    }
    assert store.open_regrades() == store.regrades() == [ASKED]
    store.end_reset("regrade-1", NOON + 5)
    assert store.open_regrades() == []
    found = store.regrade("regrade-1")
    assert found is not None
    assert found.reset_at == NOON + 5


def test_an_unknown_tenant_leaves_no_regrade_and_no_pin_behind(store: Store) -> None:
    store.put_tenant(tenant("acme"))
    with pytest.raises(UnknownTenant):
        store.begin_regrade(
            Regrade(
                replay_id="regrade-1",
                policy="default@2",
                tenants=("acme", "nobody"),
                since="",
                until="",
                started_at=NOON,
            )
        )
    assert store.regrades() == []
    assert [one.policy for one in store.tenants()] == ["default@1"]


def test_a_decided_row_goes_to_its_boundary_and_keeps_its_decision_until_the_next(
    store: Store,
) -> None:
    (image,) = decided(store, 1)
    assert send(store, move(store, image)) == frozenset()
    sent = row(store, image)
    assert (sent.pipeline_status, sent.target) == ("pending_curation", "default@2")
    assert (sent.verdict, sent.policy) == ("accept", "default@1")
    assert store.regrading() == {sent.batch: 1}
    decide(store, "default@2", now=NOON + 2)
    done = row(store, image)
    assert (done.pipeline_status, done.policy, done.target) == ("curated", "default@2", None)
    assert store.regrading() == {}
    assert rebuild(store.history(image)) == done


def test_a_move_that_was_read_before_the_row_changed_is_void(store: Store) -> None:
    (image,) = decided(store, 1)
    stale = move(store, image)
    store.reset_images([image], Reset(stage="scored", reason="operator"), NOON)
    before = row(store, image)
    assert send(store, stale) == {image}
    assert row(store, image) == before


def test_a_row_in_flight_at_an_earlier_stage_keeps_its_lease_and_learns_its_policy(
    store: Store,
) -> None:
    (image,) = arrive(store, 1)
    carry(store, through="validated")
    held = claim(store, "enriched")
    assert send(store, move(store, image, None)) == frozenset()
    assert commit(store, held).applied == {image}
    assert row(store, image).target == "default@2"


def test_whoever_decides_under_the_old_policy_at_that_moment_has_lost_the_row(store: Store) -> None:
    (image,) = arrive(store, 1)
    carry(store, through="scored")
    held = claim(store, "curated")
    assert send(store, move(store, image)) == frozenset()
    assert commit(store, held).lost == {image}


def test_a_replay_may_go_back_to_evidence_that_was_recorded_earlier(store: Store) -> None:
    (image,) = decided(store, 1)
    send(store, move(store, image, "curated", enriched="enriched-0"))
    assert row(store, image).evidence["enriched"] == "enriched-0"
    assert row(store, image).evidence["validated"] == "validated-1"


def test_rows_that_failed_or_lost_their_object_stay(store: Store) -> None:
    failed, gone, moved = arrive(store, 3)
    held = {one.image_id: one for one in claim(store)}
    commit(store, [held.pop(failed)], TerminalFailure("truncated", "cut"))
    commit(store, list(held.values()))
    for stage in ("enriched", "scored"):
        commit(store, claim(store, stage))
    decide(store, "default@1")
    store.depart([gone], NOON, "deleted")
    moves = [move(store, image) for image in (failed, gone, moved)]
    assert send(store, *moves) == {failed, gone}
    assert row(store, failed).pipeline_status == "failed"
    assert row(store, gone).pipeline_status == "curated"


def test_a_failure_ends_the_wish_for_a_policy(store: Store) -> None:
    (image,) = decided(store, 1)
    send(store, move(store, image, "scored"))
    (held,) = claim(store, "scored", now=NOON + 2)
    commit(store, [held], TerminalFailure("odd", "very"), now=NOON + 2)
    assert row(store, image).target is None
    assert store.regrading() == {}


def test_which_batches_are_at_their_boundary_is_remembered_per_replay(store: Store) -> None:
    decided(store, 1)
    (batch,) = store.batches()
    store.note_replayed("regrade-1", batch, 1, NOON)
    store.note_replayed("regrade-1", batch, 7, NOON)
    assert store.replayed("regrade-1") == {batch: 1}
    assert store.replayed("regrade-2") == {}


def test_a_reset_may_name_the_policy_to_decide_under(store: Store) -> None:
    (image,) = decided(store, 1)
    store.reset(
        store.batches(), Reset(stage="curated", reason="backfill", policy="default@2"), NOON, "b-1"
    )
    assert row(store, image).target == "default@2"
    store.reset(store.batches(), Reset(stage="curated", reason="click"), NOON, "b-2")
    assert row(store, image).target == "default@2"


def test_decisions_are_appended_and_never_overwritten(store: Store) -> None:
    (image,) = decided(store, 1)
    for policy in ("default@2", "default@1"):
        store.reset_images([image], Reset(stage="curated", reason="again"), NOON)
        decide(store, policy)
    assert [one.policy for one in store.decisions([image])[image]] == [
        "default@1",
        "default@2",
        "default@1",
    ]
    recorded = store.decided_under([image], "sha256:default@2")
    assert recorded[image]["policy"] == "default@2"
    assert store.decided_under([image], "sha256:default@3") == {}


def test_rows_decided_under_another_version_than_the_pin_are_counted(store: Store) -> None:
    decided(store, 3)
    (batch,) = store.batches()
    assert store.mispinned() == []
    store.pin("acme", "default@2")
    assert store.mispinned() == [
        Mispinned(batch=batch, tenant="acme", pin="default@2", policy="default@1", rows=3)
    ]
    store.pin("acme", "aaa@1")
    assert store.mispinned() == [
        Mispinned(batch=batch, tenant="acme", pin="aaa@1", policy="default@1", rows=3)
    ]
