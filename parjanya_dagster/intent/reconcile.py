"""One reconciliation: see everything, decide, expire what is dead, and record that it completed.

Level-triggered: it acts on what is, never on what woke it. It raises where anything cannot be
read. Then nothing is emitted and the heartbeat goes stale, which is what an operator looks at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from parjanya_dagster.belief import blind_loops
from parjanya_dagster.belief.ledger import entry, fold
from parjanya_dagster.belief.observe import observe
from parjanya_dagster.belief.snapshot import Belief, RunState, Snapshot
from parjanya_dagster.belief.tags import RECONCILER, RUN
from parjanya_dagster.errors import ParjanyaError
from parjanya_dagster.intent import future_times
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.intent.plan import Plan, Request, plan
from parjanya_dagster.lanes import Lane
from parjanya_dagster.lines import get_logger
from parjanya_dagster.truth.models import DueBatch
from parjanya_dagster.truth.records import Reconciliation
from parjanya_dagster.truth.store import Store

log = get_logger(__name__)
MOST_EXPIRED_RUNS = 20  # per reconciliation
MOST_EXPIRED_LEASES = 2000  # rows per reconciliation; the next one goes on


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """A completed reconciliation. The caller adds the plan's keys and emits the requests."""

    plan: Plan
    requests: tuple[Request, ...]  # those of the plan that were chosen
    generation: int
    expired_leases: int  # rows freed from workers that are presumed dead
    expired_runs: int  # runs marked as ended, since their process is presumed dead


def all_requests(plan: Plan) -> tuple[Request, ...]:
    """Choose everything that was planned."""
    return plan.requests


def reconcile(
    store: Store,
    belief: Belief,
    lanes: Sequence[Lane],
    limits: Limits,
    clock: Callable[[], float],
    *,
    choose: Callable[[Plan], tuple[Request, ...]] = all_requests,
    gap: float = 60.0,
    budget: float = 30.0,
    due: Sequence[DueBatch] | None = None,
) -> Reconciled:
    """Compare Truth with what runs.

    `choose`: which requests of the plan are emitted. `gap`: seconds since the last reconciliation
    after which nothing is known of the time between. `budget`: seconds after which expiring runs
    waits for the next reconciliation. `due`: what was just seen to be due, by whoever has looked;
    None: it is looked at here. Raises TruthUnavailable or BeliefUnreadable.
    """
    started = clock()
    expired_leases = store.expire_leases(started, MOST_EXPIRED_LEASES)
    if expired_leases:
        due = None  # of rows whose lease ran out some have failed for that
    store.fold_counts()
    with blind_loops.told(store, RECONCILER, started):
        snapshot = observe(store, belief, started, gap, due)
    if RECONCILER in snapshot.blind:
        blind_loops.clear(store, RECONCILER)
    # Never one that Dagster has seen, even where Truth was restored from a backup.
    generation = max(snapshot.generation + 1, int(started))
    planned = plan(snapshot, lanes, limits, generation)
    expired_runs = _expire_runs(belief, planned, clock, started + budget)
    live = {run.run_id for run in snapshot.runs}
    try:
        fold(store, live, started, limits.deadlines.silence)
    except ParjanyaError:
        raise
    except Exception as error:  # a book that makes no sense must not stop what matters
        log.warning("books_not_folded", error=f"{type(error).__name__}: {error}")
    ended = sorted(snapshot.pulses - live)
    if ended:
        store.forget([f"{RUN}:{run_id}" for run_id in ended])
    done = Reconciled(
        plan=planned,
        requests=choose(planned),
        generation=generation,
        expired_leases=expired_leases,
        expired_runs=expired_runs,
    )
    at = clock()  # compared with that of the last one: a pass may begin before a minute does
    if future_times.may_be_looked_for(at, snapshot.compared_at):
        future_times.pull_back_all(store, limits.lease, clock, at + budget / 3)
    store.note_reconciliation(
        Reconciliation(
            at=at,
            generation=generation,
            watching_since=snapshot.watching_since,
            totals=_totals(snapshot, done, clock() - started),
            heard=_heard(snapshot),
        )
    )
    store.beat(RECONCILER, clock(), _heartbeat(snapshot, done, clock() - started))
    return done


def _expire_runs(belief: Belief, planned: Plan, clock: Callable[[], float], deadline: float) -> int:
    """Mark dead runs as ended. Returns how many were."""
    expired = 0
    for run in planned.dead[:MOST_EXPIRED_RUNS]:
        if clock() > deadline:
            break
        try:
            expired += belief.expire(
                run.run_id, f"Parjanya: {run.reason}. Its rows go on in another run."
            )
        except Exception as error:  # the run counts for nothing already; the tick goes on
            log.warning("run_not_expired", run=run.run_id, error=str(error))
    return expired


def _heard(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """The last signs of life of runs under way, and which failed runs held rows.

    Heartbeats may be deleted meanwhile, and leases run out.
    """
    died = {run.run_id: {"held_rows": True} for run in snapshot.failed if run.held_rows}
    return died | {
        run.run_id: {
            "at": run.pulse.at,
            "stage": run.pulse.stage,
            "phase": str(run.pulse.phase),
            "progress_at": run.pulse.progress_at,
        }
        for run in snapshot.runs
        if run.pulse is not None and run.state in (RunState.STARTED, RunState.CANCELING)
    }


def _heartbeat(snapshot: Snapshot, done: Reconciled, seconds: float) -> dict[str, object]:
    planned = done.plan
    return {
        "generation": done.generation,
        "seconds": round(seconds, 3),
        "due_rows": planned.due_rows,
        "requests": len(done.requests),
        "covered": planned.covered,
        "cooling": planned.cooling,
        "guarded": planned.guarded,
        "missing_keys": len(planned.add_keys),
        "expired_leases": done.expired_leases,
        "dead_runs": len(planned.dead),
        "expired_runs": done.expired_runs,
        "live_runs": len(snapshot.runs),
    }


def _totals(snapshot: Snapshot, done: Reconciled, seconds: float) -> dict[str, float]:
    """Everything that was ever decided, counted. Batches count once per reconciliation."""
    totals = Counter(snapshot.totals)
    totals.update(entry("emitted", request.lane.name) for request in done.requests)
    totals.update(
        {
            "reconciliations": 1,
            "guarded": done.plan.guarded,
            "deduplicated": done.plan.covered,
            "cooled": done.plan.cooling,
            # As the metrics name them: counters go on where they stood.
            "lapsed": done.expired_leases,
            "buried": done.expired_runs,
            "seconds": seconds,
        }
    )
    return dict(totals)
