"""The state machine of a row, without any store."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.truth import transitions
from parjanya_dagster.truth.models import DELETED, PRESENT, ImageRow
from parjanya_dagster.truth.outcomes import Claim, Retry, TerminalFailure
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.stages import STAGE_OF, STAGES, WAITS_FOR, Status, after
from parjanya_dagster.truth.transitions import Rules, backoff, rebuild, registered

NOW = 1_760_000_000.0
ROW = ImageRow(
    image_id="id",
    tenant="acme",
    bucket="b",
    key="k",
    version="v",
    size=1,
    batch="acme/2025-10-09/001",
    landed_at=NOW,
    arrived_at=NOW,
    updated_at=NOW,
    due_at=NOW,
    fence=3,
)
RULES = Rules()


@given(retries=st.integers(0, 10_000), seed=st.integers(0, 99))
def test_backoff_stays_between_half_of_its_ceiling_and_its_ceiling(retries: int, seed: int) -> None:
    ceiling = min(RULES.backoff_most, RULES.backoff_first * 2.0 ** min(retries, 60))
    assert ceiling / 2 <= backoff(retries, RULES, random.Random(seed)) <= ceiling


def test_the_stages_lead_from_arrival_to_curated() -> None:
    assert [after(stage) for stage in STAGES] == [
        *(WAITS_FOR[stage] for stage in STAGES[1:]),
        Status.CURATED,
    ]
    assert {STAGE_OF[status] for status in WAITS_FOR.values()} == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("status", list(Status))
def test_a_reset_goes_back_and_never_forward(status: Status, stage: str) -> None:
    row = replace(ROW, pipeline_status=str(status), failed_stage="enriched")
    change = transitions.reset(row, Reset(stage=stage, reason="operator"), NOW)
    order = [Status.PENDING_UPLOAD, *WAITS_FOR.values(), Status.CURATED]
    at = WAITS_FOR["enriched"] if status is Status.FAILED else status
    may = order.index(WAITS_FOR[stage]) <= order.index(at)
    assert (change is not None) == may
    if change is not None:
        assert change.columns["pipeline_status"] == WAITS_FOR[stage]
        assert change.columns["fence"] > row.fence


def test_a_reset_of_a_row_without_its_object_is_nothing() -> None:
    assert (
        transitions.reset(
            replace(ROW, object_state=DELETED), Reset(stage="validated", reason="x"), NOW
        )
        is None
    )


@pytest.mark.parametrize("failure_class", transitions.WITHOUT_OBJECT)
def test_a_row_that_failed_for_want_of_its_object_goes_on_when_it_returns(
    failure_class: str,
) -> None:
    row = replace(
        ROW,
        pipeline_status="failed",
        failure_class=failure_class,
        failed_stage="scored",
        object_state=DELETED,
    )
    change = transitions.return_to_bucket(row, NOW + 9, NOW + 10, "landed again", row.version)
    assert change.columns["pipeline_status"] == Status.PENDING_IQA
    assert (change.columns["object_state"], change.columns["landed_at"]) == (PRESENT, NOW + 9)


def test_a_row_that_failed_by_its_own_fault_stays_failed_when_it_returns() -> None:
    row = replace(ROW, pipeline_status="failed", failure_class="undecodable", object_state=DELETED)
    change = transitions.return_to_bucket(row, NOW + 9, NOW + 10, "landed again", row.version)
    assert "pipeline_status" not in change.columns
    assert change.event.to_status == "failed"


@pytest.mark.parametrize("outcome", [Retry("away"), TerminalFailure("bad", "x")])
def test_an_event_repeats_what_changed(outcome: Retry | TerminalFailure) -> None:
    claim = Claim(replace(ROW, attempts=1, lease_owner="w", lease_until=NOW), "validated", "w")
    change = transitions.finish(claim, outcome, NOW, "run-1", RULES, random.Random(1))
    assert change.event.changes == change.columns
    assert change.columns["lease_owner"] is None
    assert change.event.fence == change.columns["fence"] >= ROW.fence


def test_a_history_of_one_event_is_the_row() -> None:
    assert rebuild([registered(ROW, "arrived")]) == ROW
