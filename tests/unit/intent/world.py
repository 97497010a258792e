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
    Snapshot,
    Unfit,
)
from parjanya_dagster.intent.plan import Limits, Plan, plan
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
) -> LiveRun:
    until = None if lease is None else NOW + lease
    return LiveRun(run_id, job, state, keys, stages, NOW - age, True, until, pulse)


def pulse(
    stage: str = "validated",
    *,
    age: float = 1.0,
    phase: Phase = Phase.WORKING,
    progress: float | None = None,
) -> Pulse:
    return Pulse(NOW - age, stage, phase, NOW - (age if progress is None else progress))


def failed(*keys: str, age: float, run_id: str = "f1", job: str = LANE.job) -> FailedRun:
    return FailedRun(run_id, job, keys, NOW - age)


def succeeded(*keys: str, age: float, run_id: str = "s1", job: str = LANE.job) -> EndedRun:
    return EndedRun(run_id, job, keys, NOW - age)


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
        NOW,
        tuple(work),
        known,
        tuple(runs),
        tuple(dead),
        weights or {},
        tuple(stale),
        watching_since,
        generation - 1,
        pace or {},
        tuple(ended),
        unfit=unfit or {},
    )
    return plan(snapshot, lanes, limits or Limits(), generation)


def ranges(decided: Plan) -> list[tuple[str, ...]]:
    return [request.keys for request in decided.requests]
