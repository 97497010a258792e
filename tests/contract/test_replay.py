"""reset: rows go back to a stage, once per replay, and keep what was found."""

from __future__ import annotations

from typing import Any

import pytest

from parjanya_dagster.errors import InvalidTransition
from parjanya_dagster.truth.models import Evidence
from parjanya_dagster.truth.outcomes import (
    Claim,
    Completed,
    Outcome,
    Retry,
    SendBack,
    TerminalFailure,
)
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.transitions import Rules
from tests.support.backends import Backend
from tests.support.world import LEASE, NOON, arrive, carry, claim, commit, completed, found, row


def statuses(store: Store) -> list[str]:
    return sorted(str(one.pipeline_status) for one in store.rows(store.batches()))


def test_a_reset_sends_all_rows_of_its_batches_back(backend: Backend) -> None:
    store = backend.open(batch_size=3)
    arrive(store, 5)
    carry(store)
    first, second = store.batches()
    assert (
        store.reset([first], Reset(stage="enriched", reason="regrade"), NOON + 1, "backfill-1") == 3
    )
    assert statuses(store) == ["curated"] * 2 + ["pending_vlm_enrichment"] * 3
    (due,) = store.due(NOON + 1)
    assert (due.batch, due.stage, due.rows) == (first, "enriched", 3)
    assert (
        store.reset([second], Reset(stage="enriched", reason="regrade"), NOON + 1, "backfill-1")
        == 2
    )


def test_a_batch_is_reset_once_per_replay(store: Store) -> None:
    arrive(store, 2)
    carry(store)
    batches = store.batches()
    assert store.reset(batches, Reset(stage="scored", reason="regrade"), NOON, "backfill-1") == 2
    carry_from_scored(store)
    assert (
        store.reset(batches, Reset(stage="scored", reason="a retried run"), NOON, "backfill-1") == 0
    )
    assert statuses(store) == ["curated"] * 2
    assert store.reset(batches, Reset(stage="scored", reason="another"), NOON, "backfill-2") == 2


def test_a_later_stage_of_the_same_replay_does_not_reset_again(store: Store) -> None:
    """One backfill over all four assets: each asks, the earliest has done it for all."""
    arrive(store, 2)
    carry(store)
    batches = store.batches()
    assert store.reset(batches, Reset(stage="validated", reason="materialize"), NOON, "run-9") == 2
    for stage in ("enriched", "scored", "curated"):
        assert store.reset(batches, Reset(stage=stage, reason="materialize"), NOON, "run-9") == 0
    assert statuses(store) == ["pending_validation"] * 2


def test_an_earlier_stage_of_the_same_replay_still_resets(store: Store) -> None:
    arrive(store, 1)
    carry(store)
    assert (
        store.reset(store.batches(), Reset(stage="curated", reason="regrade"), NOON, "run-9") == 1
    )
    assert (
        store.reset(store.batches(), Reset(stage="enriched", reason="regrade"), NOON, "run-9") == 1
    )
    assert statuses(store) == ["pending_vlm_enrichment"]


def test_rows_that_never_reached_the_stage_are_left_alone(store: Store) -> None:
    early, late = arrive(store, 2)
    claims = claim(store)
    commit(store, [one for one in claims if one.image_id == late])
    store.release([one for one in claims if one.image_id == early], NOON, "drain", "")
    before = row(store, early)
    assert (
        store.reset_images(
            [early, late, "unknown"], Reset(stage="enriched", reason="operator"), NOON
        )
        == 1
    )
    assert row(store, early) == before


