"""People's decisions in Truth: appended, fenced by what was seen, done once, undone by another."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from parjanya_dagster.errors import DecisionStale, NotDecidedNow, ReviewRefused, UnknownImage
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.outcomes import Completed, TerminalFailure
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.reviews import LONGEST_LEASE, ReviewDecision, standing
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.transitions import rebuild
from tests.support.backends import Backend
from tests.support.world import NOON, arrival, arrive, carry, claim, commit, found, row

UNDER = "default@1"


def decided(store: Store, count: int, verdict: str = "review", *, slug: str = "acme") -> list[str]:
    ids = arrive(store, count, slug=slug)
    carry(store, through="scored")
    policy(store, verdict)
    return ids


def policy(
    store: Store, verdict: str, ref: str = UNDER, *, now: float = NOON, asks_again: bool = False
) -> None:
    """A policy decides everything that is due."""
    for one in claim(store, "curated", now=now):
        columns: dict[str, Any] = {"verdict": verdict, "reasons": [verdict], "policy": ref,
                                   "sha256": "s"}  # fmt: skip
        record = found(one, fingerprint=f"curated-{ref}-{verdict}")
        commit(store, [one], Completed(record, columns, asks_again=asks_again), now=now)


def decide(
    store: Store,
    image: str,
    action: str = "accept",
    *,
    who: str = "ana",
    seen: ImageRow | None = None,
    request: str = "",
    now: float = NOON + 100,
    **more: Any,
) -> ImageRow:
    """A person decides on what a page shows: the row as it is now, or as it was `seen`."""
    shown = seen or row(store, image)
    asked = ReviewDecision(
        image_id=image,
        who=who,
        action=action,
        request_id=request or f"{action}-{who}-{shown.reviews}",
        **more,
    )
    return store.review(asked, now, seen=shown.reviews, evidence=shown.evidence)


def agrees(store: Store, image: str) -> None:
    """The row follows from its events, and what people decided from their reviews."""
    one, history = row(store, image), store.reviews(image)
    assert rebuild(store.history(image)) == one
    assert [review.number for review in history] == list(range(1, one.reviews + 1))
    said = standing(history).columns
    assert {name: getattr(one, name) for name in said} == said


def test_a_decision_counts_and_is_kept_with_what_was_seen(store: Store) -> None:
    (image,) = decided(store, 1)
    before = row(store, image)
    assert (before.effective_verdict, before.waits_for_person) == ("review", True)
    after = decide(store, image, note="a fine picture", now=NOON + 7)
    assert after == row(store, image)
    assert (after.effective_verdict, after.verdict, after.person) == ("accept", "review", "ana")
    assert (after.reviewed_at, after.reviews, after.waits_for_person) == (NOON + 7, 1, False)
    (review,) = store.reviews(image)
    assert (review.who, review.action, review.note, review.at) == (
        "ana", "accept", "a fine picture", NOON + 7)  # fmt: skip
    assert review.evidence == before.evidence
    assert (review.policy, review.policy_verdict, review.sha256) == (UNDER, "review", "s")
    assert (review.tenant, review.batch) == (before.tenant, before.batch)
    event = store.history(image)[-1]
    assert (event.kind, event.reason) == ("reviewed", "accept by ana: a fine picture")
    agrees(store, image)


def test_undo_is_a_decision_and_brings_back_what_stood_before(store: Store) -> None:
    (image,) = decided(store, 1)
    decide(store, image, "accept", who="ana")
    decide(store, image, "reject", who="ben")
    undone = decide(store, image, "undo", who="ben")
    assert (undone.person_verdict, undone.person, undone.reviews) == ("accept", "ana", 3)
    undone = decide(store, image, "undo", who="ana")
    assert (undone.person_verdict, undone.person, undone.reviewed_at) == (None, None, None)
    assert (undone.effective_verdict, undone.waits_for_person) == ("review", True)
    with pytest.raises(ReviewRefused, match="no decision of a person to undo"):
        decide(store, image, "undo", who="ana")
    agrees(store, image)


def test_a_stale_page_overwrites_no_newer_decision_and_is_shown_it(store: Store) -> None:
    (image,) = decided(store, 1)
    page = row(store, image)
    decide(store, image, "reject", who="ben")
    with pytest.raises(DecisionStale, match="reject by ben") as caught:
        decide(store, image, "accept", who="ana", seen=page)
    assert caught.value.newer == store.reviews(image)[-1]
    assert caught.value.row == row(store, image)
    assert row(store, image).person_verdict == "reject"


def test_a_page_from_before_the_policy_decided_again_is_stale(store: Store) -> None:
    (image,) = decided(store, 1)
    page = row(store, image)
    store.reset_images([image], Reset(stage="curated", reason="again"), NOON)
    policy(store, "reject", "default@2")
    with pytest.raises(DecisionStale, match="default@2") as caught:
        decide(store, image, seen=page)
    assert caught.value.newer is None
    assert store.reviews(image) == []


def test_the_same_decision_of_the_policy_again_makes_no_page_stale(store: Store) -> None:
    (image,) = decided(store, 1)
    page = row(store, image)
    store.reset_images([image], Reset(stage="curated", reason="a click"), NOON)
    policy(store, "review")
    assert decide(store, image, seen=page).person_verdict == "accept"


def test_the_same_request_twice_is_one_decision_however_late(store: Store) -> None:
    (image,) = decided(store, 1)
    page = row(store, image)
    first = decide(store, image, "accept", request="r-1")
    assert decide(store, image, "accept", seen=page, request="r-1") == first
    decide(store, image, "reject", who="ben")
    late = decide(store, image, "accept", seen=page, request="r-1", now=NOON + 86_400)
    assert late.person_verdict == "reject"
    assert len(store.reviews(image)) == 2
    agrees(store, image)


def test_a_request_that_was_another_decision_is_refused(store: Store) -> None:
    (image,) = decided(store, 1)
    decide(store, image, "accept", request="r-1")
    for other in ({"action": "reject"}, {"who": "ben"}):
        with pytest.raises(ReviewRefused, match="accept by ana"):
            decide(store, image, **{"action": "accept", "request": "r-1", **other})
    assert len(store.reviews(image)) == 1


def test_of_many_people_at_once_one_decides_and_the_others_are_told(backend: Backend) -> None:
    store = backend.open()
    (image,) = decided(store, 1)
    page = row(store, image)
    stores = [backend.open() for _ in range(4)]
    ends: list[str] = []

    def press(n: int) -> None:
        try:
            decide(stores[n], image, who=f"person-{n}", seen=page)
            ends.append("done")
        except DecisionStale as error:
            ends.append("stale" if error.newer is not None else "stale, and not told why")

    people = [threading.Thread(target=press, args=(n,)) for n in range(4)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert sorted(ends) == ["done", "stale", "stale", "stale"]
    agrees(store, image)


def test_what_the_policy_decided_may_be_overruled_and_stays_visible(store: Store) -> None:
    (image,) = decided(store, 1, "accept")
    after = decide(store, image, "reject")
    assert (after.effective_verdict, after.verdict, after.reasons) == (
        "reject",
        "accept",
        ("accept",),
    )
    (counts,) = store.counts()
    assert (counts.by_verdict, counts.by_effective, counts.by_person) == (
        {"accept": 1}, {"reject": 1}, {"reject": 1})  # fmt: skip


def test_what_nobody_can_decide_is_refused(store: Store) -> None:
    pending, failed, gone, fine = arrive(store, 4)
    with pytest.raises(NotDecidedNow):
        decide(store, pending)
    held = {one.image_id: one for one in claim(store)}
    commit(store, [held.pop(failed)], TerminalFailure("truncated", "cut"))
    commit(store, list(held.values()))
    for stage in ("enriched", "scored"):
        commit(store, claim(store, stage))
    policy(store, "review")
    store.depart([gone], NOON, "deleted")
    for image, why in ((failed, "failed"), (gone, "deleted")):
        with pytest.raises(ReviewRefused, match=why):
            decide(store, image)
    store.reset_images([fine], Reset(stage="curated", reason="again"), NOON)
    with pytest.raises(NotDecidedNow):
        decide(store, fine)
    with pytest.raises(UnknownImage):
        store.review(
            ReviewDecision(image_id="none", who="ana", action="accept", request_id="r"),
            NOON,
            seen=0,
        )
    for wrong in ({"action": "lapse"}, {"who": " "}, {"note": "x" * 3000}, {"action": "maybe"}):
        with pytest.raises(ReviewRefused):
            decide(store, pending, **wrong)
    assert all(store.reviews(image) == [] for image in (pending, failed, gone, fine))


def test_a_verdict_outlives_failure_and_another_decision_of_the_policy(store: Store) -> None:
    (image,) = decided(store, 1)
    decide(store, image)
    store.reset_images([image], Reset(stage="scored", reason="again"), NOON)
    (held,) = claim(store, "scored", now=NOON)
    commit(store, [held], TerminalFailure("odd", "very"))
    assert row(store, image).effective_verdict is None
    assert not row(store, image).waits_for_person
    store.reset_images([image], Reset(stage="scored", reason="operator"), NOON)
    commit(store, claim(store, "scored"))
    policy(store, "reject", "default@2")
    assert row(store, image).effective_verdict == "accept"
    agrees(store, image)


# --- what a policy that asks again does ---


def again(store: Store, image: str, verdict: str, ref: str, *, asks_again: bool = True) -> ImageRow:
    store.reset_images([image], Reset(stage="curated", reason="again"), NOON)
    policy(store, verdict, ref, asks_again=asks_again)
    return row(store, image)


@pytest.mark.parametrize("verdict", ["accept", "reject", "review"])
def test_a_policy_that_asks_again_ends_a_verdict_with_its_decision(
    store: Store, verdict: str
) -> None:
    (image,) = decided(store, 1)
    decide(store, image, "reject", who="ana")
    asked = again(store, image, verdict, "strict@2")
    assert (asked.verdict, asked.person_verdict, asked.lapsed) == (verdict, None, True)
    assert (asked.effective_verdict, asked.waits_for_person) == ("review", True)
    lapse = store.reviews(image)[-1]
    assert (lapse.action, lapse.who, lapse.policy) == ("lapse", "parjanya", "strict@2")
    assert "reject by ana lapsed" in store.history(image)[-1].reason
    assert store.waiting_for_review("acme") == 1
    assert [one.image_id for one in store.to_review("acme")] == [image]
    with pytest.raises(ReviewRefused, match="undo"):
        decide(store, image, "undo")
    agrees(store, image)


def test_what_was_decided_under_the_policy_that_asks_again_stands(store: Store) -> None:
    (image,) = decided(store, 1)
    decide(store, image, "reject")
    again(store, image, "accept", "strict@2")
    decide(store, image, "accept", who="ben")
    stands = again(store, image, "accept", "strict@2")
    assert (stands.person_verdict, stands.reviews) == ("accept", 3)
    # To a policy that lets people's verdicts stand, and back.
    assert again(store, image, "review", UNDER, asks_again=False).person_verdict == "accept"
    assert again(store, image, "accept", "strict@2").person_verdict == "accept"
    agrees(store, image)


def test_one_page_from_before_a_lapse_is_stale(store: Store) -> None:
    (image,) = decided(store, 1)
    page = decide(store, image, "reject")
    again(store, image, "accept", "strict@2")
    with pytest.raises(DecisionStale) as caught:
        decide(store, image, "accept", seen=page)
    assert caught.value.newer.action == "lapse"


def test_a_policy_that_asks_again_asks_nobody_where_no_verdict_stands(store: Store) -> None:
    (image,) = decided(store, 1)
    decide(store, image)
    decide(store, image, "undo")
    asked = again(store, image, "accept", "strict@2")
    assert (asked.effective_verdict, asked.lapsed, asked.reviews) == ("accept", False, 2)


# --- what becomes of the bytes ---


def test_a_verdict_ends_with_the_bytes_and_moves_with_them(store: Store) -> None:
    kept, replaced = decided(store, 2)
    for image in (kept, replaced):
        decide(store, image)
    moved = replace(arrival(0, version="v2", landed_at=NOON + 50), same_as=kept)
    store.register([moved, arrival(1, version="v2", landed_at=NOON + 50)], NOON + 60)
    assert (row(store, kept).version, row(store, kept).effective_verdict) == ("v2", "accept")
    old = row(store, replaced)
    new = row(store, str(old.replaced_by))
    assert (new.person_verdict, new.effective_verdict, new.reviews) == (None, None, 0)
    assert old.person_verdict == "accept"  # of what was there: it is history


# --- who looks at what ---


def ids(rows: list[ImageRow]) -> list[str]:
    return [one.image_id for one in rows]


def test_what_waits_is_listed_and_counted_by_tenant(store: Store) -> None:
    mine = decided(store, 5)
    decided(store, 2, "accept", slug="bolt")
    decided(store, 1, slug="cobalt")
    assert ids(store.to_review("acme")) == mine
    assert ids(store.to_review("acme", 2, store.to_review("acme", 2)[-1])) == mine[2:4]
    assert [store.waiting_for_review(one) for one in ("acme", "bolt", "cobalt", "none")] == [
        5, 0, 1, 0]  # fmt: skip
    decide(store, mine[1])
    decide(store, mine[2], "reject")
    store.depart([mine[3]], NOON, "deleted")
    assert ids(store.to_review("acme")) == [mine[0], mine[4]]
    assert store.waiting_for_review("acme") == 2
    assert store.to_review("bolt") == []


def test_no_image_is_kept_for_two_people_while_a_lease_lives(store: Store) -> None:
    images = decided(store, 5)
    ana = store.claim_review("acme", "ana", NOON, 60.0, 2)
    ben = store.claim_review("acme", "ben", NOON, 60.0, 2)
    assert (ids(ana), ids(ben)) == (images[:2], images[2:4])
    assert ids(store.claim_review("acme", "ben", NOON, 60.0, 9)) == images[2:]
    assert store.claim_review("acme", "cleo", NOON + 59, 60.0, 9) == []
    assert ids(store.claim_review("acme", "cleo", NOON + 60, 60.0, 2)) == images[:2]


def test_a_person_gets_the_next_images_without_those_that_are_skipped(store: Store) -> None:
    images = decided(store, 4)
    assert ids(store.claim_review("acme", "ana", NOON, 60.0, 2)) == images[:2]
    assert ids(store.claim_review("acme", "ana", NOON, 60.0, 2, skip=images[:2])) == images[2:]
    assert ids(store.claim_review("acme", "ana", NOON, 60.0, 1)) == images[:1]


def test_among_others_a_person_gets_these_in_their_order(store: Store) -> None:
    images = decided(store, 4)
    store.claim_review("acme", "ben", NOON, 60.0, 1)
    wanted = [images[3], images[0], images[1]]
    claimed = store.claim_review("acme", "ana", NOON, 60.0, 2, among=wanted)
    assert ids(claimed) == [images[3], images[1]]
    assert store.claim_review("acme", "ana", NOON, 60.0, 2, among=[]) == []


def test_leases_are_prolonged_and_given_back_by_whom_they_are_for(store: Store) -> None:
    one, two = decided(store, 2)
    store.claim_review("acme", "ana", NOON, 60.0, 2)
    assert store.extend_review([one, two], "ben", NOON, 600.0) == frozenset()
    assert store.extend_review([one], "ana", NOON + 30, 60.0) == {one}
    assert ids(store.claim_review("acme", "ben", NOON + 60, 60.0, 2)) == [two]
    store.release_review([one, two], "ana")
    assert ids(store.claim_review("acme", "cleo", NOON + 60, 60.0, 2)) == [one]


def test_a_decision_ends_the_lease_and_an_undo_gives_the_image_to_anybody(store: Store) -> None:
    (image,) = decided(store, 1)
    store.claim_review("acme", "ana", NOON, 60.0, 1)
    decide(store, image, who="ben")
    assert store.extend_review([image], "ana", NOON, 60.0) == frozenset()
    assert store.claim_review("acme", "ana", NOON, 60.0, 1) == []
    decide(store, image, "undo", who="ben")
    assert ids(store.claim_review("acme", "cleo", NOON, 60.0, 1)) == [image]


def test_a_lease_of_a_clock_that_was_ahead_keeps_nobody_from_an_image(store: Store) -> None:
    (image,) = decided(store, 1)
    store.claim_review("acme", "ana", NOON + 30 * 86_400.0, 60.0, 1)
    assert ids(store.claim_review("acme", "ben", NOON, 60.0, 1)) == [image]
    store.claim_review("acme", "ben", NOON, 1e9, 1)
    assert ids(store.claim_review("acme", "cleo", NOON + LONGEST_LEASE, 60.0, 1)) == [image]


def test_people_who_ask_at_once_get_different_images(backend: Backend) -> None:
    store = backend.open()
    images = decided(store, 12)
    stores = [backend.open() for _ in range(4)]
    got: list[list[str]] = []

    def ask(n: int) -> None:
        got.append(ids(stores[n].claim_review("acme", f"person-{n}", NOON, 60.0, 3)))

    people = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    given = [image for some in got for image in some]
    assert len(given) == len(set(given))
    assert set(given) <= set(images)
    rest = store.claim_review("acme", "late", NOON, 60.0, 12)
    assert sorted(given + ids(rest)) == sorted(images)


def test_a_decision_makes_the_manifest_stale(store: Store) -> None:
    (image,) = decided(store, 1)
    for batch, changes in store.stale_manifests().items():
        store.manifest_written(batch, changes)
    decide(store, image)
    assert set(store.stale_manifests()) == {row(store, image).batch}


def test_images_are_found_by_the_beginning_of_their_id(store: Store) -> None:
    mine, others = arrive(store, 40), arrive(store, 20, slug="bolt")
    store.depart(mine[:1], NOON, "deleted")
    first = max({one[0] for one in mine[1:]}, key=[one[0] for one in mine[1:]].count)
    wanted = sorted(one for one in mine[1:] if one.startswith(first))
    assert len(wanted) > 1
    assert ids(store.starting_with(first, "acme")) == wanted[:20]
    assert ids(store.starting_with(first, "acme", 1)) == wanted[:1]
    assert ids(store.starting_with(wanted[0][:8])) == wanted[:1]
    assert ids(store.starting_with(mine[0])) == []
    both = sorted(one for one in (*mine[1:], *others) if one.startswith(first))
    assert ids(store.starting_with(first, None, 100)) == both
