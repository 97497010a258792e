"""What the platform must not forget about its own work, beside images: records that decide.

Heartbeats are Belief: all of them may be deleted, and nothing here changes. A record is Truth:
what somebody declared, what was counted, sent, held, measured or found, and what the reconciler
knew when it last completed. Each kind has one record per key, and the last writing stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What the runs of a lane should be."""

    lane: str
    identity: Mapping[str, str]  # part -> version; a part that is not named is not compared
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Identified:
    """What runs of a lane really were: one record per lane and identity."""

    lane: str
    digest: str  # of the identity
    identity: Mapping[str, str]
    run_id: str  # the last run that was this
    at: float  # when that run began


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBook:
    """What one run has counted so far, from one stage on. Only its own process writes it."""

    run_id: str
    stage: str  # at which it was begun
    accounts: Mapping[str, Mapping[str, float]]  # account -> what was counted -> amount
    closed: bool  # nothing more will be counted in it
    at: float

    @property
    def name(self) -> str:
        return f"{self.run_id}/{self.stage}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Everything that ended runs counted for one account: a tenant, or a job."""

    account: str
    amounts: Mapping[str, float]
    folded: tuple[str, ...]  # names of the last books it has taken in
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """A message in a lane's queue that is not done."""

    message_id: str
    lane: str
    stages: tuple[str, ...]
    batches: tuple[str, ...]
    regrade: bool
    sent_at: float
    taken_at: float | None = None  # a worker has it since then; None: it waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that holds rows under long leases, and says by this one record that it lives."""

    owner: str  # of the leases
    until: float  # it is taken for dead then, unless it says again that it lives
    hand: tuple[str, ...]  # rows that it works on (`holders.named`); what else it holds, it keeps


@dataclass(frozen=True, slots=True, kw_only=True)
class RegradeHold:
    """Who looks after a regrade.

    Somebody did at `attended_at`. A backfill may do so until `hold_until`.
    """

    replay_id: str
    attended_at: float
    hold_until: float  # until then a backfill makes its runs; 0: the reconciler does


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What the reconciler knew when it last completed. There is one."""

    at: float
    generation: int
    watching_since: float  # since when reconciliations complete without a gap
    totals: Mapping[str, float]  # everything it ever decided, counted
    heard: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The last sign of life that it heard of each run under way.

    Of a run that failed lately: that it held rows, where it did.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightVerdict:
    """The last preflight of a stage's engine."""

    stage: str
    ok: bool
    engine: str
    problem: str
    identity: Mapping[str, str]
    run_id: str
    host: str
    at: float
    since: float | None = None  # of the first in a row that failed
    times: int = 0  # that it failed in a row


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePace:
    """How long a row takes at a stage, by what was measured lately."""

    stage: str
    seconds_per_row: float
    rows: int  # of the last measurement
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupNote:
    """What was asked of a lane's Auto Scaling group, and what came of it."""

    lane: str
    group: str
    desired: int
    in_service: int
    nothing_since: float | None  # instances were asked for, and there is none
    said: str  # by the group, of what went wrong
    quiet_since: float  # nothing was due, and nothing under way
    rows: int  # due when it was last looked at
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBucket:
    """Which bucket holds a tenant's images, by what the bucket says of itself."""

    bucket: str
    identity: str  # see `objects.store.Objects.identity`
    adopted_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DepartureHold:
    """So many images of a tenant are missing at once that their departure is not believed yet."""

    tenant: str
    missing: int  # images that a sweep did not find
    present: int  # images that Truth said were there
    since: float
    confirmed_at: float | None  # when a person said that they were deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketSweep:
    """How far a tenant's bucket is compared with Truth, where that takes many sweeps."""

    tenant: str
    after: str  # every key up to this one was compared, in the bucket and in Truth
    began: float
    at: float
    departures: bool  # whether it looks for what is gone
    present: int  # rows that were seen
    missing: int  # of these, whose object was not seen
    first_missing: tuple[str, ...]  # ids of the first of them
    rest_after: str | None  # behind this key are those of which no id is kept; None: there are none
    hidden: tuple[str, ...]  # what keys begin with that could not be listed


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetters:
    """Messages of one source that nobody could use. The queue that has them forgets them."""

    source: str  # the bucket that they tell of, or which messages they are
    messages: int
    reason: str  # why the last of them is one
    example: str  # the last of them, as far as it is text and short
    first_at: float
    last_at: float