def test_a_failed_row_can_be_reset_up_to_the_stage_it_failed_in(store: Store) -> None:
    (image,) = arrive(store, 1)
    carry(store, through="validated")
    commit(store, claim(store, "enriched"), TerminalFailure("model_refused", "no answer"))
    assert store.reset_images([image], Reset(stage="scored", reason="operator"), NOON) == 0
    assert store.reset_images([image], Reset(stage="enriched", reason="operator"), NOON) == 1
    again = row(store, image)
    assert again.pipeline_status == "pending_vlm_enrichment"
    assert (again.failure_class, again.failure_reason, again.failed_stage) == (None, None, None)
    assert (again.attempts, again.retries, again.suspect) == (0, 0, False)


def test_the_dead_can_be_raised_as_often_as_one_likes(backend: Backend) -> None:
    store = backend.open(rules=Rules(max_attempts=1))
    (image,) = arrive(store, 1)
    now = NOON
    for _ in range(3):
        claim(store, now=now)
        now += LEASE
        store.expire_leases(now)
        assert row(store, image).failure_class == "crashed_repeatedly"
        assert store.reset_images([image], Reset(stage="validated", reason="operator"), now) == 1
    carry(store, now=now)
    assert row(store, image).pipeline_status == "curated"


def test_rows_without_an_object_are_not_reset(store: Store) -> None:
    gone, here = arrive(store, 2)
    carry(store)
    store.depart([gone], NOON, "deleted")
    assert (
        store.reset(store.batches(), Reset(stage="validated", reason="regrade"), NOON, "backfill-1")
        == 1
    )
    assert row(store, here).pipeline_status == "pending_validation"
    assert row(store, gone).pipeline_status == "curated"


def test_a_reset_keeps_the_evidence_and_the_decision_until_there_is_a_new_one(
    store: Store,
) -> None:
    (image,) = arrive(store, 1)
    carry(store, through="scored")
    (held,) = claim(store, "curated")
    commit(store, [held], completed(held, verdict="accept", reasons=["fine"], policy="default@1"))
    store.reset_images([image], Reset(stage="curated", reason="regrade"), NOON)
    assert row(store, image).verdict == "accept"
    assert set(row(store, image).evidence) == {"validated", "enriched", "scored", "curated"}


def test_a_row_is_sent_back_to_the_stage_that_made_what_is_missing(store: Store) -> None:
    (image,) = arrive(store, 1)
    carry(store, through="validated")
    commit(store, claim(store, "enriched"), SendBack("validated", "its preview is missing"))
    back = row(store, image)
    assert (back.pipeline_status, back.lease_owner) == ("pending_validation", None)
    assert store.history(image)[-1].reason == "its preview is missing"
    carry(store)
    assert row(store, image).pipeline_status == "curated"


@pytest.mark.parametrize("stage", ["validated", "enriched"])
def test_a_row_is_not_sent_forward(store: Store, stage: str) -> None:
    arrive(store, 1)
    with pytest.raises(InvalidTransition, match="validated cannot send a row back"):
        commit(store, claim(store), SendBack(stage, "why not"))


def test_a_mistake_of_ours_is_tried_a_few_times_only(backend: Backend) -> None:
    store = backend.open(rules=Rules(max_attempts=3))
    (image,) = arrive(store, 1)
    now = NOON
    for attempts in (1, 2):
        commit(store, claim(store, now=now), Retry("KeyError: 'x'", refund=False), now=now)
        assert row(store, image).attempts == attempts
        now = row(store, image).not_before
    commit(store, claim(store, now=now), Retry("KeyError: 'x'", refund=False), now=now)
    assert row(store, image).pipeline_status == "failed"
    assert "KeyError" in (row(store, image).failure_reason or "")


def test_evidence_is_never_updated(store: Store) -> None:
    """The same fingerprint means the same answer; whoever comes second changes nothing."""
    (image,) = arrive(store, 1)
    carry(store, through="validated")
    (first,) = store.all_evidence(image)
    store.reset_images([image], Reset(stage="validated", reason="operator"), NOON)
    (held,) = claim(store)
    commit(store, [held], completed_with(held, body={"width": 1}))
    assert store.all_evidence(image) == [first]


