"""Dagster's runs and its partition keys, read completely or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord, RunsFilter

from parjanya_dagster.belief.keys import KeyOrder
from parjanya_dagster.belief.snapshot import EndedRun, FailedRun, LiveRun, RunState, Seen
from parjanya_dagster.belief.tags import (
    INTENT_TAG,
    LIGHT_TAG,
    PARTITION,
    RANGE_END,
    RANGE_START,
    RECONCILER,
    REPLAY_TAG,
    STAGES_TAG,
)
from parjanya_dagster.errors import BeliefUnreadable, ParjanyaError
from parjanya_dagster.lanes import Lane
from parjanya_dagster.truth.stages import STAGES

T = TypeVar("T")
_STATES = {
    DagsterRunStatus.NOT_STARTED: RunState.CREATED,
    DagsterRunStatus.QUEUED: RunState.QUEUED,
    DagsterRunStatus.STARTING: RunState.STARTING,
    DagsterRunStatus.STARTED: RunState.STARTED,
    DagsterRunStatus.CANCELING: RunState.CANCELING,
}
_PAGE = 1000
_MOST_RUNS = 20_000  # more are an incident: a cut list would look like fewer runs
_MOST_ENDED = 200
_RECENT = 3600.0  # seconds that a failed run is remembered,
_JUST_NOW = 600.0  # and one that succeeded


class DagsterBelief:
    """See `belief.snapshot.Belief`."""

    def __init__(self, instance: DagsterInstance, lanes: Sequence[Lane]) -> None:
        self._instance = instance
        self._order = KeyOrder(instance)
        self._stages = {lane.job: lane.reach for lane in lanes}

    def read(self, now: float) -> Seen:
        # Runs before keys: a key is added before the run that needs it.
        with _readable():
            live = list(self._live())
            failed = self._ended(DagsterRunStatus.FAILURE, now - _RECENT)
            succeeded = self._ended(DagsterRunStatus.SUCCESS, now - _JUST_NOW)
            keys = self._order.read()
            position = {key: index for index, key in enumerate(keys)}
            return Seen(
                keys=keys,
                runs=tuple(self._live_run(record, keys, position) for record in live),
                failed=tuple(
                    FailedRun(
                        run_id=record.dagster_run.run_id,
                        job=record.dagster_run.job_name,
                        keys=keys_of(record.dagster_run, keys, position),
                        at=record.end_time or record.update_timestamp.timestamp(),
                    )
                    for record in failed
                ),
                succeeded=tuple(
                    EndedRun(
                        run_id=record.dagster_run.run_id,
                        job=record.dagster_run.job_name,
                        keys=keys_of(record.dagster_run, keys, position),
                        at=record.end_time or record.update_timestamp.timestamp(),
                    )
                    for record in succeeded
                ),
            )

    def expire(self, run_id: str, reason: str) -> bool:
        with _readable():
            run = self._instance.get_run_by_id(run_id)
            if run is None or run.status not in _STATES:
                return False
            if run.status is DagsterRunStatus.CANCELING:
                self._instance.report_run_canceled(run, reason)
            else:
                self._instance.report_run_failed(run, reason)
            return True

    def _ended(self, status: DagsterRunStatus, after: float) -> Sequence[RunRecord]:
        return self._instance.get_run_records(
            RunsFilter(
                statuses=[status],
                tags={INTENT_TAG: RECONCILER},
                updated_after=datetime.fromtimestamp(after, UTC),
            ),
            limit=_MOST_ENDED,
        )

    def _live(self) -> Iterator[RunRecord]:
        cursor: str | None = None
        seen = 0
        while True:
            page = self._instance.get_run_records(
                RunsFilter(statuses=list(_STATES)), limit=_PAGE, cursor=cursor
            )
            yield from page
            seen += len(page)
            if len(page) < _PAGE:
                return
            if seen >= _MOST_RUNS:
                raise BeliefUnreadable(
                    f"More than {_MOST_RUNS} Dagster runs are queued or running. Cancel those that "
                    "are not needed: nothing is emitted until all of them can be counted."
                )
            cursor = page[-1].dagster_run.run_id

    def _live_run(
        self, record: RunRecord, keys: Sequence[str], position: Mapping[str, int]
    ) -> LiveRun:
        run = record.dagster_run
        return LiveRun(
            run_id=run.run_id,
            job=run.job_name,
            state=_STATES[run.status],
            keys=keys_of(run, keys, position),
            stages=_stages_of(run, self._stages),
            since=_since(record),
            requested=run.tags.get(INTENT_TAG) == RECONCILER,
            regrade=REPLAY_TAG in run.tags,
            light=LIGHT_TAG in run.tags,
        )


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except ParjanyaError:
        raise
    except Exception as error:
        raise BeliefUnreadable(
            f"Dagster's runs or partitions cannot be read ({type(error).__name__}: {error}). "
            "Nothing is concluded and nothing is emitted until they can."
        ) from error


def keys_of(run: DagsterRun, keys: Sequence[str], position: Mapping[str, int]) -> tuple[str, ...]:
    """The partition keys a run works on: one, or a range in Dagster's order."""
    tags = run.tags
    if PARTITION in tags:
        return (tags[PARTITION],)
    first, last = tags.get(RANGE_START), tags.get(RANGE_END)
    if first is None or last is None:
        return ()
    if first in position and last in position and position[first] <= position[last]:
        return tuple(keys[position[first] : position[last] + 1])
    return (first, last)  # the partition list was wiped; the ends are known at least


def _stages_of(run: DagsterRun, by_job: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    if (names := _try(json.loads, run.tags.get(STAGES_TAG))) is not None and isinstance(
        names, list
    ):
        return tuple(stage for stage in STAGES if stage in names)
    if run.asset_selection:
        chosen = {key.path[-1] for key in run.asset_selection}
        return tuple(stage for stage in STAGES if stage in chosen)
    return by_job.get(run.job_name, ())


def _try(parse: Callable[[str], T], text: str | None) -> T | None:
    """Anybody can write a tag. One that makes no sense counts as absent."""
    try:
        return None if text is None else parse(text)
    except ValueError:
        return None


def _since(record: RunRecord) -> float:
    status = record.dagster_run.status
    if status is DagsterRunStatus.STARTED and record.start_time:
        return record.start_time
    if status in (DagsterRunStatus.STARTING, DagsterRunStatus.CANCELING):
        return record.update_timestamp.timestamp()
    return record.create_timestamp.timestamp()
