"""plan(): a pure function from a snapshot to run requests.

Its steps, for each lane:
1. take its share of what is due, less what live runs still have before them;
2. leave out what failed a moment ago, and what is run too often;
3. share the row budget fairly between tenants;
4. pack neighbours into ranges;
5. stop where enough is queued, but keep room for tenants that have little or nothing under way;
6. give each request a run key.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from parjanya_dagster.belief.snapshot import LiveRun, Snapshot
from parjanya_dagster.intent.along import shared
from parjanya_dagster.intent.demand import (
    Ended,
    Need,
    cooling,
    gathering,
    held_back,
    of_history,
    without_engine,
)
from parjanya_dagster.intent.fairness import fair_order, load_of, pack
from parjanya_dagster.intent.light import light_rows, light_tenants, waiting
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.intent.liveness import Deadlines, DeadRun, why_dead
from parjanya_dagster.lanes import Lane
from parjanya_dagster.truth.models import parse_batch
from parjanya_dagster.truth.stages import STAGES

LOWEST = -100  # of the priorities that are given to runs
UNMEASURED_DECISION = 0.01  # seconds; it loads no model, so this is known to be ample
REGRADE_PRIORITY = LOWEST - 100  # a regrade waits behind everything that arrives


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Intent: one run over a range of neighbouring partitions in a lane."""

    lane: Lane
    stages: tuple[str, ...]  # from the earliest stage that has work
    keys: tuple[str, ...]  # neighbours in Dagster's order
    rows: int
    run_key: str
    priority: int = 0  # 0 for a tenant's first run; lower the more it has
    regrade: bool = False  # it decides history again, in a share of its own
    light: int = 0  # most rows that it takes at a stage, in the slots for little work; 0: all
    along: int = 0  # most rows that it takes at a stage that goes along

    def most(self, stage: str) -> int:
        """Rows that it takes at a stage; 0: all that are due."""
        bounds = self.light, self.along if stage in self.lane.along else 0
        return min(filter(None, bounds), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a reconciliation should do, and why it does not do more."""

    add_keys: tuple[str, ...]  # keys that rows need and Dagster lacks
    requests: tuple[Request, ...]
    dead: tuple[DeadRun, ...]  # runs whose process is gone
    covered: int  # batches that a live run covers
    cooling: int  # batches whose run failed a moment ago, that are run too often, or whose
    # engine fails its preflight
    guarded: int  # batches held back: enough is queued
    due_rows: int
    shares: Mapping[str, int]  # lane -> rows of these that are its to do


def plan(snapshot: Snapshot, lanes: Sequence[Lane], limits: Limits, generation: int) -> Plan:
    """Decide which runs to ask for. `generation` grows with each completed reconciliation."""
    wanted = {due.batch for due in snapshot.due} | set(snapshot.stale_manifests)
    missing = sorted(wanted.difference(snapshot.keys), key=_age)
    order = _positions(snapshot.keys, missing[: limits.new_keys])
    live, dead = _living(snapshot, lanes, limits.deadlines)
    rows: dict[str, int] = defaultdict(int)
    for due in snapshot.due:
        rows[due.batch] += due.rows
    requests: list[Request] = []
    shares: dict[str, int] = {}
    covered = cooled = guarded = 0
    for share in shared(snapshot, lanes, live, limits):
        lane, ours = share.lane, share.runs
        needs = [need for need in share.needs if not held_back(need, snapshot)]
        budget = row_budget(lane, snapshot.seconds_per_row, limits)
        ended = Ended.of(lane, snapshot)
        unfit = without_engine(needs, ours, snapshot, limits.failure_first, limits.failure_most)
        warm = [
            need
            for need in needs
            if need.batch not in unfit
            and not cooling(need, ended, snapshot.now, limits.failure_first, limits.failure_most)
            and not gathering(need, ended, snapshot.now, budget)
            and lane.name not in limits.held_lanes
        ]
        unplaced = _unplaced(snapshot, share.covering, missing)
        placed = [need for need in warm if need.batch in order.keys() - unplaced]
        history = [need for need in placed if of_history(need, snapshot)]
        arrived = [need for need in placed if not of_history(need, snapshot)]
        fresh = [run for run in ours if not run.regrade]
        asking = _Asking(
            lane=lane,
            snapshot=snapshot,
            order=order,
            limits=limits,
            generation=generation,
            along=share.along,
        )
        shares[lane.name] = share.rows
        load = load_of(fresh, rows)
        light = asking.light_tenants(needs, load)
        emitted = asking.for_light([need for need in arrived if need.tenant in light], fresh)
        much = [need for need in arrived if need.tenant not in light]
        emitted += asking.for_arrivals(much, fresh, load)
        emitted += asking.for_regrades(history, sum(run.regrade for run in ours))
        requests += emitted
        covered += share.covered
        cooled += len(needs) - len(warm)
        guarded += len(warm) - sum(len(request.keys) for request in emitted)
    return Plan(
        add_keys=tuple(missing[: limits.new_keys]),
        requests=tuple(requests),
        dead=dead,
        covered=covered,
        cooling=cooled,
        guarded=guarded,
        due_rows=sum(rows.values()),
        shares=shares,
    )


def _living(
    snapshot: Snapshot, lanes: Sequence[Lane], deadlines: Deadlines
) -> tuple[list[LiveRun], tuple[DeadRun, ...]]:
    launch = {lane.job: lane.launch_deadline for lane in lanes}
    live, dead = [], []
    for run in snapshot.runs:
        if not run.stages:
            continue  # not a run of ours
        allowed = replace(deadlines, launch=launch.get(run.job) or deadlines.launch)
        reason = why_dead(run, snapshot.now, snapshot.watching_since, allowed)
        if reason is None:
            live.append(run)
        else:
            dead.append(DeadRun(run.run_id, reason))
    return live, tuple(dead)


def _unplaced(
    snapshot: Snapshot, live: Sequence[LiveRun], missing: Sequence[str]
) -> frozenset[str]:
    """Batches that a live run may cover, though nobody can tell until their keys are back.

    Of a range whose ends Dagster no longer lists, because its partitions were wiped, only the ends
    are known. What lacks a key then waits for the next reconciliation, when it has one.
    """
    known = frozenset(snapshot.keys)
    if all(known.issuperset(run.keys) for run in live):
        return frozenset()
    return frozenset(missing)


def _positions(keys: Sequence[str], missing: Sequence[str]) -> dict[str, int]:
    """Dagster's order. Keys that it lacks get gaps: where they will stand is not known yet."""
    order = {key: index for index, key in enumerate(keys)}
    order.update({key: len(keys) + 1 + 2 * index for index, key in enumerate(missing)})
    return order


def row_budget(lane: Lane, seconds_per_row: Mapping[str, float], limits: Limits) -> int:
    """Rows of one run, so that it takes about `run_seconds` by what was measured."""
    measured = [seconds_per_row[stage] for stage in lane.stages if stage in seconds_per_row]
    if not measured:
        return min(limits.unmeasured_rows, limits.run_rows)
    rows = limits.run_seconds / max(sum(measured), 1e-6)
    return int(max(min(rows, limits.run_rows), min(limits.fewest_rows, limits.run_rows)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    """Makes the requests of one lane from the needs that may have a run now."""

    lane: Lane
    snapshot: Snapshot
    order: Mapping[str, int]  # batch -> where its key stands in Dagster
    limits: Limits
    generation: int
    along: int  # rows that a run may take along whatever it was asked for

    @property
    def budget(self) -> int:
        return row_budget(self.lane, self.snapshot.seconds_per_row, self.limits)

    @property
    def light_rows(self) -> int:
        limits, pace = self.limits, self.snapshot.seconds_per_row
        return light_rows(
            self.lane.stages, pace, limits.light_seconds, limits.fewest_rows, limits.run_rows
        )

    def light_tenants(self, needs: Sequence[Need], load: Mapping[str, float]) -> frozenset[str]:
        if self.lane.name in self.limits.queue_lanes:
            return frozenset()
        return light_tenants(needs, load, self.light_rows)

    def for_light(self, needs: Sequence[Need], live: Sequence[LiveRun]) -> list[Request]:
        """Small runs for tenants with little to do: none of them waits for those with much."""
        free = self.limits.light_runs - waiting(live, light=True)
        rows = self.light_rows
        chosen = fair_order(needs, {}, self.snapshot.weights, max(0, free) * rows)
        groups = pack(chosen, self.order, rows, self.limits.run_keys, big=1.0)  # all are small
        return [replace(self._request(group, 0), light=rows) for group in groups[: max(0, free)]]

    def for_arrivals(
        self, needs: Sequence[Need], live: Sequence[LiveRun], load: Mapping[str, float]
    ) -> list[Request]:
        """Fair shares, behind the backlog guard. `load`: rows by tenant that live runs have."""
        free = self.limits.queued_runs - waiting(live, light=False)
        most = free + self.limits.reserved_runs
        if most <= 0:
            return []
        weight_of = self.snapshot.weights
        chosen = fair_order(needs, load, weight_of, most * self.budget)
        under_way = _runs_by_tenant(live)
        requests: list[Request] = []
        for group in pack(chosen, self.order, self.budget, self.limits.run_keys):
            if len(requests) >= most:
                break
            tenants = {need.tenant for need in group}
            idle = not any(under_way.get(tenant) for tenant in tenants)
            if len(requests) >= free and not idle:
                continue  # what is reserved is for those who have nothing
            ahead = min(
                under_way[tenant] / max(weight_of.get(tenant, 1.0), 0.01) for tenant in tenants
            )
            for tenant in tenants:
                under_way[tenant] += 1
            requests.append(self._request(group, max(LOWEST, -int(ahead))))
        return requests

    def for_regrades(self, needs: Sequence[Need], live: int) -> list[Request]:
        """Runs that decide history again: few, large, and behind everything that arrives.

        Deciding costs little, so a run that only decides takes many more rows than one with
        models, and spans partitions that have nothing to do rather than leave another run to be
        started. `live`: such runs that live.
        """
        free = self.limits.regrade_runs - live
        requests: list[Request] = []
        for only_decides in (True, False):
            alike = [need for need in needs if (need.stages == {STAGES[-1]}) is only_decides]
            budget, gap = self.budget, 0
            if only_decides:
                rows = sum(need.rows for need in alike)
                budget = _deciding_budget(rows, self.snapshot, self.limits)
                gap = self.limits.regrade_gap
            chosen = fair_order(alike, {}, self.snapshot.weights, max(0, free) * budget)
            known = len(self.snapshot.keys)
            for group in pack(chosen, self.order, budget, self.limits.run_keys, gap, known):
                if free <= 0:
                    break
                free -= 1
                request = self._request(group, REGRADE_PRIORITY)
                run_key = f"regrade:{request.run_key}"
                requests.append(replace(request, run_key=run_key, regrade=True))
        return requests

    def _request(self, group: Sequence[Need], priority: int) -> Request:
        lane = self.lane
        first = min(lane.reach.index(stage) for need in group for stage in need.stages)
        stages = lane.reach[first:]
        keys = tuple(need.batch for need in group)
        # Dagster never runs a key twice. With its generation, the next reconciliation's is another.
        run_key = f"{lane.name}:{keys[0]}..{keys[-1]}:{stages[0]}:g{self.generation}"
        return Request(
            lane=lane,
            stages=stages,
            keys=keys,
            rows=sum(need.rows for need in group),
            run_key=run_key,
            priority=priority,
            # What landed since it was asked for is taken along only while it is little.
            along=max(self.along, sum(need.along for need in group)),
        )


def _deciding_budget(rows: int, snapshot: Snapshot, limits: Limits) -> int:
    """Rows of a run that only decides: an equal share of the work, as far as its time allows."""
    measured = snapshot.seconds_per_row.get(STAGES[-1], UNMEASURED_DECISION)
    most = limits.run_seconds / max(measured, 1e-6)
    share = -(-rows // max(1, limits.regrade_runs))
    return int(max(limits.run_rows, min(share, most, limits.regrade_rows)))


def _runs_by_tenant(live: Iterable[LiveRun]) -> dict[str, int]:
    count: dict[str, int] = defaultdict(int)
    for run in live:
        for tenant in {key.partition("/")[0] for key in run.keys}:
            count[tenant] += 1
    return count


def _age(batch: str) -> tuple[str, int, str]:
    tenant, day, number = parse_batch(batch)
    return day, number, tenant
