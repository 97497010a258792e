"""Rules that compare what is due with what runs.

Either Intent is missing, or Execution does not realize it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from parjanya_dagster.belief.snapshot import LiveRun, Phase, RunState, Snapshot
from parjanya_dagster.doctor.findings import Finding, finding, some
from parjanya_dagster.doctor.grace_periods import GracePeriods
from parjanya_dagster.intent.along import shared
from parjanya_dagster.intent.demand import Ended, Need, cooling, without_engine
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.intent.liveness import why_dead
from parjanya_dagster.lanes import Lane

Judge = Callable[[Snapshot, Sequence[Lane], Limits, GracePeriods], Iterator[Finding]]


def living(
    snapshot: Snapshot, lanes: Sequence[Lane], limits: Limits
) -> tuple[list[LiveRun], dict[str, str]]:
    """Our runs that live, and, by run id, why the others are taken for dead."""
    launch = {lane.job: lane.launch_deadline for lane in lanes}
    live, dead = [], {}
    for run in snapshot.runs:
        if not run.stages:
            continue  # not a run of ours
        allowed = replace(limits.deadlines, launch=launch.get(run.job) or limits.deadlines.launch)
        reason = why_dead(run, snapshot.now, snapshot.watching_since, allowed)
        if reason is None:
            live.append(run)
        else:
            dead[run.run_id] = reason
    return live, dead


def _keys_missing(
    snapshot: Snapshot, _lanes: Sequence[Lane], _limits: Limits, grace: GracePeriods
) -> Iterator[Finding]:
    known = set(snapshot.keys)
    missing = [
        due
        for due in snapshot.due
        if due.batch not in known and snapshot.now - due.oldest > grace.pending
    ]
    keys = {due.batch for due in missing}
    if missing:
        yield finding(
            "keys_missing",
            f"Dagster lacks {some(len(keys), 'partition key')} that rows need, "
            f"{missing[0].batch} among them",
            min(due.oldest for due in missing),
            keys=len(keys),
            rows=sum(due.rows for due in missing),
        )


def _run_dead(
    snapshot: Snapshot, lanes: Sequence[Lane], limits: Limits, _grace: GracePeriods
) -> Iterator[Finding]:
    _, dead = living(snapshot, lanes, limits)
    if dead:
        run_id, reason = next(iter(dead.items()))
        yield finding(
            "run_dead",
            f"Dagster believes in {some(len(dead), 'dead run')}; {run_id}: {reason}",
            runs=len(dead),
            run=run_id,
        )


def _intent(
    snapshot: Snapshot, lanes: Sequence[Lane], limits: Limits, grace: GracePeriods
) -> Iterator[Finding]:
    """Rows that no live run will reach: nobody asked for one, or asking had to wait."""
    live, _ = living(snapshot, lanes, limits)
    for share in shared(snapshot, lanes, live, limits):
        lane, ours, needs = share.lane, share.runs, share.needs
        waiting = sum(run.state is not RunState.STARTED and not run.light for run in ours)
        full = waiting >= limits.queued_runs
        stopped = lane.name in limits.held_lanes
        late, held = [], []
        ended = Ended.of(lane, snapshot)
        first, most = limits.failure_first, limits.failure_most
        unfit = without_engine(needs, ours, snapshot, first, most)  # has a finding of its own
        for need in (need for need in needs if need.batch not in unfit):
            waited = snapshot.now - need.oldest
            wait = cooling(need, ended, snapshot.now, first, most)
            if (full or wait or stopped) and waited > grace.held_back:
                held.append(need)
            elif not full and not wait and not stopped and waited > grace.pending:
                late.append(need)
        if late:
            yield _needs(
                "pending_without_intent",
                f"{some(_rows(late), 'row')} due in the lane {lane.name}, the queue has room, and "
                "nobody asked for a run",
                late,
                lane,
            )
        if held:
            why = "the queue is full" if full else "their runs failed a moment ago"
            why = "the lane drifted and is held" if stopped else why
            yield _needs(
                "intent_held_back",
                f"{some(_rows(held), 'row')} due in the lane {lane.name}, held back since {why}",
                held,
                lane,
                waiting_runs=waiting,
            )


def _progress(
    snapshot: Snapshot, lanes: Sequence[Lane], limits: Limits, grace: GracePeriods
) -> Iterator[Finding]:
    """Runs that were asked for, and where they stopped."""
    live, _ = living(snapshot, lanes, limits)
    launch = {lane.job: lane.launch_deadline for lane in lanes}
    queued, starting, idle = [], [], []
    for run in live:
        age = snapshot.now - run.since
        if run.state in (RunState.CREATED, RunState.QUEUED) and age > grace.queued:
            queued.append(run)
        elif run.state is RunState.STARTING:
            allowed = launch.get(run.job, limits.deadlines.launch)
            if age > grace.starting * allowed:
                starting.append(run)
        elif run.state is RunState.STARTED and _without_commits(run, snapshot.now, grace):
            idle.append(run)
    for code, runs, what in (
        ("queued_too_long", queued, "in the queue"),
        ("starting_too_long", starting, "launched, and without a process"),
        ("started_without_commits", idle, "started, and without an outcome"),
    ):
        if runs:
            yield _runs(code, f"{some(len(runs), 'run')} {what}", runs, snapshot.now)


def _without_commits(run: LiveRun, now: float, grace: GracePeriods) -> bool:
    last = run.since if run.pulse is None else max(run.since, run.pulse.progress_at)
    return now - last > grace.commits


def _run_for_nothing(
    snapshot: Snapshot, lanes: Sequence[Lane], limits: Limits, grace: GracePeriods
) -> Iterator[Finding]:
    """Runs whose rows were done by others, or are gone. A replay makes its rows due itself."""
    live, _ = living(snapshot, lanes, limits)
    needed = {(due.batch, due.stage) for due in snapshot.due}
    stale = set(snapshot.stale_manifests)
    useless = [
        run
        for run in live
        if run.requested
        and run.lease_until is None
        and (run.pulse is None or run.pulse.phase is Phase.WORKING)
        and snapshot.now - max(run.since, run.pulse.progress_at if run.pulse else 0.0) > grace.idle
        and not any((key, stage) in needed for key in run.keys for stage in run.ahead)
        and not stale.intersection(run.keys)
    ]
    if useless:
        yield _runs(
            "run_for_nothing",
            f"{some(len(useless), 'run')} for rows that no longer need it",
            useless,
            snapshot.now,
        )


def _crash_loop(
    snapshot: Snapshot, _lanes: Sequence[Lane], _limits: Limits, grace: GracePeriods
) -> Iterator[Finding]:
    deaths = Counter(key for run in snapshot.failed for key in run.keys)
    again = {key: n for key, n in deaths.items() if n >= grace.failed_runs}
    due = {batch.batch for batch in snapshot.due}
    still = {key: n for key, n in again.items() if key in due}
    if still:
        worst = max(still, key=lambda key: still[key])
        runs = [run for run in snapshot.failed if worst in run.keys]
        yield finding(
            "crash_loop",
            f"The runs of {some(len(still), 'batch', 'batches')} fail again and again; {worst} had "
            f"{still[worst]} failed runs within the hour, and has rows due",
            min(run.at for run in runs),
            batches=len(still),
            failed_runs=still[worst],
            run=max(runs, key=lambda run: run.at).run_id,
        )


def _rows(needs: Iterable[Need]) -> int:
    return sum(need.rows for need in needs)


def _needs(
    code: str, summary: str, needs: Sequence[Need], lane: Lane, **more: float | int | str
) -> Finding:
    return finding(
        code,
        summary,
        min(need.oldest for need in needs),
        lane=lane.name,
        rows=_rows(needs),
        batches=len(needs),
        batch=min(needs, key=lambda need: need.oldest).batch,
        **more,
    )


def _runs(code: str, summary: str, runs: Sequence[LiveRun], now: float) -> Finding:
    oldest = min(runs, key=lambda run: run.since)
    return finding(
        code,
        f"{summary}, the oldest for {now - oldest.since:.0f} s",
        oldest.since,
        runs=len(runs),
        run=oldest.run_id,
        batches=len({key for run in runs for key in run.keys}),
    )


RUN_RULES: tuple[Judge, ...] = (
    _keys_missing,
    _run_dead,
    _intent,
    _progress,
    _run_for_nothing,
    _crash_loop,
)
