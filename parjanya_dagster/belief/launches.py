"""Runs that Dagster's launcher could not launch, by the events that the daemon wrote of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.errors import DagsterCodeLocationLoadError, DagsterUserCodeUnreachableError

_EVENTS = 5  # of the last of a run that are looked at
_LONGEST = 500  # characters of an error that are quoted
_OF_THE_CODE = {
    one.__name__ for one in (DagsterUserCodeUnreachableError, DagsterCodeLocationLoadError)
}  # the code location is at fault, and has a finding of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class NotLaunched:
    """A run that failed because the launcher raised."""

    run_id: str
    launcher: str  # the name of its class
    said: str
    at: float  # seconds since the epoch


def not_launched(instance: DagsterInstance, run_ids: Sequence[str]) -> list[NotLaunched]:
    """Those of these runs. Where a run has started since, it is past: the launcher launches again.

    Raises whatever Dagster's storage raises.
    """
    if not run_ids:
        return []
    failed = RunsFilter(run_ids=run_ids, statuses=[DagsterRunStatus.FAILURE])
    records = instance.get_run_records(failed)
    never_started = [record for record in records if record.start_time is None]
    if not never_started:
        return []
    launched = [DagsterRunStatus.STARTED, DagsterRunStatus.SUCCESS]
    newest = instance.get_run_records(RunsFilter(statuses=launched), limit=1)
    last = max((record.start_time or 0.0 for record in newest), default=0.0)
    later = (
        record.dagster_run.run_id
        for record in never_started
        if (record.end_time or record.update_timestamp.timestamp()) >= last
    )
    return [one for run_id in later if (one := _failure(instance, run_id)) is not None]


def _failure(instance: DagsterInstance, run_id: str) -> NotLaunched | None:
    events = instance.get_records_for_run(
        run_id, of_type=DagsterEventType.ENGINE_EVENT, limit=_EVENTS, ascending=False
    )
    for event in events.records:
        of_dagster = event.event_log_entry.dagster_event
        error = of_dagster and of_dagster.engine_event_data.error
        if error and error.cls_name not in _OF_THE_CODE:
            return NotLaunched(
                run_id=run_id,
                launcher=type(instance.run_launcher).__name__,
                said=_words(error),
                at=event.timestamp,
            )
    return None


def _words(error: Any) -> str:
    """What went wrong in the end. Of an answer of the Kubernetes API, its message."""
    while error.cause is not None:
        error = error.cause
    said, _, answer = error.message.partition("HTTP response headers:")
    body = answer.partition("HTTP response body:")[2].strip()
    if body.startswith("{"):
        with suppress(ValueError):
            said = f"{said} {json.loads(body).get('message', '')}"
    return " ".join(said.split())[:_LONGEST]
