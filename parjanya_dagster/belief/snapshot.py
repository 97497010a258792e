"""One snapshot of what is due in Truth and what is believed to run. Imports no Dagster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from parjanya_dagster.truth.models import DueBatch


class RunState(StrEnum):
    """How far a run is, as the reconciler tells states apart."""

    CREATED = "created"  # recorded, not handed to the queue
    QUEUED = "queued"
    STARTING = "starting"  # launched: waiting for a node, a pod, a process
    STARTED = "started"  # its process runs: importing, loading models, working, finishing
    CANCELING = "canceling"


class Phase(StrEnum):
    """What the process of a run says that it is doing."""

    WORKING = "working"  # loading models, claiming, working, committing
    FINISHING = "finishing"  # no more claims in this stage: manifests and metadata
    LEFT = "left"  # between two stages, or at the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """The last sign of life from the process of a run."""

    at: float
    stage: str  # the stage it is at
    phase: Phase
    progress_at: float  # when an outcome was last known, or a phase entered


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRun:
    """A run that Dagster believes has not ended."""

    run_id: str
    job: str
    state: RunState
    keys: tuple[str, ...]  # partition keys it covers
    stages: tuple[str, ...]  # stages it was asked for, in order; none: not a run of ours
    since: float  # when it entered its state
    requested: bool  # the reconciler asked for it
    lease_until: float | None = None  # the last lease it holds on a row
    pulse: Pulse | None = None
    regrade: bool = False  # it decides history again, in a share of its own
    light: bool = False  # it has little to do, in a share of its own

    @property
    def ahead(self) -> tuple[str, ...]:
        """Stages that the run still has before it."""
        if self.pulse is None or self.pulse.stage not in self.stages:
            return self.stages
        at = self.stages.index(self.pulse.stage)
        return self.stages[at if self.pulse.phase is Phase.WORKING else at + 1 :]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRun:
    """A run that failed not long ago."""

    run_id: str
    job: str
    keys: tuple[str, ...]
    at: float
    held_rows: bool = False  # when it died: these rows pay for its death with an attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRun:
    """A run that succeeded a moment ago."""

    run_id: str
    job: str
    keys: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True)
class Unfit:
    """A stage whose engine failed its last preflight."""

    at: float  # of the last one
    times: int  # in a row


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What Dagster knows, read completely."""

    keys: tuple[str, ...]  # partition keys, in its order
    runs: tuple[LiveRun, ...]
    failed: tuple[FailedRun, ...]
    succeeded: tuple[EndedRun, ...] = ()  # of the last ten minutes


class Belief(Protocol):
    """Where runs live. Both methods raise BeliefUnreadable rather than answer with less."""

    def read(self, now: float) -> Seen: ...

    def expire(self, run_id: str, reason: str) -> bool:
        """Record that a run has ended, if it has not ended meanwhile. Returns whether it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorSeen:
    """A sensor, as Dagster's tick history shows it."""

    name: str
    running: bool
    failures: int  # failed ticks in a row, up to now
    failing_since: float | None
    error: str  # of the last failed tick, its first line
    ticked_at: float | None = None  # when the last tick began
    ticking: bool = False  # and it has not ended yet
    unreachable: bool = False  # the last tick found no code location


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Truth, Intent and Execution at one moment.

    A snapshot is always complete: if a part cannot be read, reading raises.
    """

    now: float
    due: tuple[DueBatch, ...]
    keys: tuple[str, ...]  # Dagster's partition keys, in its order
    runs: tuple[LiveRun, ...]
    failed: tuple[FailedRun, ...]
    weights: Mapping[str, float]  # tenant -> weight
    stale_manifests: tuple[str, ...] = ()  # batches
    watching_since: float = 0.0  # since when reconciliations complete without a gap
    generation: int = 0  # of the last completed reconciliation
    compared_at: float | None = None  # when that was
    seconds_per_row: Mapping[str, float] = field(default_factory=dict)  # stage -> measured
    succeeded: tuple[EndedRun, ...] = ()
    pulses: frozenset[str] = frozenset()  # run ids that ever gave a sign and are not forgotten
    regrading: Mapping[str, int] = field(default_factory=dict)  # batch -> rows a regrade sent back
    totals: Mapping[str, float] = field(default_factory=dict)  # counted by the reconciler so far
    held: frozenset[str] = frozenset()  # batches for which a backfill makes the runs
    unfit: Mapping[str, Unfit] = field(default_factory=dict)  # stage -> its failing preflight
    blind: frozenset[str] = frozenset()  # what was noted that cannot be read or written
