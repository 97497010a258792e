"""Liveness: whether a run still counts as intent. Each part of its life has its own deadline.

A run that waits in a queue is not dead. Waiting for a node may take long. A process that runs
sends heartbeats by itself, also while it loads models, so a slow start is not taken for death.
"""

from __future__ import annotations

from dataclasses import dataclass

from parjanya_dagster.belief.snapshot import LiveRun, Phase, RunState

AHEAD = 3600.0  # seconds by which a clock may be ahead and still be believed


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds that a run may spend without a sign, by the part of its life."""

    created: float = 120.0  # recorded, and not yet in the queue
    launch: float = 900.0  # launched, and its process has not begun: a node, an image, a pod
    start: float = 300.0  # its process runs, and has not reached the first stage, or the next
    silence: float = 120.0  # at a stage, and its signs of life have stopped
    stall: float = 1800.0  # gives signs, but no outcome: a hung model or decoder
    cancel: float = 120.0  # asked to stop


@dataclass(frozen=True, slots=True)
class DeadRun:
    """A run whose process is gone, though Dagster believes that it lives."""

    run_id: str
    reason: str


def why_dead(run: LiveRun, now: float, watching_since: float, allowed: Deadlines) -> str | None:
    """Why a run is taken for dead; None: it lives, as far as can be known.

    `watching_since`: nothing before it counts as silence, since nobody was listening.
    """

    def quiet(sign: float) -> float:
        # A sign from far ahead was written by a wrong clock, and would count as life for ever.
        heard = sign if sign <= now + AHEAD else 0.0
        return now - max(heard, watching_since)

    if run.state is RunState.QUEUED:
        return None
    if run.state is RunState.CREATED:
        return _over(quiet(run.since), allowed.created, "created and never queued")
    if run.state is RunState.STARTING:
        return _over(quiet(run.since), allowed.launch, "launched and never started")
    pulse = run.pulse
    if pulse is not None and pulse.progress_at <= now + AHEAD:
        stalled = quiet(pulse.progress_at)
        if stalled > allowed.stall + allowed.silence:
            return f"no outcome for {stalled:.0f} s in {pulse.stage}, though its process lives"
    if run.lease_until is not None and run.lease_until > now:
        return None
    if run.state is RunState.CANCELING:
        heard = max(run.since, pulse.at if pulse else 0.0)
        return _over(quiet(heard), allowed.cancel, "asked to stop, and silent")
    if pulse is None:
        return _over(quiet(run.since), allowed.start, "started and never reached a stage")
    if pulse.phase is Phase.LEFT:
        return _over(quiet(pulse.at), allowed.start, f"left {pulse.stage} and reached no other")
    return _over(quiet(pulse.at), allowed.silence, f"no sign of life from {pulse.stage}")


def _over(seconds: float, allowed: float, what: str) -> str | None:
    return f"{what} for {seconds:.0f} s, with no lease on any row" if seconds > allowed else None
