"""One reconciliation: see everything, decide, bury the dead, and record that it was completed.

Level-triggered: it acts on what is, never on what woke it. It raises where anything cannot be
read; then nothing is emitted and the heartbeat goes stale, which is what an operator looks at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from parjanya_dagster.belief import blind_loops
from parjanya_dagster.belief.ledger import entry, fold
from parjanya_dagster.belief.snapshot import RunState, Snapshot
from parjanya_dagster.belief.tags import RECONCILER, RUN
from parjanya_dagster.errors import ParjanyaError
from parjanya_dagster.intent.plan import Limits, Plan, plan
from parjanya_dagster.lanes import Lane
from parjanya_dagster.truth.records import Reconciliation
from parjanya_dagster.truth.store import Store

log = structlog.get_logger(__name__)
MOST_BURIED = 20  # runs per reconciliation
MOST_LAPSED = 2000  # rows per reconciliation; the next one goes on


@dataclass(frozen=True, slots=True)
class Reconciled:
    """A completed reconciliation. The caller adds its keys and emits its requests."""

    plan: Plan
    generation: int
    lapsed: int  # rows freed from workers that are presumed dead
    buried: int  # runs marked as ended


def reconcile(
    store: Store,
    see: Callable[[float], Snapshot],
    bury: Callable[[str, str], bool],
    lanes: Sequence[Lane],
    limits: Limits,
    clock: Callable[[], float],
    budget: float = 30.0,
) -> Reconciled:
    """Compare Truth with what runs. `budget`: seconds after which burying waits for the next one.

    Raises TruthUnavailable or BeliefUnreadable.
    """
    started = clock()
    lapsed = store.expire_leases(started, MOST_LAPSED)
    with blind_loops.noted(store, RECONCILER, started):
        snapshot = see(started)
    # Never one that Dagster has seen, even where Truth was restored from a backup.
    generation = max(snapshot.generation + 1, int(started))
    decided = plan(snapshot, lanes, limits, generation)
    buried = 0
    for run in decided.dead[:MOST_BURIED]:
        if clock() - started > budget:
            break
        try:
            buried += bury(run.run_id, f"Parjanya: {run.reason}. Its rows go on in another run.")
        except Exception as error:  # the run counts for nothing already; the tick goes on
            log.warning("run_not_buried", run=run.run_id, error=str(error))
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
    store.note_reconciliation(
        Reconciliation(
            at=clock(),
            generation=generation,
            watching_since=snapshot.watching_since,
            totals=_totals(snapshot, decided, clock() - started, lapsed, buried),
            heard=_heard(snapshot),
        )
    )
    store.beat(
        RECONCILER,
        clock(),
        {
            "generation": generation,
            "seconds": round(clock() - started, 3),
            "due_rows": decided.due_rows,
            "requests": len(decided.requests),
            "covered": decided.covered,
            "cooling": decided.cooling,
            "guarded": decided.guarded,
            "missing_keys": len(decided.add_keys),
            "lapsed": lapsed,
            "dead_runs": len(decided.dead),
            "buried": buried,
            "live_runs": len(snapshot.runs),
        },
    )
    return Reconciled(decided, generation, lapsed, buried)


def _heard(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """The last signs of life of runs under way. Their heartbeats may be deleted meanwhile."""
    return {
        run.run_id: {
            "at": run.pulse.at,
            "stage": run.pulse.stage,
            "phase": str(run.pulse.phase),
            "progress_at": run.pulse.progress_at,
        }
        for run in snapshot.runs
        if run.pulse is not None and run.state in (RunState.STARTED, RunState.CANCELING)
    }


def _totals(
    snapshot: Snapshot, decided: Plan, seconds: float, lapsed: int, buried: int
) -> dict[str, float]:
    """Everything that was ever decided, counted. Batches count once per reconciliation."""
    totals = Counter(snapshot.totals)
    totals.update(entry("emitted", request.lane.name) for request in decided.requests)
    totals.update(
        {
            "reconciliations": 1,
            "guarded": decided.guarded,
            "deduplicated": decided.covered,
            "cooled": decided.cooling,
            "lapsed": lapsed,
            "buried": buried,
            "seconds": seconds,
        }
    )
    return dict(totals)
