"""Runs that the launcher could not launch, as Dagster's daemon writes them down."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import NoReturn

import pytest
from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRunStatus
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.events import EngineEventData
from dagster._core.test_utils import create_run_for_test
from dagster._utils.error import serializable_error_info_from_exc_info
from kubernetes.client import ApiException

from parjanya_dagster.doctor.launch_obstacles import findings
from parjanya_dagster.doctor.launchers import OfInstance

FORBIDDEN = ApiException(status=403, reason="Forbidden")
FORBIDDEN.headers = {"Content-Type": "application/json"}
FORBIDDEN.body = json.dumps({"message": 'jobs.batch is forbidden: cannot create resource "jobs"'})


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        yield instance


def dequeued(instance: DagsterInstance, error: Exception) -> str:
    """A run whose launch raised: what the daemon reports of it."""
    run = create_run_for_test(instance, status=DagsterRunStatus.STARTING)
    try:
        raise error
    except Exception:
        said = serializable_error_info_from_exc_info(sys.exc_info())
    instance.report_engine_event("Caught an error", run, EngineEventData.engine_error(said))
    instance.report_run_failed(run)
    return run.run_id


def started(instance: DagsterInstance) -> None:
    run = create_run_for_test(instance, status=DagsterRunStatus.STARTING)
    event = DagsterEvent(DagsterEventType.RUN_START.value, job_name=run.job_name)
    instance.report_dagster_event(event, run_id=run.run_id)


def test_a_launcher_that_fails_is_named_with_its_own_words(instance: DagsterInstance) -> None:
    obstacles = OfInstance(instance).obstacles([dequeued(instance, FORBIDDEN) for _ in range(2)])
    (one,) = findings(obstacles, obstacles[0].since + 1)
    assert (one.code, one.boundary, one.severity) == ("launcher_failing", "Execution", "error")
    assert one.summary.startswith("2 runs asked for, and the launcher failed. the launcher ")
    forbidden = '(403) Reason: Forbidden jobs.batch is forbidden: cannot create resource "jobs"'
    assert one.summary.endswith(f"ApiException: {forbidden}")


def test_it_is_past_once_a_run_has_started_since(instance: DagsterInstance) -> None:
    started(instance)
    run_id = dequeued(instance, FORBIDDEN)
    assert OfInstance(instance).obstacles([run_id])
    started(instance)
    assert OfInstance(instance).obstacles([run_id]) == []


def test_a_code_location_that_is_away_is_no_fault_of_the_launcher(
    instance: DagsterInstance,
) -> None:
    run_id = dequeued(instance, DagsterUserCodeUnreachableError("Could not reach it"))
    assert OfInstance(instance).obstacles([run_id]) == []


def test_a_run_that_failed_by_itself_was_launched(instance: DagsterInstance) -> None:
    run = create_run_for_test(instance, status=DagsterRunStatus.STARTING)
    instance.report_run_failed(run)
    assert OfInstance(instance).obstacles([run.run_id]) == []


def test_what_the_launcher_said_is_told_where_its_platform_cannot_be_asked(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_api(_: OfInstance) -> NoReturn:
        raise ConnectionError("the API does not answer")

    monkeypatch.setattr(OfInstance, "_open", no_api)
    (one,) = OfInstance(instance).obstacles([dequeued(instance, FORBIDDEN)])
    assert one.kind == "launcher_failing"
    with pytest.raises(ConnectionError):
        OfInstance(instance).obstacles([])
