"""observe(): read Truth and Belief into one snapshot, or raise. "Unknown" is never "empty"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from parjanya_dagster.belief import manifest_pauses, refusing
from parjanya_dagster.belief.snapshot import (
    Belief,
    LiveRun,
    Phase,
    Pulse,
    RunState,
    Snapshot,
    Unfit,
)
from parjanya_dagster.belief.tags import BLIND, MANIFEST, RUN
from parjanya_dagster.truth.holders import by_run
from parjanya_dagster.truth.models import DueBatch, Heartbeat, parse_batch
from parjanya_dagster.truth.records import Reconciliation
from parjanya_dagster.truth.store import Store

MOST_HELD = 3600.0  # seconds; a hold that ends later was written by a clock that was ahead


def observe(
    store: Store,
    belief: Belief,
    now: float,
    gap: float = 60.0,
    due: Sequence[DueBatch] | None = None,
) -> Snapshot:
    """Read everything that the reconciler decides by.

    `gap`: if two reconciliations are further apart than this many seconds, nothing is known of the
    time between. `due`: what was just seen to be due; None: it is read too.

    Raises TruthUnavailable or BeliefUnreadable if any part cannot be read.
    """
    # Truth before Belief: work that finishes in between is seen as covered, not as due twice.
    due = tuple(store.due(now) if due is None else due)
    blind = store.heartbeats(BLIND)
    refused = refusing.waiting(blind, now)
    paused = manifest_pauses.waiting(store.heartbeats(MANIFEST), now)
    stale = tuple(
        batch
        for batch in store.stale_manifests()
        if parse_batch(batch)[0] not in refused and batch not in paused
    )
    regrading = store.regrading()
    held = _held(store, regrading, now)
    leases = by_run(store.leases(now))
    weights = {tenant.slug: tenant.weight for tenant in store.tenants()}
    pulses = {name.partition(":")[2]: beat for name, beat in store.heartbeats(RUN).items()}
    paces = {stage: pace.seconds_per_row for stage, pace in store.paces().items()}
    unfit = {
        stage: Unfit(verdict.at, max(verdict.times, 1))
        for stage, verdict in store.preflights().items()
        if not verdict.ok
    }
    last = store.reconciliation()
    heard = last.heard if last else {}
    seen = belief.read(now)
    if any(one.run_id in leases and not _held_rows(heard.get(one.run_id)) for one in seen.failed):
        # It may have handed its rows back as it failed, after the leases were read.
        leases = by_run(store.leases(now, anew=True))
    return Snapshot(
        now=now,
        due=due,
        keys=seen.keys,
        runs=tuple(
            replace(
                run,
                lease_until=leases.get(run.run_id),
                pulse=_pulse(run, pulses.get(run.run_id), heard.get(run.run_id)),
            )
            for run in seen.runs
        ),
        failed=tuple(
            replace(run, held_rows=run.run_id in leases or _held_rows(heard.get(run.run_id)))
            for run in seen.failed
        ),
        weights=weights,
        stale_manifests=stale,
        watching_since=_watching_since(last, now, gap),
        generation=last.generation if last else 0,
        compared_at=last.at if last else None,
        seconds_per_row=paces,
        regrading=regrading,
        held=held,
        succeeded=seen.succeeded,
        pulses=frozenset(pulses),
        totals=last.totals if last else {},
        unfit=unfit,
        blind=frozenset(name.partition(":")[2] for name in blind),
    )


def _pulse(run: LiveRun, beat: Heartbeat | None, heard: Mapping[str, Any] | None) -> Pulse | None:
    """The last sign of life of a run: its heartbeat, or the last one that was remembered.

    A remembered one from before the run entered its state came from another worker.
    """
    if beat is not None:
        return _understood(beat.at, beat.payload)
    under_way = run.state in (RunState.STARTED, RunState.CANCELING)
    if heard is None or not under_way or float(heard["at"]) < run.since:
        return None
    return _understood(float(heard["at"]), heard)


def _held_rows(heard: Mapping[str, Any] | None) -> bool:
    """Whether a failed run is remembered to have held rows: its leases run out soon after."""
    return heard is not None and bool(heard.get("held_rows"))


def _understood(at: float, payload: Mapping[str, Any]) -> Pulse:
    return Pulse(
        at=at,
        stage=str(payload.get("stage", "")),
        phase=Phase(str(payload.get("phase", Phase.WORKING))),
        progress_at=float(payload.get("progress_at", at)),
    )


def _held(store: Store, regrading: Mapping[str, int], now: float) -> frozenset[str]:
    """Batches that Dagster's backfill daemon is about to make runs for."""
    if not regrading:
        return frozenset()
    holding = {
        hold.replay_id for hold in store.holds().values() if 0 < hold.hold_until - now <= MOST_HELD
    }
    asked = [regrade for regrade in store.regrades() if regrade.replay_id in holding]
    return frozenset(
        batch for batch in regrading if any(regrade.covers(batch) for regrade in asked)
    )


def _watching_since(last: Reconciliation | None, now: float, gap: float) -> float:
    """Since when reconciliations complete without a gap.

    In a gap Truth may have been away too, so a silent run is not proved dead.
    """
    if last is None or not 0.0 <= now - last.at <= gap:
        return now
    return last.watching_since