def test_new_evidence_stands_beside_the_old_and_the_row_points_at_it(store: Store) -> None:
    (image,) = arrive(store, 1)
    carry(store, through="validated")
    store.reset_images([image], Reset(stage="validated", reason="operator"), NOON)
    (held,) = claim(store)
    commit(store, [held], completed_with(held, fingerprint="validated-2", body={"width": 2}))
    assert {one.fingerprint for one in store.all_evidence(image)} == {"validated-1", "validated-2"}
    current = store.evidence([row(store, image)])[image]["validated"]
    assert (current.fingerprint, current.body) == ("validated-2", {"width": 2})


def test_the_evidence_of_many_rows_comes_at_once(store: Store) -> None:
    ids = arrive(store, 5)
    carry(store)
    rows = store.rows(store.batches())
    evidence = store.evidence(rows)
    assert set(evidence) == set(ids)
    for image in ids:
        assert set(evidence[image]) == {"validated", "enriched", "scored", "curated"}
        assert evidence[image]["scored"].body == {"stage": "scored", "width": 640}
    assert store.evidence([]) == {}
    some = store.evidence(rows, ("scored", "curated"))
    assert {image: set(found) for image, found in some.items()} == {
        image: {"scored", "curated"} for image in ids
    }
    assert all(some[image]["scored"] == evidence[image]["scored"] for image in ids)
    assert store.evidence(rows, ()) == {}
    assert store.evidence([row(store, arrive(store, 1, slug="zeta")[0])]) == {}


def test_evidence_comes_back_as_it_was_found(store: Store) -> None:
    (image,) = arrive(store, 1)
    (held,) = claim(store)
    body = {"text": "日本 \U0001f600 \\u0000", "share": 1 / 3, "none": None, "list": [1, [2.5, {}]]}
    commit(store, [held], completed_with(held, body=body))
    (one,) = store.all_evidence(image)
    assert one == Evidence(**{**{n: getattr(one, n) for n in Evidence.__slots__}, "body": body})


def test_what_no_database_can_hold_is_replaced_and_fails_nobody(store: Store) -> None:
    """Cameras write NUL bytes into EXIF text."""
    first, second = arrive(store, 2)
    by_id = {one.image_id: one for one in claim(store)}
    odd = {"lens": "50mm\0\0", "\0": float("nan"), "deep": [{"s": "\ud800"}, float("inf")]}
    outcomes: list[tuple[Claim, Outcome]] = [
        (by_id[first], completed_with(by_id[first], body=odd)),
        (by_id[second], TerminalFailure("undecodable", "bad marker \0")),
    ]
    assert store.commit(outcomes, NOON, "run-1").applied == {first, second}
    (one,) = store.all_evidence(first)
    assert one.body == {"lens": "50mm��", "�": None, "deep": [{"s": "�"}, None]}
    assert row(store, second).failure_reason == "bad marker �"


def test_the_manifest_of_a_batch_is_stale_once_a_row_of_it_is_decided(store: Store) -> None:
    (image,) = arrive(store, 1)
    carry(store, through="scored")
    assert store.stale_manifests() == {}
    carry(store)
    ((batch, decided),) = store.stale_manifests().items()
    assert batch == row(store, image).batch
    # While the manifest is written:
    store.reset_images([image], Reset(stage="curated", reason="operator"), NOON)
    store.manifest_written(batch, decided)
    assert list(store.stale_manifests()) == [batch]
    store.manifest_written(batch, store.stale_manifests()[batch])
    assert store.stale_manifests() == {}
    store.manifest_written(batch, 0)  # a late writer
    assert store.stale_manifests() == {}


def completed_with(held: Claim, *, fingerprint: str | None = None, body: Any = None) -> Completed:
    return Completed(found(held, fingerprint=fingerprint, body=body))


def carry_from_scored(store: Store) -> None:
    for stage in ("scored", "curated"):
        commit(store, claim(store, stage))
