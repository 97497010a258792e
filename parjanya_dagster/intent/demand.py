"""Demand: what is due for one lane, batch by batch, less what live runs still have before them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from parjanya_dagster.belief.snapshot import EndedRun, FailedRun, LiveRun, Snapshot
from parjanya_dagster.intent.liveness import AHEAD
from parjanya_dagster.lanes import Lane
from parjanya_dagster.truth.models import DueBatch, parse_batch
from parjanya_dagster.truth.stages import STAGES

OFTEN = 10  # recent runs of a batch, after which its next run waits for more rows:
GATHER = 3.0  # this many seconds for each recent run beyond them,
GATHER_MOST = 60.0  # but no longer than this
CHARGED = 30  # deaths of a batch's runs, within the hour they are remembered, that rows pay for

E = TypeVar("E", FailedRun, EndedRun)


@dataclass(slots=True, kw_only=True)
class Need:
    """A batch's need for a lane."""

    batch: str
    tenant: str
    oldest: float  # since when its oldest row is due
    rows: int = 0
    along: int = 0  # of them, at stages of another lane
    stages: set[str] = field(default_factory=set)


def needs_of(
    snapshot: Snapshot,
    lane: Lane,
    live: Mapping[str, Sequence[LiveRun]],
    share: Iterable[DueBatch],
) -> tuple[list[Need], int]:
    """Open needs of a lane, and how many batches live runs cover wholly.

    `live`: the runs that live, by partition key.
    `share`: what of all that is due its runs shall do.
    """
    needs: dict[str, Need] = {}
    covered: set[str] = set()
    for due in share:
        if any(due.stage in run.ahead for run in live.get(due.batch, ())):
            covered.add(due.batch)
            continue
        need = needs.setdefault(
            due.batch, Need(batch=due.batch, tenant=due.tenant, oldest=due.oldest)
        )
        need.rows += due.rows
        need.along += due.rows if due.stage in lane.along else 0
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
    """Whether all that is due was sent back by a regrade: nothing that arrived waits for it.

    What is due was read before what is regraded. Of rows sent back between the two, only their
    manifest, which is out of date by then, is known.
    """
    return need.batch in snapshot.regrading and need.rows <= snapshot.regrading[need.batch]


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
    """The runs of a lane that ended not long ago, by partition key.

    A run that ended in the future is left out: a clock was wrong then.
    """

    failed: Mapping[str, Sequence[FailedRun]]
    succeeded: Mapping[str, Sequence[EndedRun]]

    @classmethod
    def of(cls, lane: Lane, snapshot: Snapshot) -> Ended:
        latest = snapshot.now + AHEAD
        return cls(
            failed=_ended_by_key(snapshot.failed, lane, latest),
            succeeded=_ended_by_key(snapshot.succeeded, lane, latest),
        )


def _ended_by_key(runs: Iterable[E], lane: Lane, latest: float) -> Mapping[str, Sequence[E]]:
    ended: dict[str, list[E]] = defaultdict(list)
    for run in runs:
        if run.job == lane.job and run.at <= latest:
            for key in run.keys:
                ended[key].append(run)
    return ended


def cooling(need: Need, ended: Ended, now: float, first: float, most: float) -> bool:
    """Whether a run over this batch failed so shortly ago that the next one should wait.

    The wait doubles with each failure, so a run that dies at once does not become a storm.

    A run that died with rows in its hands is another matter. Each of them has lost an attempt, and
    is tried alone: the guilty one is found after few deaths, and its neighbours should not wait
    for that. So `CHARGED` such deaths do not count. More of them than that look like a machine
    that kills every run.
    """
    failures = ended.failed.get(need.batch)
    if not failures:
        return False
    counted = len(failures) - min(CHARGED, sum(run.held_rows for run in failures))
    wait = min(most, first * 2.0 ** min(max(counted - 1, 0), 30))
    return now < max(run.at for run in failures) + wait


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
        if concerned and not asked and not 0 < failing.at + wait - snapshot.now <= wait + AHEAD:
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
    return now < max(run.at for run in successes) + min(
        GATHER_MOST, GATHER * (len(successes) - OFTEN)
    )
