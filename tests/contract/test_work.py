"""due, claim, extend, commit, release, expire leases: the life of work on one row."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from parjanya_dagster.errors import InvalidTransition
from parjanya_dagster.execution.kept import Kept
from parjanya_dagster.truth.models import Move
from parjanya_dagster.truth.outcomes import (
    Claim,
    Committed,
    Completed,
    Outcome,
    Retry,
    TerminalFailure,
)
from parjanya_dagster.truth.requests import ClaimRequest, Reset
from parjanya_dagster.truth.stages import STAGES
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.transitions import Rules, rebuild
from tests.support.backends import Backend
from tests.support.world import (
    LEASE,
    NOON,
    arrival,
    arrive,
    carry,
    claim,
    commit,
    completed,
    due_rows,
    found,
    row,
    tenant,
)


def test_due_names_the_batches_whose_rows_may_be_claimed_now(store: Store) -> None:
    arrive(store, 3, slug="acme", now=NOON)
    arrive(store, 2, slug="zeta", now=NOON + 10)
    (acme,) = store.due(NOON + 5)
    assert (acme.batch, acme.tenant, acme.stage) == ("acme/2025-10-09/001", "acme", "validated")
    assert (acme.rows, acme.oldest) == (3, NOON)
    assert [batch.tenant for batch in store.due(NOON + 10)] == ["acme", "zeta"]
    assert store.due(NOON - 1) == []


def test_due_can_be_asked_for_some_stages_only(store: Store) -> None:
    arrive(store, 1)
    carry(store, through="validated")
    arrive(store, 2, slug="zeta")
    assert [(b.stage, b.rows) for b in store.due(NOON, ["enriched"])] == [("enriched", 1)]
    assert [(b.stage, b.rows) for b in store.due(NOON, ["validated"])] == [("validated", 2)]
    assert store.due(NOON, ["scored", "curated"]) == []
    assert store.due(NOON, []) == []


def test_due_can_be_asked_for_some_batches_only(store: Store) -> None:
    arrive(store, 3, slug="acme")
    arrive(store, 2, slug="zeta")
    acme, zeta = store.due(NOON)
    assert store.due(NOON, batches={acme.batch}) == [acme]
    assert store.due(NOON, ["validated"], batches=[zeta.batch]) == [zeta]
    assert store.due(NOON, batches=()) == []
    claim(store, limit=1)
    (lapsed,) = store.due(NOON + LEASE, batches={acme.batch})
    assert lapsed.rows == 3, "one's lease ran out, and nobody freed it yet"


def test_due_rows_are_those_that_may_be_claimed_now_and_no_others(store: Store) -> None:
    ids = arrive(store, 4)
    carry(store, through="validated")
    later = arrive(store, 6)[4:]
    (batch,) = store.batches()
    held = claim(store, "enriched", limit=1)
    retried = claim(store, "enriched", limit=1)
    commit(store, retried, Retry("away"))
    free = set(ids) - {one.image_id for one in held + retried}

    def due(*stages: str, limit: int = 10, now: float = NOON) -> set[str]:
        return {row.image_id for row in store.due_rows([batch], stages, now, limit)}

    assert due("enriched") == free
    assert due("validated", "enriched") == free | set(later)
    assert due("validated") == set(later)
    assert due("scored") == set()
    assert due("enriched", now=NOON - 1) == set()
    assert len(due("validated", "enriched", limit=3)) == 3
    assert store.due_rows([], ["validated"], NOON, 10) == []
    assert store.due_rows(["acme/2025-10-09/777"], ["validated"], NOON, 10) == []


def test_a_suspect_row_is_among_the_due_rows(store: Store) -> None:
    ids = arrive(store, 2)
    claim(store)
    store.expire_leases(NOON + LEASE)
    rows = store.due_rows(store.batches(), ["validated"], NOON + LEASE, 10)
    assert {row.image_id for row in rows} == set(ids)


def test_what_is_claimed_is_not_due_until_its_lease_ends(store: Store) -> None:
    arrive(store, 2)
    claim(store, limit=1)
    assert due_rows(store, NOON) == 1
    assert due_rows(store, NOON + LEASE) == 2


def test_a_claim_takes_the_lease_and_counts_the_attempt(store: Store) -> None:
    (image,) = arrive(store, 1)
    (held,) = claim(store, owner="worker-7")
    assert held.row == row(store, image)
    assert (held.row.lease_owner, held.row.lease_until) == ("worker-7", NOON + LEASE)
    assert (held.row.fence, held.row.attempts) == (1, 1)
    assert held.row.in_flight(NOON)
    assert not held.row.in_flight(NOON + LEASE)


def test_a_claimed_row_is_not_claimed_again(store: Store) -> None:
    arrive(store, 3)
    first, second = claim(store, limit=2), claim(store, limit=2, owner="worker-2")
    assert (len(first), len(second)) == (2, 1)
    assert claim(store, owner="worker-3") == []


def test_the_longest_due_of_a_batch_are_claimed_first(store: Store) -> None:
    store.put_tenant(tenant())
    for n, at in enumerate([5.0, 1.0, 3.0, 4.0, 2.0]):
        store.register([arrival(n, landed_at=NOON - at)], NOON + at)
    held = claim(store, limit=3, now=NOON + 9)
    assert [one.row.arrived_at for one in held] == [NOON + 3, NOON + 2, NOON + 1]
    assert [one.row.landed_at for one in held] == sorted(one.row.landed_at for one in held)


def test_one_batch_is_claimed_after_the_other(backend: Backend) -> None:
    store = backend.open(batch_size=4)
    arrive(store, 12)
    taken = [sorted({c.row.batch[-3:] for c in claim(store, limit=3)}) for _ in range(4)]
    assert taken == [["001"], ["001", "002"], ["002", "003"], ["003"]]


def test_a_claim_stays_within_its_stage_and_batches(store: Store) -> None:
    arrive(store, 2, slug="acme")
    arrive(store, 2, slug="zeta")
    (zeta,) = store.batches("zeta")
    assert (
        store.claim(
            ClaimRequest(stage="enriched", batches=[zeta], limit=9, owner="w", lease=LEASE), NOON
        )
        == []
    )
    assert {
        c.row.tenant
        for c in store.claim(
            ClaimRequest(stage="validated", batches=[zeta], limit=9, owner="w", lease=LEASE), NOON
        )
    } == {"zeta"}
    assert (
        store.claim(
            ClaimRequest(stage="validated", batches=[], limit=9, owner="w", lease=LEASE), NOON
        )
        == []
    )
    assert (
        store.claim(
            ClaimRequest(
                stage="validated", batches=store.batches(), limit=0, owner="w", lease=LEASE
            ),
            NOON,
        )
        == []
    )


def test_a_completed_stage_leads_to_the_next(store: Store) -> None:
    (image,) = arrive(store, 1)
    expected = ["pending_vlm_enrichment", "pending_iqa", "pending_curation", "curated"]
    for stage, status in zip(("validated", "enriched", "scored", "curated"), expected, strict=True):
        done = commit(store, claim(store, stage))
        assert (done.applied, done.lost) == ({image}, frozenset())
        assert row(store, image).pipeline_status == status
    last = row(store, image)
    assert last.due_at is None
    assert (last.lease_owner, last.attempts, last.fence) == (None, 0, 4)
    assert set(last.evidence) == {"validated", "enriched", "scored", "curated"}
    assert store.due(NOON + 1e9) == []


def test_a_completed_stage_may_fill_in_what_the_row_repeats(store: Store) -> None:
    (image,) = arrive(store, 1)
    (held,) = claim(store)
    commit(store, [held], completed(held, sha256="ab" * 32, preview_key="p.webp"))
    assert row(store, image).sha256 == "ab" * 32
    assert row(store, image).preview_key == "p.webp"


def test_the_decision_is_kept_with_its_reasons(store: Store) -> None:
    (image,) = arrive(store, 1)
    carry(store, through="scored")
    (held,) = claim(store, "curated")
    decision = completed(held, verdict="reject", reasons=("too small",), policy="default@2")
    commit(store, [held], decision)
    decided = row(store, image)
    assert (decided.verdict, decided.reasons, decided.policy) == (
        "reject",
        ("too small",),
        "default@2",
    )
    assert store.history(image)[-1].policy == "default@2"


@pytest.mark.parametrize("column", ["fence", "tenant", "pipeline_status", "nonsense"])
def test_an_outcome_may_not_touch_the_columns_of_the_state_machine(
    store: Store, column: str
) -> None:
    (image,) = arrive(store, 1)
    (held,) = claim(store)
    with pytest.raises(InvalidTransition, match=column):
        commit(store, [held], completed(held, **{column: 7}))
    assert row(store, image) == held.row


def test_evidence_of_another_image_or_stage_is_refused(store: Store) -> None:
    arrive(store, 2)
    one, other = claim(store)
    with pytest.raises(InvalidTransition, match="evidence"):
        commit(store, [one], Completed(found(other)))


def test_two_outcomes_for_one_image_are_refused(store: Store) -> None:
    (image,) = arrive(store, 1)
    (held,) = claim(store)
    with pytest.raises(InvalidTransition, match="two outcomes"):
        store.commit([(held, completed(held)), (held, Retry("no"))], NOON, "run-1")
    assert row(store, image) == held.row


def test_a_retry_waits_and_refunds_the_attempt(store: Store) -> None:
    (image,) = arrive(store, 1)
    commit(store, claim(store), Retry("bucket throttles"), now=NOON + 1)
    waiting = row(store, image)
    assert waiting.pipeline_status == "pending_validation"
    assert (waiting.attempts, waiting.retries, waiting.retry_since) == (0, 1, NOON + 1)
    assert waiting.due_at == waiting.not_before
    assert waiting.not_before > NOON + 1
    assert claim(store, now=waiting.not_before - 0.001) == []
    assert [one.image_id for one in claim(store, now=waiting.not_before)] == [image]


def test_retries_back_off_within_their_bounds(backend: Backend) -> None:
    rules = Rules(backoff_first=4.0, backoff_most=100.0)
    store = backend.open(rules=rules, rng=random.Random(7))
    (image,) = arrive(store, 1)
    now, waits = NOON, []
    for _ in range(10):
        commit(store, claim(store, now=now), Retry("away"), now=now)
        waits.append(row(store, image).not_before - now)
        now = row(store, image).not_before
    for retries, wait in enumerate(waits):
        ceiling = min(100.0, 4.0 * 2**retries)
        assert ceiling / 2 - 1e-3 <= wait <= ceiling + 1e-3
    assert len(set(waits)) == len(waits)  # jittered


def test_retries_go_on_until_the_horizon_and_then_fail(backend: Backend) -> None:
    store = backend.open(rules=Rules(retry_horizon=3600.0, max_attempts=2))
    (image,) = arrive(store, 1)
    now, rounds = NOON, 0
    while (one := row(store, image)).pipeline_status != "failed":
        now, rounds = max(now, one.not_before), rounds + 1
        commit(store, claim(store, now=now), Retry("model server away"), now=now)
    assert rounds > 5  # many more than max_attempts: a retry is not a crash
    assert now - NOON > 3600.0
    assert one.failure_class == "retry_horizon"
    assert "model server away" in (one.failure_reason or "")
    assert due_rows(store, now + 1e9) == 0


def test_success_forgets_the_retries_before_it(store: Store) -> None:
    (image,) = arrive(store, 1)
    commit(store, claim(store), Retry("away"))
    commit(store, claim(store, now=NOON + 60), now=NOON + 60)
    assert (row(store, image).retries, row(store, image).retry_since) == (0, None)


def test_a_terminal_failure_is_durable_and_has_a_reason(store: Store) -> None:
    (image,) = arrive(store, 1)
    commit(store, claim(store), TerminalFailure("undecodable", "the JPEG ends after 12 rows"))
    failed = row(store, image)
    assert failed.pipeline_status == "failed"
    assert (failed.failure_class, failed.failure_reason) == (
        "undecodable",
        "the JPEG ends after 12 rows",
    )
    assert (failed.failed_stage, failed.due_at, failed.lease_owner) == ("validated", None, None)
    assert claim(store, now=NOON + 1e9) == []


def test_a_failure_leaves_no_verdict_behind(store: Store) -> None:
    """A row that fails in a replay is not accepted any more, whatever it was before."""
    (image,) = arrive(store, 1)
    carry(store, through="scored")
    (held,) = claim(store, "curated")
    commit(store, [held], completed(held, verdict="accept", reasons=["fine"], policy="default@1"))
    store.reset_images([image], Reset(stage="scored", reason="replay"), NOON)
    commit(store, claim(store, "scored"), TerminalFailure("undecodable", "preview is damaged"))
    failed = row(store, image)
    assert (failed.verdict, failed.reasons, failed.policy) == (None, (), None)


def test_outcomes_of_one_commit_may_differ(store: Store) -> None:
    arrive(store, 3)
    one, two, three = claim(store)
    outcomes: list[tuple[Claim, Outcome]] = [
        (one, completed(one)),
        (two, Retry("away")),
        (three, TerminalFailure("bad", "x")),
    ]
    done = store.commit(outcomes, NOON, "run-1")
    assert done.applied == {one.image_id, two.image_id, three.image_id}
    assert [row(store, c.image_id).pipeline_status for c in (one, two, three)] == [
        "pending_vlm_enrichment",
        "pending_validation",
        "failed",
    ]


def test_committing_nothing_is_fine(store: Store) -> None:
    done = store.commit([], NOON, "run-1")
    assert (done.applied, done.lost) == (frozenset(), frozenset())


def test_a_late_worker_loses_and_changes_nothing(store: Store) -> None:
    (image,) = arrive(store, 1)
    late = claim(store, owner="late")
    now = NOON + LEASE
    (taken,) = claim(store, owner="quick", now=now)
    done = commit(store, late, lambda c: completed(c, sha256="late"), now=now)
    assert (done.applied, done.lost) == (frozenset(), {image})
    assert row(store, image) == taken.row
    assert store.all_evidence(image) == []
    assert commit(store, [taken], now=now).applied == {image}
    assert commit(store, late, now=now).lost == {image}


def test_committing_twice_loses_the_second_time(store: Store) -> None:
    """A worker that saw its connection break may try again: nothing is applied twice."""
    (image,) = arrive(store, 1)
    claims = claim(store)
    commit(store, claims)
    before = row(store, image)
    assert commit(store, claims).lost == {image}
    assert row(store, image) == before
    assert len(store.history(image)) == 2


def keep(
    store: Store,
    claims: list[Claim],
    outcome: Callable[[Claim], Outcome] = completed,
    now: float = NOON,
) -> Committed:
    """Commit, and keep the rows for the next stage."""
    return store.commit([(one, outcome(one)) for one in claims], now, "run-1", keep=LEASE)


def test_a_kept_row_has_the_policy_that_a_regrade_named_meanwhile(store: Store) -> None:
    """A regrade leaves the lease of a row under way alone: it counts on the next claim."""
    (image,) = arrive(store, 1)
    held = claim(store)
    for _ in ("validated", "enriched"):
        held = list(keep(store, held).kept)
    seen = row(store, image)
    named = Move(
        image_id=image, fence=seen.fence, status=seen.pipeline_status, stage=None, evidence={}
    )
    assert not store.regrade_rows("regrade-1", "strict@2", [named], NOON, "to strict@2")
    kept = Kept(store, "worker-1", lambda: NOON, LEASE)
    kept.hold(keep(store, held).kept)
    (taken,) = kept.take("curated", 50)
    assert taken == Claim(row(store, image), "curated", "worker-1")
    assert taken.row.target == "strict@2"


def test_a_kept_row_that_is_not_ours_any_more_is_left_out(store: Store) -> None:
    arrive(store, 1)
    kept = Kept(store, "worker-1", lambda: NOON, LEASE)
    kept.hold(keep(store, claim(store)).kept)
    store.expire_leases(NOON + LEASE + 1)
    assert claim(store, "enriched", owner="worker-2", now=NOON + LEASE + 1)
    assert kept.take("enriched", 50) == []


def test_rows_that_are_kept_are_claimed_for_the_next_stage_by_the_same_commit(store: Store) -> None:
    (image,) = arrive(store, 1)
    done = claim(store)
    (held,) = keep(store, done).kept
    assert held == Claim(row(store, image), "enriched", "worker-1")
    assert (held.row.fence, held.row.attempts, held.row.lease_until) == (2, 1, NOON + LEASE)
    assert store.leases(NOON) == {"worker-1": NOON + LEASE}
    assert (store.due(NOON), claim(store, "enriched", owner="worker-2")) == ([], [])
    assert keep(store, done).lost == {image}  # the stage that is done is not done again
    (held,) = keep(store, [held]).kept
    (held,) = keep(store, [held]).kept
    assert held.stage == "curated"
    assert keep(store, [held]).kept == ()  # decided
    decided = row(store, image)
    assert (decided.pipeline_status, decided.lease_owner) == ("curated", None)
    told = store.history(image)
    assert [event.kind for event in told] == ["registered", *["completed"] * 4]
    assert rebuild(told) == decided
    assert {one.stage for one in store.all_evidence(image)} == set(STAGES)


def test_a_kept_row_has_half_of_a_lease_at_least_and_is_freed_when_its_worker_died(
    store: Store,
) -> None:
    (image,) = arrive(store, 1)
    (held,) = keep(store, claim(store), now=NOON + LEASE * 0.4).kept
    assert row(store, image).lease_until == held.row.lease_until == NOON + LEASE
    (held,) = keep(store, [held], now=NOON + LEASE * 0.6).kept
    ends = NOON + LEASE * 1.6
    assert row(store, image).lease_until == held.row.lease_until == ends
    assert store.expire_leases(ends - 1) == 0
    assert store.expire_leases(ends) == 1
    freed = row(store, image)
    assert (freed.pipeline_status, freed.suspect, freed.attempts) == ("pending_iqa", True, 1)
    assert commit(store, [held]).lost == {image}  # before the row is claimed again, too


def test_only_what_goes_on_is_kept_and_it_can_be_handed_back(store: Store) -> None:
    ids = arrive(store, 4)
    claims = claim(store)
    ends: list[Outcome] = [Retry("away"), TerminalFailure("corrupt", "It ends.")]
    made = dict(zip(ids[1:3], ends, strict=True))
    store.reset_images([ids[3]], Reset(stage="validated", reason="again"), NOON)
    kept = keep(store, claims, lambda one: made.get(one.image_id) or completed(one)).kept
    assert [one.image_id for one in kept] == [ids[0]]
    assert store.release(kept, NOON + 1, "stopped", "run-1") == 1
    back = row(store, ids[0])
    assert (back.pipeline_status, back.attempts) == ("pending_vlm_enrichment", 0)
    assert [one.image_id for one in claim(store, "enriched", now=NOON + 1)] == [ids[0]]


def test_a_commit_of_some_rows_lost_applies_the_others(store: Store) -> None:
    first, second = arrive(store, 2)
    claims = claim(store)
    store.reset_images([first], Reset(stage="validated", reason="operator"), NOON)
    done = commit(store, claims)
    assert (done.applied, done.lost) == ({second}, {first})


def test_a_row_that_is_reset_under_its_worker_is_lost_to_it(store: Store) -> None:
    (image,) = arrive(store, 1)
    claims = claim(store)
    assert store.reset_images([image], Reset(stage="validated", reason="operator"), NOON) == 1
    assert row(store, image).fence > claims[0].row.fence
    assert store.extend(claims, LEASE, NOON) == frozenset()
    assert store.release(claims, NOON, "drain", "run-1") == 0
    assert commit(store, claims).lost == {image}
    assert due_rows(store, NOON) == 1


def test_extending_keeps_rows_in_flight(store: Store) -> None:
    arrive(store, 2)
    claims = claim(store)
    assert store.extend(claims, LEASE, NOON + 50) == {one.image_id for one in claims}
    assert due_rows(store, NOON + LEASE) == 0
    assert store.expire_leases(NOON + LEASE) == 0
    assert due_rows(store, NOON + 50 + LEASE) == 2
    assert len(commit(store, claims, now=NOON + 70).applied) == 2


def test_extending_names_only_what_is_still_ours(store: Store) -> None:
    first, second = arrive(store, 2)
    claims = claim(store)
    commit(store, claims[:1])
    assert store.extend(claims, LEASE, NOON) == {second}
    assert row(store, first).lease_owner is None
    assert store.extend([], LEASE, NOON) == frozenset()


def test_releasing_hands_rows_back_and_refunds_the_attempt(store: Store) -> None:
    (image,) = arrive(store, 1)
    claims = claim(store)
    assert store.release(claims, NOON + 1, "the run is draining", "run-1") == 1
    free = row(store, image)
    assert (free.attempts, free.lease_owner, free.due_at) == (0, None, NOON + 1)
    assert store.release(claims, NOON + 2, "again", "run-1") == 0
    assert commit(store, claims).lost == {image}
    assert len(claim(store, now=NOON + 1)) == 1


def test_a_crash_is_never_refunded(store: Store) -> None:
    (image,) = arrive(store, 1)
    claim(store)
    assert store.expire_leases(NOON + LEASE - 1) == 0
    assert store.expire_leases(NOON + LEASE) == 1
    assert store.expire_leases(NOON + LEASE) == 0
    free = row(store, image)
    assert (free.attempts, free.suspect, free.lease_owner) == (1, True, None)
    assert free.due_at == NOON + LEASE


def test_the_first_death_of_a_process_costs_its_rows_no_wait_and_later_ones_more(
    store: Store,
) -> None:
    """Most rows that were in flight are innocent. One whose process dies again waits by itself."""
    (image,) = arrive(store, 1)
    now, waits = NOON, []
    for _ in range(4):
        assert claim(store, now=now)
        now += LEASE
        store.expire_leases(now)
        waits.append(row(store, image).not_before - now)
        now += waits[-1]
        assert claim(store, now=now - 1) == []
    assert waits == [0.0, 60.0, 300.0, 1500.0]
    assert row(store, image).due_at == row(store, image).not_before
    assert claim(store, now=now)
    store.expire_leases(now + LEASE)
    assert row(store, image).failure_class == "crashed_repeatedly"


def test_a_suspect_is_left_for_later_while_others_wait_longer_for_the_same_process(
    store: Store,
) -> None:
    """They would die with it."""
    arrive(store, 3)
    first, *rest = claim(store)
    commit(store, rest[:1])  # waits for the next stage
    store.release(rest[1:], NOON, "drained", "run-1")
    now = NOON + LEASE  # the first one's process died

    def asked(*ahead: str, stage: str = "validated") -> list[Claim]:
        wanted = ClaimRequest(
            stage=stage,
            batches=store.batches(),
            limit=5,
            owner="next",
            lease=LEASE,
            ahead=ahead,
        )
        return store.claim(wanted, now)

    assert [one.row.suspect for one in asked("enriched", "scored")] == [False]
    assert asked("enriched", "scored") == []
    assert asked("scored", "curated") != []  # another lane does those: they are in no danger
    store.expire_leases(now + LEASE)
    now += 2 * LEASE + 60
    assert asked("enriched", "scored") == []
    assert [one.image_id for one in asked(stage="enriched")] == [rest[0].image_id]
    assert {one.image_id for one in asked("enriched", "scored")} <= {
        first.image_id,
        rest[1].image_id,
    }


def test_lapsing_is_bounded(store: Store) -> None:
    arrive(store, 5)
    claim(store)
    assert [store.expire_leases(NOON + LEASE, limit=2) for _ in range(4)] == [2, 2, 1, 0]


def test_a_claim_finds_lapsed_rows_without_help(store: Store) -> None:
    (image,) = arrive(store, 1)
    claim(store, owner="dead")
    (again,) = claim(store, owner="next", now=NOON + LEASE)
    assert again.image_id == image
    assert (again.row.fence, again.row.attempts, again.row.suspect) == (2, 2, True)
    assert [event.kind for event in store.history(image)] == ["registered", "lease_lapsed"]


def test_rows_that_were_in_flight_in_a_crash_are_claimed_alone(store: Store) -> None:
    arrive(store, 4)
    claim(store, limit=3, owner="dead")
    now = NOON + LEASE
    first = claim(store, owner="next", now=now)
    assert [one.row.suspect for one in first] == [False]
    sizes = [len(claim(store, owner="next", now=now)) for _ in range(4)]
    assert sizes == [1, 1, 1, 0]


def test_an_innocent_neighbour_of_a_crash_is_cleared(store: Store) -> None:
    (image,) = arrive(store, 1)
    claim(store)
    commit(store, claim(store, now=NOON + LEASE), now=NOON + LEASE)
    assert not row(store, image).suspect
    assert row(store, image).attempts == 0


def test_an_image_that_kills_every_process_fails_and_its_neighbours_do_not(
    backend: Backend,
) -> None:
    store = backend.open(rules=Rules(max_attempts=3))
    poison, *rest = arrive(store, 6)
    now = NOON
    for _ in range(60):
        claims = claim(store, now=now)
        if poison in {one.image_id for one in claims}:
            now += LEASE  # the process died, with all it held
            store.expire_leases(now)
            now = max(now, row(store, poison).not_before)
            continue
        commit(store, claims, now=now)
    dead = row(store, poison)
    assert (dead.pipeline_status, dead.failure_class) == ("failed", "crashed_repeatedly")
    assert dead.attempts == 3
    assert {row(store, one).pipeline_status for one in rest} == {"pending_vlm_enrichment"}


def test_the_fence_only_ever_grows(store: Store) -> None:
    (image,) = arrive(store, 1)
    fences = [0]

    def note() -> None:
        fences.append(row(store, image).fence)

    claims = claim(store)
    note()
    store.release(claims, NOON, "drain", "")
    note()
    claim(store)
    note()
    store.expire_leases(NOON + LEASE)
    note()
    store.reset_images([image], Reset(stage="validated", reason="operator"), NOON + LEASE)
    note()
    claims = claim(store, now=NOON + LEASE)
    note()
    commit(store, claims, TerminalFailure("bad", "x"))
    note()
    assert fences == sorted(fences)
    assert fences[-1] > fences[1]
