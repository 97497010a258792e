"""Why an image is not done: the boundary and the next step, for each place where it may be held."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from parjanya_dagster.belief.snapshot import LiveRun, RunState
from parjanya_dagster.doctor.waiting import NOTHING, held_at
from parjanya_dagster.truth.models import Event, Heartbeat, ImageRow
from tests.support.snapshots import NOW, batch, pulse, run

LOOPS = {"reconciler": Heartbeat("reconciler", NOW - 3, {})}
ROW = ImageRow(
    image_id="id",
    tenant="acme",
    bucket="acme",
    key="incoming/a.jpg",
    version="v1",
    size=1,
    batch=batch(),
    landed_at=NOW - 900,
    arrived_at=NOW - 900,
    updated_at=NOW - 600,
    not_before=NOW - 600,
    due_at=NOW - 600,
)


def held(row: ImageRow = ROW, runs: tuple[LiveRun, ...] | None = (), **more: Any) -> Any:
    return held_at(row, NOW, more.get("history", []), more.get("loops", LOOPS), runs)


def test_a_decided_image_is_held_nowhere() -> None:
    row = replace(ROW, pipeline_status="curated")
    assert held(row).boundary is None


@pytest.mark.parametrize(
    ("failure_class", "boundary", "words"),
    [
        ("truncated", "Truth", "replace the object"),
        ("retry_horizon", "Execution", "replay --failed --reason retry_horizon"),
    ],
)
def test_a_failed_image_is_at_fault_or_is_not(
    failure_class: str, boundary: str, words: str
) -> None:
    one = held(replace(ROW, pipeline_status="failed", failure_class=failure_class))
    assert one.boundary == boundary
    assert words in one.next_step


def test_an_image_in_work_needs_nothing() -> None:
    one = held(replace(ROW, lease_owner="r1", lease_until=NOW + 50))
    assert (one.boundary, one.next_step) == ("Execution", NOTHING)


def test_an_image_that_is_retried_comes_with_the_last_reason() -> None:
    event = Event(
        image_id="id",
        tenant="acme",
        batch=batch(),
        at=NOW,
        kind="retry",
        from_status="",
        to_status="",
        reason="S3 is away",
        run_id="",
        policy=None,
        fence=1,
        changes={},
    )
    row = replace(ROW, not_before=NOW + 40, retries=2, retry_since=NOW - 90)
    one = held(row, history=[replace(event, reason="slow"), event])
    assert (one.boundary, one.since) == ("Execution", NOW - 90)
    assert one.detail == "The last reason: S3 is away"


@pytest.mark.parametrize("loops", [{}, {"reconciler": Heartbeat("reconciler", NOW - 500, {})}])
def test_while_nobody_reconciles_that_is_what_holds_it(loops: dict[str, Heartbeat]) -> None:
    one = held(loops=loops, runs=(run(batch()),))
    assert one.boundary == "Belief"
    assert "Nobody compares Truth with what runs" in one.detail


@pytest.mark.parametrize(
    ("state", "boundary", "words"),
    [
        (RunState.QUEUED, "Intent", "waits in the queue"),
        (RunState.STARTING, "Execution", "is being started"),
        (RunState.STARTED, "Execution", "will do it"),
    ],
)
def test_the_run_that_will_do_it_is_named(state: RunState, boundary: str, words: str) -> None:
    one = held(runs=(run(batch(), run_id="r9", state=state),))
    assert one.boundary == boundary
    assert "r9" in one.detail
    assert words in one.detail


def test_a_run_that_has_left_its_stage_behind_does_not_count() -> None:
    past = run(batch(), pulse=pulse("scored"))
    one = held(runs=(past,))
    assert (one.boundary, one.detail) == ("Intent", "Nobody asked for one.")


def test_what_became_due_a_moment_ago_is_asked_for_soon() -> None:
    fresh = replace(ROW, due_at=NOW - 2, not_before=NOW - 2)
    assert held(fresh).next_step == NOTHING
    assert held(ROW).next_step != NOTHING


def test_runs_that_cannot_be_read_are_not_taken_for_none() -> None:
    assert held(runs=None).detail == "Dagster's runs could not be read."
