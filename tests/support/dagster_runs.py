"""Runs in a real Dagster storage, made as old as a test needs them."""

from __future__ import annotations

from datetime import UTC, datetime

from dagster import DagsterInstance, DagsterRunStatus
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.storage.runs.schema import RunsTable
from dagster._core.test_utils import create_run_for_test


def make_run(
    instance: DagsterInstance,
    at: float,
    status: DagsterRunStatus = DagsterRunStatus.SUCCESS,
    *,
    job: str = "embedded_lane_job",
    **tags: str,
) -> str:
    """A run that entered its status at that time. Dagster stamps its own clock: that is undone."""
    location = RegisteredCodeLocationOrigin("parjanya")
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), job)
    run_id = create_run_for_test(
        instance, job_name=job, status=status, tags=tags, remote_job_origin=origin
    ).run_id
    then = datetime.fromtimestamp(at, UTC).replace(tzinfo=None)
    began = None if status is DagsterRunStatus.STARTING else at
    with instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
        connection.execute(
            RunsTable.update()
            .where(RunsTable.c.run_id == run_id)
            .values(create_timestamp=then, update_timestamp=then, start_time=began)
        )
    return run_id
