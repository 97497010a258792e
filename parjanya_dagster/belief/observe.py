"""observe(): read Truth and Belief into one snapshot, or raise. "Unknown" is never "empty"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from parjanya_dagster.belief.snapshot import Belief, Phase, Pulse, Snapshot, Unfit
from parjanya_dagster.belief.tags import PACE, PREFLIGHT, RECONCILER, REGRADE, RUN
from parjanya_dagster.truth.models import Heartbeat
from parjanya_dagster.truth.store import Store


def observe(store: Store, belief: Belief, now: float, gap: float = 60.0) -> Snapshot:
    """Read everything the reconciler decides by.

    `gap`: seconds between two reconciliations after which nothing is known of the time between.
    Raises TruthUnavailable or BeliefUnreadable where any part cannot be read.
    """
    # Truth before Belief: work that finishes in between is seen as covered, not as due twice.
    due = tuple(store.due(now))
    stale = tuple(store.stale_manifests())
    regrading = store.regrading()
    held = _held(store, regrading, now)
    leases = store.leases(now)
    weights = {tenant.slug: tenant.weight for tenant in store.tenants()}
    pulses = {name.partition(":")[2]: beat for name, beat in store.heartbeats(RUN).items()}
    paces = store.heartbeats(PACE).values()
    unfit = {
        name.partition(":")[2]: Unfit(beat.at, int(beat.payload.get("times", 1)))
        for name, beat in store.heartbeats(PREFLIGHT).items()
        if not beat.payload.get("ok")
    }
    last = store.heartbeats().get(RECONCILER)
    seen = belief.read(now)
    return Snapshot(
        now=now,
        due=due,
        keys=seen.keys,
        runs=tuple(
            replace(run, lease_until=leases.get(run.run_id), pulse=_pulse(pulses.get(run.run_id)))
            for run in seen.runs
        ),
        failed=seen.failed,
        weights=weights,
        stale_manifests=stale,
        watching_since=_watching_since(last, now, gap),
        generation=int(last.payload.get("generation", 0)) if last else 0,
        seconds_per_row={
            beat.name.partition(":")[2]: float(beat.payload["seconds_per_row"]) for beat in paces
        },
        regrading=regrading,
        held=held,
        succeeded=seen.succeeded,
        pulses=frozenset(pulses),
        totals=last.payload.get("totals", {}) if last else {},
        unfit=unfit,
    )


def _pulse(beat: Heartbeat | None) -> Pulse | None:
    if beat is None:
        return None
    said: Mapping[str, object] = beat.payload
    return Pulse(
        at=beat.at,
        stage=str(said.get("stage", "")),
        phase=Phase(str(said.get("phase", Phase.WORKING))),
        progress_at=float(said.get("progress_at", beat.at)),  # type: ignore[arg-type]
    )


def _held(store: Store, regrading: Mapping[str, int], now: float) -> frozenset[str]:
    """Batches that Dagster's backfill daemon is about to make runs for."""
    if not regrading:
        return frozenset()
    holding = {
        name.partition(":")[2]
        for name, beat in store.heartbeats(REGRADE).items()
        if float(beat.payload.get("hold_until", 0.0)) > now
    }
    asked = [one for one in store.regrades() if one.replay_id in holding]
    return frozenset(batch for batch in regrading if any(one.covers(batch) for one in asked))


def _watching_since(last: Heartbeat | None, now: float, gap: float) -> float:
    """While nobody reconciled, Truth may have been away too: silence then proves no death."""
    if last is None or not 0.0 <= now - last.at <= gap:
        return now
    return float(last.payload.get("watching_since", now))
