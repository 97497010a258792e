"""What the doctor says of queues, groups and blind loops, from facts in a few words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from parjanya_dagster.doctor.facts import QueueSeen
from parjanya_dagster.queues.messages import QueueState
from parjanya_dagster.truth.models import Heartbeat
from parjanya_dagster.truth.records import DeadLetters, GroupNote
from tests.support.snapshots import NOW
from tests.unit.doctor.cases import codes, found

FINE = QueueState("q", 3, 1, 4 * 86_400.0)


def queue(role: str = "arrivals", **said: Any) -> QueueSeen:
    return QueueSeen(role, "q", replace(FINE, **said))


def group(**said: Any) -> dict[str, GroupNote]:
    noted = GroupNote(
        lane="gpu",
        group="g",
        desired=2,
        in_service=0,
        nothing_since=NOW - 900,
        said="",
        quiet_since=NOW,
        rows=9,
        at=NOW,
    )
    return {"gpu": replace(noted, **said)}


def test_queues_that_keep_messages_for_a_long_weekend_are_fine() -> None:
    assert (
        codes(queues=(queue(), queue("lane gpu"), queue("dead letters", waiting=0, hidden=0))) == []
    )


@pytest.mark.parametrize("role", ["arrivals", "lane gpu", "dead letters"])
def test_a_queue_that_forgets_over_a_weekend_is_found(role: str) -> None:
    (one,) = found(queues=(queue(role, retention=86_400.0, waiting=0, hidden=0),))
    assert (one.code, one.boundary) == ("queue_forgets", "Intent")
    assert one.evidence["retention_hours"] == 24.0


def test_dead_letters_are_found_and_other_messages_are_not() -> None:
    (one,) = found(queues=(queue("dead letters"), queue("arrivals")))
    assert (one.code, one.evidence["messages"]) == ("dead_letters", 4)


def test_what_truth_keeps_of_dead_letters_is_found_while_it_is_new() -> None:
    kept = DeadLetters(
        source="foreign",
        messages=2,
        reason="no tenant",
        example="{}",
        first_at=NOW - 90_000,
        last_at=NOW - 60,
    )
    (one,) = found(dead_letters=(kept,))
    assert (one.code, one.boundary, one.since) == ("messages_refused", "Truth", NOW - 90_000)
    assert "2 messages of foreign could not be used: no tenant" in one.summary
    assert codes(dead_letters=(replace(kept, last_at=NOW - 31 * 86_400),)) == []


def test_a_queue_that_counts_receipts_is_found() -> None:
    assert codes(queues=(queue(receives=3),)) == ["queue_gives_up"]


def test_a_queue_that_is_gone_is_found() -> None:
    assert codes(queues=(QueueSeen("lane gpu", "q", None),)) == ["queue_missing"]


def test_desired_two_and_nothing_ever_in_service_is_found_with_what_the_group_said() -> None:
    (one,) = found(groups=group(said="your current vCPU limit of 0"))
    assert (one.code, one.boundary, one.since) == ("capacity_never_came", "Execution", NOW - 900)
    assert "desired 2, nothing in service: your current vCPU limit of 0" in one.summary


@pytest.mark.parametrize("since", [None, NOW - 60])
def test_capacity_that_came_or_may_still_come_is_no_finding(since: float | None) -> None:
    assert codes(groups=group(nothing_since=since)) == []


def test_what_a_loop_cannot_see_is_told_at_once() -> None:
    beat = Heartbeat("blind:reconciler", NOW, {"since": NOW - 5, "error": "sqs:… is denied"})
    (one,) = found(blind={"blind:reconciler": beat})
    assert (one.code, one.boundary, one.since) == ("loop_blind", "Belief", NOW - 5)
    assert "denied" in one.summary
