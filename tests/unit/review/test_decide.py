"""Deciding one image or many: each is told what became of it, and none stops another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from parjanya_dagster.errors import AmbiguousImage
from parjanya_dagster.review.decide import Asked, decide, decide_copies, decide_many
from parjanya_dagster.review.find import by_id
from parjanya_dagster.review.queue import doubt_of, next_images
from parjanya_dagster.truth.store import Store
from tests.support.world import NOON, arrive
from tests.unit.review.world import waiting


def asked(image: str, action: str = "accept", **more: object) -> Asked:
    return Asked(**{"image": image, "who": "ana", "action": action,
                    "request_id": f"{action} {image}", **more})  # fmt: skip


def test_each_decision_is_told_and_none_stops_another(store: Store) -> None:
    first, second, third = waiting(store, 3)
    (pending,) = [one for one in arrive(store, 4) if one not in (first, second, third)]
    decide(store, asked(second, "reject", who="ben"), NOON)
    told = list(
        decide_many(
            store,
            [
                asked(first),
                asked(second, seen=0),
                asked("nothing"),
                asked(third, "undo"),
                asked(pending),
                asked(third, wrong="The line is no JSON."),
                asked(third, "reject"),
            ],
            lambda: NOON,
        )
    )
    assert [one.result for one in told] == [
        "done", "stale", "unknown", "refused", "not_now", "refused", "done"]  # fmt: skip
    assert told[1].newer is not None
    assert told[1].newer.who == "ben"
    assert told[1].row == store.get(second)
    assert [one.good for one in told] == [True, False, False, False, False, False, True]
    assert told[0].body()["effective_verdict"] == "accept"
    assert told[1].body()["newer"] == {"who": "ben", "action": "reject", "at": NOON}


def test_what_was_asked_for_before_is_told_so_and_changes_nothing(store: Store) -> None:
    (image,) = waiting(store, 1)
    assert decide(store, asked(image), NOON).result == "done"
    decide(store, asked(image, "reject", who="ben"), NOON + 1)
    again = decide(store, asked(image), NOON + 2)
    assert (again.result, again.good) == ("done_before", True)
    assert "What counts now: reject" in again.says


def test_a_decision_on_nothing_that_was_shown_is_made_on_what_there_is(store: Store) -> None:
    (image,) = waiting(store, 1)
    decide(store, asked(image), NOON)
    assert decide(store, asked(image, "reject"), NOON).result == "done"
    shown = {"curated": "another"}
    assert decide(store, asked(image, "undo", seen=2, evidence=shown), NOON).result == "stale"


def test_copies_are_decided_where_that_is_asked_for_and_otherwise_not(store: Store) -> None:
    first, second, third = waiting(store, 3)
    waiting(store, 1, slug="bolt")
    told = decide(store, asked(first, "reject"), NOON)
    assert store.waiting_for_review("acme") == 2
    also = list(decide_copies(store, told, lambda: NOON))
    assert [one.row.image_id for one in also if one.row] == [second, third]
    assert store.waiting_for_review("acme") == 0
    assert store.waiting_for_review("bolt") == 1
    assert [one.result for one in decide_copies(store, told, lambda: NOON)] == ["done_before"] * 2
    refused = replace(told, result="refused")
    assert list(decide_copies(store, refused, lambda: NOON)) == []


def test_the_least_certain_comes_first_where_that_is_wanted(store: Store) -> None:
    sure, unknown, unsure, middle = waiting(store, 4, confidences=[0.9, None, 0.3, 0.6])

    def ask(**more: object) -> list[str]:
        images = next_images(store, "acme", "ana", NOON, lease=60.0, n=9, **more)  # type: ignore[arg-type]
        return [one.image_id for one in images]

    assert ask() == [sure, unknown, unsure, middle]
    assert ask(order="doubt") == [unsure, middle, sure, unknown]
    assert ask(order="doubt", skip=[unsure]) == [middle, sure, unknown]
    store.release_review([middle], "ana")
    store.claim_review("acme", "ben", NOON, 60.0, 1, among=[middle])
    assert ask(order="doubt") == [unsure, sure, unknown]


def test_where_the_oldest_are_taken_the_next_ones_are_put_in_order(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parjanya_dagster.review.queue.WINDOW", 2)
    images = waiting(store, 6, confidences=[0.9, 0.9, 0.8, 0.7, 0.5, 0.6])
    store.claim_review("acme", "ben", NOON, 60.0, 2)
    asked_for = next_images(store, "acme", "ana", NOON, lease=60.0, n=3, order="doubt")
    assert [one.image_id for one in asked_for] == [images[3], images[2], images[4]]


@pytest.mark.parametrize(
    ("body", "doubt"),
    [
        ({}, None),
        ({"confidence": None}, None),
        ({"confidence": 0.75}, 0.25),
        ({"confidence": 0.25, "group_confidence": 0.75}, 0.25),
        ({"confidence": True}, None),
    ],
)
def test_doubt(body: dict[str, object], doubt: float | None) -> None:
    assert doubt_of(body) == doubt


def test_the_beginning_of_an_id_names_an_image_where_no_other_begins_so(store: Store) -> None:
    ids = waiting(store, 40) + waiting(store, 3, slug="bolt")
    for image in ids[:5]:
        row = by_id(store, image[:10])
        assert row is not None
        assert row.image_id == image
    assert by_id(store, ids[0], "bolt") is None
    assert by_id(store, "ffffffffffff") is None
    assert by_id(store, "holiday/a.jpg") is None
    assert by_id(store, ids[0][:3]) is None  # too short to mean one
    twins = {one[:1] for one in ids}
    assert [row.image_id for row in store.starting_with(min(twins), "acme", 2)] == sorted(
        one for one in ids[:40] if one[0] == min(twins))[:2]  # fmt: skip


def test_an_id_that_begins_like_another_lists_both(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = store.to_review("acme") if waiting(store, 2) else []
    monkeypatch.setattr(store, "starting_with", lambda *_: rows)
    with pytest.raises(AmbiguousImage, match=rows[1].image_id):
        by_id(store, "abcd")
