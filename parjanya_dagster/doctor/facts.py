"""The facts that the doctor judges. Plain data: `examine` reads it, `diagnose` judges it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from parjanya_dagster.belief.drift import Drift
from parjanya_dagster.belief.snapshot import SensorSeen, Snapshot
from parjanya_dagster.doctor.launch_obstacles import Obstacle
from parjanya_dagster.queues.messages import QueueState
from parjanya_dagster.truth.models import Heartbeat, ImageRow
from parjanya_dagster.truth.records import DeadLetters, DepartureHold, GroupNote, PreflightVerdict
from parjanya_dagster.truth.store import Counts


@dataclass(frozen=True, slots=True)
class Troubled:
    """A row that was retried or crashed, with the reason of its last retry."""

    row: ImageRow
    reason: str


@dataclass(frozen=True, slots=True)
class Missing:
    """An object or preview that is not where its row says."""

    row: ImageRow
    what: str  # "object" or "preview"
    found_in: str | None  # the bucket that has the key


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketSeen:
    """The objects in one tenant's bucket, compared with its rows."""

    tenant: str
    bucket: str
    objects: int  # looked at
    unregistered: int  # complete for a while, and without a row
    oldest: float | None  # since when
    example: str
    absent: int = 0  # rows that say present, and whose object is not in a complete listing
    absent_example: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignBucket:
    """What lies at the place of a tenant's bucket, and is not that bucket."""

    tenant: str
    bucket: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusablePolicy:
    """A policy that cannot be read, and who waits for it."""

    policy: str
    reason: str
    tenant: str
    regrade: str = ""  # the open regrade to it; empty: the tenant is pinned to it


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadsLeft:
    """Promised uploads of a tenant whose time is long over, and that nobody could look for."""

    tenant: str
    uploads: int
    since: float


@dataclass(frozen=True, slots=True)
class QueueSeen:
    """A queue that the settings name."""

    role: str  # "arrivals", "dead letters", or its lane
    name: str
    state: QueueState | None  # None: there is no such queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that could be read. The rest is empty here, and named in `unread`."""

    now: float
    snapshot: Snapshot | None = None
    counts: tuple[Counts, ...] = ()
    loops: Mapping[str, Heartbeat] | None = None
    totals: Mapping[str, float] = field(default_factory=dict)  # of all reconciliations
    sensors: tuple[SensorSeen, ...] = ()
    daemon: float | None = None  # when Dagster's daemon last gave a sign of life
    ahead: float | None = None  # seconds by which Truth's clock is ahead of ours
    stranded: Mapping[str, int] = field(default_factory=dict)  # tenant -> rows nobody can claim
    troubled: tuple[Troubled, ...] = ()
    ours: tuple[ImageRow, ...] = ()  # failed lately, and not by the image's own fault
    missing: tuple[Missing, ...] = ()
    late: tuple[ImageRow, ...] = ()  # due later than any wait there is
    unfit: tuple[ImageRow, ...] = ()  # of a sample: decided from what their policy did not ask
    places_checked: int = 0  # objects and previews that were looked for
    buckets: tuple[BucketSeen, ...] = ()
    foreign: tuple[ForeignBucket, ...] = ()
    held_departures: tuple[DepartureHold, ...] = ()
    policies: tuple[UnusablePolicy, ...] = ()
    uploads: tuple[UploadsLeft, ...] = ()
    drifts: tuple[Drift, ...] = ()  # lanes that run something else than was declared
    blind: Mapping[str, Heartbeat] = field(default_factory=dict)  # what loops cannot see
    queues: tuple[QueueSeen, ...] = ()
    dead_letters: tuple[DeadLetters, ...] = ()  # what nobody could use, by where it came from
    groups: Mapping[str, GroupNote] = field(default_factory=dict)  # by lane, what was asked of it
    obstacles: tuple[Obstacle, ...] = ()  # what keeps pods or tasks of runs from running
    preflights: Mapping[str, PreflightVerdict] = field(default_factory=dict)  # the last, by stage
    unread: Mapping[str, str] = field(default_factory=dict)  # what could not be read -> why
