"""Demand: what is due for one lane, batch by batch, less what live runs still have before them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from parjanya_dagster.belief.snapshot import EndedRun, FailedRun, LiveRun, Snapshot
from parjanya_dagster.lanes import Lane
from parjanya_dagster.truth.models import parse_batch
from parjanya_dagster.truth.stages import STAGES

OFTEN = 10  # recent runs of a batch, after which its next run waits for more rows:
GATHER = 3.0  # this many seconds for each recent run beyond them,
GATHER_MOST = 60.0  # but no longer than this


@dataclass(slots=True, kw_only=True)
class Need:
    """A batch's need for a lane."""

    batch: str
    tenant: str
    oldest: float  # since when its oldest row is due
    rows: int = 0
    stages: set[str] = field(default_factory=set)


def needs_of(
    snapshot: Snapshot, lane: Lane, live: Mapping[str, Sequence[LiveRun]]
) -> tuple[list[Need], int]:
    """Open needs of a lane, and how many batches live runs cover wholly.

    `live`: the runs that live, by partition key.
    """
    needs: dict[str, Need] = {}
    covered: set[str] = set()
    for due in snapshot.due:
        if due.stage not in lane.stages:
            continue
        if any(due.stage in run.ahead for run in live.get(due.batch, ())):
            covered.add(due.batch)
            continue
        need = needs.setdefault(
            due.batch, Need(batch=due.batch, tenant=due.tenant, oldest=due.oldest)
        )
        need.rows += due.rows
        need.oldest = min(need.oldest, due.oldest)
        need.stages.add(due.stage)
    last = STAGES[-1]
    if last in lane.stages:
        for batch in snapshot.stale_manifests:
            if any(last in run.stages for run in live.get(batch, ())):
                covered.add(batch)
                continue
            need = needs.setdefault(
                batch, Need(batch=batch, tenant=parse_batch(batch)[0], oldest=snapshot.now)
            )
            need.stages.add(last)
    return list(needs.values()), len(covered - needs.keys())


def of_history(need: Need, snapshot: Snapshot) -> bool:
    """Whether all that is due was sent back by a regrade: nothing that arrived waits for it."""
    return 0 < need.rows <= snapshot.regrading.get(need.batch, 0)


def held_back(need: Need, snapshot: Snapshot) -> bool:
    """Whether a backfill of Dagster's is about to make the run for this batch."""
    return need.batch in snapshot.held and of_history(need, snapshot)


def by_key(runs: Iterable[LiveRun]) -> dict[str, list[LiveRun]]:
    keys: dict[str, list[LiveRun]] = defaultdict(list)
    for run in runs:
        for key in run.keys:
            keys[key].append(run)
    return keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """When runs of a lane ended not long ago, by partition key."""

    failed: Mapping[str, Sequence[float]]
    succeeded: Mapping[str, Sequence[float]]

    @classmethod
    def of(cls, lane: Lane, snapshot: Snapshot) -> Ended:
        return cls(failed=_ends(snapshot.failed, lane), succeeded=_ends(snapshot.succeeded, lane))


def _ends(runs: Iterable[FailedRun | EndedRun], lane: Lane) -> Mapping[str, Sequence[float]]:
    ends: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        if run.job == lane.job:
            for key in run.keys:
                ends[key].append(run.at)
    return ends


def cooling(need: Need, ended: Ended, now: float, first: float, most: float) -> bool:
    """Whether a run over this batch failed so shortly ago that the next one should wait.

    The wait doubles with each failure, so a run that dies at once does not become a storm.
    """
    failures = ended.failed.get(need.batch)
    if not failures:
        return False
    wait = min(most, first * 2.0 ** min(len(failures) - 1, 30))
    return now < max(failures) + wait


def without_engine(
    needs: Sequence[Need],
    ours: Sequence[LiveRun],
    snapshot: Snapshot,
    first: float,
    most: float,
) -> set[str]:
    """Batches that should wait, since the engines of all that is due in them fail their preflight.

    A missing GPU fails every batch alike, so one run finds out for all of them: the batch that is
    due longest is let through after a wait that doubles with each failure, and the others follow
    as soon as a preflight has passed.
    """
    stuck = [need for need in needs if need.stages and need.stages <= snapshot.unfit.keys()]
    if not stuck:
        return set()
    held = {need.batch for need in stuck}
    for stage in sorted(snapshot.unfit):
        failing = snapshot.unfit[stage]
        wait = min(most, first * 2.0 ** min(failing.times - 1, 30))
        concerned = [need for need in stuck if stage in need.stages]
        asked = any(run.requested and stage in run.ahead for run in ours)
        if concerned and not asked and snapshot.now >= failing.at + wait:
            held.discard(min(concerned, key=lambda need: (need.oldest, need.batch)).batch)
    return held


def gathering(need: Need, ended: Ended, now: float, budget: int) -> bool:
    """Whether a few rows should wait for more, since their batch has been run so often of late.

    Rows that retry come due one by one, and so do uploads that trickle. A run for each would cost
    more than the work. A quarter of a run's budget is worth a run at any time.
    """
    if need.rows * 4 >= budget:
        return False
    successes = ended.succeeded.get(need.batch, ())
    if len(successes) <= OFTEN:
        return False
    return now < max(successes) + min(GATHER_MOST, GATHER * (len(successes) - OFTEN))
