"""Belief as a real Dagster instance holds it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterEvent, DagsterInstance, DagsterRunStatus
from dagster._core.events import DagsterEventType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.test_utils import create_run_for_test

from parjanya_dagster.belief.runs import DagsterBelief
from parjanya_dagster.belief.snapshot import RunState
from parjanya_dagster.belief.tags import (
    INTENT_TAG,
    PARTITION,
    PARTITIONS,
    RANGE_END,
    RANGE_START,
    RECONCILER,
    STAGES_TAG,
)
from parjanya_dagster.errors import BeliefUnreadable
from parjanya_dagster.lanes import EMBEDDED
from parjanya_dagster.truth.stages import STAGES

KEYS = [f"acme/2025-10-09/{n:03d}" for n in range(1, 6)]
JOB = EMBEDDED[0].job


@pytest.fixture
def instance(empty_dagster: Path, tmp_path: Path) -> Iterator[DagsterInstance]:
    folder = shutil.copytree(empty_dagster, tmp_path / "dagster")
    with DagsterInstance.local_temp(str(folder)) as instance:
        instance.add_dynamic_partitions(PARTITIONS, KEYS)
        yield instance


@pytest.fixture
def belief(instance: DagsterInstance) -> DagsterBelief:
    return DagsterBelief(instance, EMBEDDED)


def create(
    instance: DagsterInstance,
    status: DagsterRunStatus = DagsterRunStatus.STARTED,
    *,
    job: str = JOB,
    **tags: str,
) -> str:
    given = {RANGE_START: KEYS[1], RANGE_END: KEYS[3], INTENT_TAG: RECONCILER} | {
        {"stages": STAGES_TAG, "partition": PARTITION}[name]: value for name, value in tags.items()
    }
    if PARTITION in given:
        del given[RANGE_START], given[RANGE_END]
    location = RegisteredCodeLocationOrigin("parjanya")
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), job)
    return create_run_for_test(
        instance, job_name=job, status=status, tags=given, remote_job_origin=origin
    ).run_id


def now() -> float:
    from time import time

    return time()


def test_a_range_is_all_keys_between_its_ends_in_dagsters_order(
    instance: DagsterInstance, belief: DagsterBelief
) -> None:
    run_id = create(instance, stages=json.dumps(["scored", "curated"]))
    seen = belief.read(now())
    (one,) = seen.runs
    assert seen.keys == tuple(KEYS)
    assert (one.run_id, one.keys, one.stages) == (run_id, tuple(KEYS[1:4]), ("scored", "curated"))
    assert one.requested


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (DagsterRunStatus.NOT_STARTED, RunState.CREATED),
        (DagsterRunStatus.QUEUED, RunState.QUEUED),
        (DagsterRunStatus.STARTING, RunState.STARTING),
        (DagsterRunStatus.STARTED, RunState.STARTED),
        (DagsterRunStatus.CANCELING, RunState.CANCELING),
    ],
)
def test_every_state_before_the_end_is_live(
    instance: DagsterInstance, belief: DagsterBelief, status: DagsterRunStatus, state: RunState
) -> None:
    create(instance, status)
    assert [run.state for run in belief.read(now()).runs] == [state]


def test_runs_that_ended_are_not_live_and_failures_are_remembered(
    instance: DagsterInstance, belief: DagsterBelief
) -> None:
    for status in (DagsterRunStatus.SUCCESS, DagsterRunStatus.CANCELED, DagsterRunStatus.FAILURE):
        create(instance, status)
    seen = belief.read(now())
    assert seen.runs == ()
    assert [run.keys for run in seen.failed] == [tuple(KEYS[1:4])]
    assert [run.keys for run in seen.succeeded] == [tuple(KEYS[1:4])]


@pytest.mark.parametrize("tag", ["{", "7", '"scored"', "null"])
def test_a_tag_that_says_nothing_sensible_is_no_incident(
    instance: DagsterInstance, belief: DagsterBelief, tag: str
) -> None:
    """Anybody can write tags in the launchpad. The run then covers what its job does."""
    create(instance, stages=tag)
    assert [run.stages for run in belief.read(now()).runs] == [STAGES]


def test_a_run_of_one_partition_covers_it(instance: DagsterInstance, belief: DagsterBelief) -> None:
    create(instance, partition=KEYS[2])
    assert [run.keys for run in belief.read(now()).runs] == [(KEYS[2],)]


def test_after_the_partition_list_is_wiped_the_ends_of_a_range_are_still_known(
    instance: DagsterInstance, belief: DagsterBelief
) -> None:
    create(instance)
    for key in KEYS:
        instance.delete_dynamic_partition(PARTITIONS, key)
    assert [run.keys for run in belief.read(now()).runs] == [(KEYS[1], KEYS[3])]


def test_jobs_of_others_work_on_none_of_our_stages(
    instance: DagsterInstance, belief: DagsterBelief
) -> None:
    create(instance, job="nightly_report")
    assert [run.stages for run in belief.read(now()).runs] == [()]


def test_more_runs_than_a_page_are_all_counted(
    instance: DagsterInstance, belief: DagsterBelief, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parjanya_dagster.belief.runs._PAGE", 3)
    ids = {create(instance, DagsterRunStatus.QUEUED) for _ in range(10)}
    assert {run.run_id for run in belief.read(now()).runs} == ids
    monkeypatch.setattr("parjanya_dagster.belief.runs._MOST_RUNS", 9)
    with pytest.raises(BeliefUnreadable, match="Cancel those"):
        belief.read(now())


def test_the_dead_are_marked_failed_once(instance: DagsterInstance, belief: DagsterBelief) -> None:
    run_id = create(instance)
    assert belief.expire(run_id, "no sign of life")
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.status is DagsterRunStatus.FAILURE
    assert not belief.expire(run_id, "again")
    messages = [str(entry.dagster_event) for entry in instance.all_logs(run_id)]
    assert any("no sign of life" in message for message in messages)


def test_a_run_that_was_to_stop_is_marked_canceled(
    instance: DagsterInstance, belief: DagsterBelief
) -> None:
    run_id = create(instance, DagsterRunStatus.CANCELING)
    assert belief.expire(run_id, "asked to stop, and silent")
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.status is DagsterRunStatus.CANCELED


@pytest.mark.parametrize("status", [DagsterRunStatus.SUCCESS, DagsterRunStatus.CANCELED])
def test_a_run_that_ended_meanwhile_is_left_as_it_is(
    instance: DagsterInstance, belief: DagsterBelief, status: DagsterRunStatus
) -> None:
    run_id = create(instance, status)
    assert not belief.expire(run_id, "too late")
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.status is status


def test_a_run_that_dagster_forgot_cannot_be_expired(belief: DagsterBelief) -> None:
    assert not belief.expire("no-such-run", "gone")


@pytest.mark.parametrize("part", ["get_run_records", "get_paginated_dynamic_partitions"])
def test_storage_that_cannot_be_read_is_an_incident(
    instance: DagsterInstance, belief: DagsterBelief, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise OSError("disk I/O error")

    monkeypatch.setattr(instance, part, broken)
    with pytest.raises(BeliefUnreadable, match="disk I/O error"):
        belief.read(now())


def test_the_clock_of_a_launch_begins_at_the_launch(
    instance: DagsterInstance, belief: DagsterBelief
) -> None:
    """Not when the run was created: it may have waited in the queue for a day."""
    run_id = create(instance, DagsterRunStatus.QUEUED)
    before = belief.read(now()).runs[0].since
    run = instance.get_run_by_id(run_id)
    assert run is not None
    instance.report_dagster_event(
        DagsterEvent(DagsterEventType.PIPELINE_STARTING.value, run.job_name), run_id
    )
    (launched,) = belief.read(now()).runs
    assert launched.state is RunState.STARTING
    assert launched.since > before
