"""Snapshots in a few words, for tests of decisions that are pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from parjanya_dagster.belief.snapshot import (
    EndedRun,
    FailedRun,
    LiveRun,
    Phase,
    Pulse,
    RunState,
    Seen,
    Snapshot,
    Unfit,
)
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.intent.plan import Plan, plan
from parjanya_dagster.lanes import EMBEDDED, Lane
from parjanya_dagster.truth.models import DueBatch
from parjanya_dagster.truth.stages import STAGES

NOW = 1_760_011_200.0
LANE = EMBEDDED[0]


def batch(tenant: str = "acme", number: int = 1) -> str:
    return f"{tenant}/2025-10-09/{number:03d}"


def due(key: str, rows: int = 100, stage: str = "validated", *, waited: float = 10.0) -> DueBatch:
    return DueBatch(
        batch=key, tenant=key.partition("/")[0], stage=stage, rows=rows, oldest=NOW - waited
    )


def run(
    *keys: str,
    run_id: str = "r1",
    state: RunState = RunState.STARTED,
    stages: tuple[str, ...] = STAGES,
    age: float = 1.0,
    lease: float | None = None,
    pulse: Pulse | None = None,
    job: str = LANE.job,
    light: bool = False,
) -> LiveRun:
    until = None if lease is None else NOW + lease
    return LiveRun(
        run_id=run_id,
        job=job,
        state=state,
        keys=keys,
        stages=stages,
        since=NOW - age,
        requested=True,
        lease_until=until,
        pulse=pulse,
        light=light,
    )


def pulse(
    stage: str = "validated",
    *,
    age: float = 1.0,
    phase: Phase = Phase.WORKING,
    progress: float | None = None,
) -> Pulse:
    return Pulse(
        at=NOW - age,
        stage=stage,
        phase=phase,
        progress_at=NOW - (age if progress is None else progress),
    )


def failed(*keys: str, age: float, run_id: str = "f1", job: str = LANE.job) -> FailedRun:
    return FailedRun(run_id=run_id, job=job, keys=keys, at=NOW - age)


def succeeded(*keys: str, age: float, run_id: str = "s1", job: str = LANE.job) -> EndedRun:
    return EndedRun(run_id=run_id, job=job, keys=keys, at=NOW - age)


def decide(
    work: Sequence[DueBatch],
    *,
    runs: Sequence[LiveRun] = (),
    dead: Sequence[FailedRun] = (),
    keys: Sequence[str] | None = None,
    weights: Mapping[str, float] | None = None,
    stale: Sequence[str] = (),
    pace: Mapping[str, float] | None = None,
    limits: Limits | None = None,
    lanes: Sequence[Lane] = EMBEDDED,
    generation: int = 7,
    watching_since: float = 0.0,
    ended: Sequence[EndedRun] = (),
    unfit: Mapping[str, Unfit] | None = None,
) -> Plan:
    known = tuple(dict.fromkeys(one.batch for one in work)) if keys is None else tuple(keys)
    snapshot = Snapshot(
        now=NOW,
        due=tuple(work),
        keys=known,
        runs=tuple(runs),
        failed=tuple(dead),
        weights=weights or {},
        stale_manifests=tuple(stale),
        watching_since=watching_since,
        generation=generation - 1,
        seconds_per_row=pace or {},
        succeeded=tuple(ended),
        unfit=unfit or {},
    )
    return plan(snapshot, lanes, limits or Limits(), generation)


def ranges(decided: Plan) -> list[tuple[str, ...]]:
    return [request.keys for request in decided.requests]


class Idle:
    """A Dagster that knows some partitions, and where nothing runs."""

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self.keys = list(keys)

    def read(self, now: float) -> Seen:
        return Seen(keys=tuple(self.keys), runs=(), failed=())

    def expire(self, run_id: str, reason: str) -> bool:
        return False
