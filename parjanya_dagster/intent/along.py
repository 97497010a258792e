"""Which lane does what is due: little work goes along with a run that would wait for it anyway.

An image that is alone would start a process of one lane to be validated, and a machine of the next
lane for all that follows. Both starts cost more than the work. So where little of a tenant waits to
be validated, the run of the next lane does that too (decision 0079). Where that lane cannot begin
soon, each lane does its own: no image waits for a machine longer than it needs one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from parjanya_dagster.belief.snapshot import LiveRun, Snapshot
from parjanya_dagster.intent.demand import Need, by_key, needs_of
from parjanya_dagster.intent.light import WAITING, light_rows, waiting
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.lanes import Lane
from parjanya_dagster.truth.models import DueBatch

PATIENCE = 900.0  # seconds for which work waits for the run that it should go along with
FEW = Limits().fewest_rows  # that a run takes along where nobody said how many


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one lane has to do, and who does it."""

    lane: Lane
    runs: list[LiveRun]  # of the lane
    covering: list[LiveRun]  # that do work of its share, of whichever lane
    needs: list[Need]  # that no run covers
    covered: int  # batches that live runs cover wholly
    rows: int  # all that is due in it, covered or not
    along: int  # rows that its runs take along at least, if they take any


def shared(
    snapshot: Snapshot, lanes: Sequence[Lane], live: Sequence[LiveRun], limits: Limits
) -> Iterator[Share]:
    """The shares of the lanes, in their order."""
    due = shares(snapshot, lanes, live, limits)
    for lane in lanes:
        over = covering(lane, lanes, live)
        ours = due.get(lane.name, ())
        needs, covered = needs_of(snapshot, lane, by_key(over), ours)
        yield Share(
            lane=lane,
            runs=runs_of(lane, lanes, live),
            covering=over,
            needs=needs,
            covered=covered,
            rows=sum(one.rows for one in ours),
            along=_little(snapshot, lane, limits) if lane.along else 0,
        )


def shares(
    snapshot: Snapshot, lanes: Sequence[Lane], live: Sequence[LiveRun], limits: Limits
) -> Mapping[str, list[DueBatch]]:
    """What is due, by the lane whose runs shall do it. Each row is in one share."""
    owner = {stage: lane for lane in lanes for stage in lane.stages}
    onward = {stage: lane for lane in lanes for stage in lane.along}
    able = {lane.name for lane in lanes if _able(snapshot, lane, limits)}
    free = {lane.name for lane in lanes if _has_room(lane, live, limits)}
    due_by: Counter[tuple[str, str]] = Counter()  # tenant, lane
    for due in snapshot.due:
        if due.stage in onward:
            due_by[due.tenant, onward[due.stage].name] += due.rows
    little = {lane.name: _little(snapshot, lane, limits) for lane in onward.values()}
    failed = {(run.job, key) for run in snapshot.failed for key in run.keys}
    asked = _asked(live)
    by_lane: dict[str, list[DueBatch]] = defaultdict(list)
    for due in snapshot.due:
        lane = onward.get(due.stage)
        if (
            lane is None
            or lane.name not in able
            or not (lane.name in free or (lane.job, due.batch, due.stage) in asked)
            or due_by[due.tenant, lane.name] > little[lane.name]
            or snapshot.now - _since(due, lane, asked) > PATIENCE
            or (lane.job, due.batch) in failed
        ):
            lane = owner.get(due.stage)
        if lane is not None:
            by_lane[lane.name].append(due)
    return by_lane


def covering(lane: Lane, lanes: Sequence[Lane], live: Sequence[LiveRun]) -> list[LiveRun]:
    """The live runs that do work of a lane's share. Those of a lane for which its stages only go
    along are none: they take little, and begin late."""
    by_job = {one.job: one for one in lanes}
    return [
        run
        for run in live
        if set(run.stages) & set(lane.reach)
        and set(by_job.get(run.job, lane).stages) & set(lane.reach)
    ]


def runs_of(lane: Lane, lanes: Sequence[Lane], live: Sequence[LiveRun]) -> list[LiveRun]:
    """The live runs of a lane: of its own job, or by hand in a job of no lane."""
    others = {one.job for one in lanes} - {lane.job}
    return [run for run in live if run.job not in others and set(run.stages) & set(lane.stages)]


def _asked(live: Sequence[LiveRun]) -> Mapping[tuple[str, str, str], float]:
    """What live runs have before them, by job, batch and stage: since when the first of them waits
    for its machine. One that has begun waits for none."""
    asked: dict[tuple[str, str, str], float] = {}
    for run in live:
        since = run.since if run.state in WAITING else inf
        for one in ((run.job, key, stage) for key in run.keys for stage in run.ahead):
            asked[one] = min(since, asked.get(one, inf))
    return asked


def _since(due: DueBatch, lane: Lane, asked: Mapping[tuple[str, str, str], float]) -> float:
    """Since when rows wait for a machine of this lane: they are due, or a run that waits was asked
    for. What a process handed back is due anew, and still waits for the message that it took."""
    return min(due.oldest, asked.get((lane.job, due.batch, due.stage), inf))


def _able(snapshot: Snapshot, lane: Lane, limits: Limits) -> bool:
    """Whether a run of this lane could do all of its stages. What goes along has no engine."""
    return lane.name not in limits.held_lanes and not snapshot.unfit.keys() & set(lane.stages)


def _has_room(lane: Lane, live: Sequence[LiveRun], limits: Limits) -> bool:
    """Whether one more run of this lane can be asked for."""
    ours = [run for run in live if run.job == lane.job]
    return (
        waiting(ours, light=False) < limits.queued_runs
        and waiting(ours, light=True) < limits.light_runs
    )


def _little(snapshot: Snapshot, lane: Lane, limits: Limits) -> int:
    """Rows that take so few seconds that a start of another process would cost more."""
    return light_rows(
        lane.along,
        snapshot.seconds_per_row,
        limits.light_seconds,
        limits.fewest_rows,
        limits.run_rows,
    )
