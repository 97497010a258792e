"""The records of Truth: tenants, arrivals, image rows, evidence, events, policies, regrades.

Times are seconds since the epoch, UTC, as floats. Nothing here knows a database.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from parjanya_dagster.errors import InvalidPartition, InvalidTenant
from parjanya_dagster.truth.reviews import counts_as
from parjanya_dagster.truth.stages import Status

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")
_BATCH = re.compile(
    r"(?P<tenant>[a-z0-9][a-z0-9-]{1,62})/(?P<day>\d{4}-\d\d-\d\d)/(?P<number>\d{3,})"
)

EventKind = Literal[
    "registered",
    "completed",
    "sent_back",  # to an earlier stage, by a later one
    "retry",
    "failed",
    "lease_lapsed",  # the lease expired; histories that are recorded carry this name
    "released",
    "reset",
    "regrade",
    "pulled_back",  # it was due later than any wait
    "object_state",  # the object was replaced, deleted, or is there again
    "relocated",  # its bytes lie there as another version: copied, restored, or moved
    "reviewed",  # by a person
]

PRESENT, REPLACED, DELETED = "present", "replaced", "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A customer: where its uploads land, which policy decides them, what share of work it gets."""

    slug: str
    bucket: str  # where uploads land and results go
    prefix: str  # uploads land under this prefix of the bucket, "incoming/"
    policy: str  # pinned policy, "name@version"
    weight: float = 1.0  # share under contention, relative to other tenants
    status: str = "active"
    created_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """An object version that landed in a tenant's bucket."""

    tenant: str
    bucket: str
    key: str
    version: str  # version id, or ETag where the bucket has no versions
    size: int  # bytes
    landed_at: float  # when the object was last modified
    same_as: str | None = None
    """The image of this key that its bytes are, where that was found by reading them."""

    @property
    def image_id(self) -> str:
        return image_id(self.bucket, self.key, self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRow:
    """One image, and how far it is processed. The columns of the table `images`.

    Its id is that of the version it was registered under. The same bytes may lie there as another
    version later, which `version` then names.
    """

    image_id: str
    tenant: str
    bucket: str
    key: str
    version: str
    size: int
    batch: str  # its partition key
    landed_at: float  # when the object was last modified
    arrived_at: float  # when it was registered
    updated_at: float
    object_state: str = PRESENT  # present, replaced by a newer version, or deleted
    pipeline_status: str = Status.PENDING_VALIDATION
    attempts: int = 0  # of the pending stage; refunded by a retry, never by a crash
    retries: int = 0  # transient failures in a row of the pending stage
    retry_since: float | None = None  # when they began
    not_before: float = 0.0  # earliest next attempt
    due_at: float | None = None  # when it may be claimed: not_before or end of lease; None: never
    lease_owner: str | None = None
    lease_until: float | None = None
    fence: int = 0  # grows with each claim; a commit must name the current one
    suspect: bool = False  # was in flight in a crash: to be claimed alone
    preview_bucket: str | None = None
    preview_key: str | None = None
    thumbnail_key: str | None = None
    sha256: str | None = None
    phash: str | None = None
    evidence: Mapping[str, str] = field(default_factory=dict)  # stage -> fingerprint
    verdict: str | None = None  # accept, reject, review
    reasons: tuple[str, ...] = ()
    policy: str | None = None  # the version that decided
    failure_class: str | None = None
    failure_reason: str | None = None
    failed_stage: str | None = None
    target: str | None = None  # the policy that a regrade wants; None: the tenant's pin decides
    replaced_by: str | None = None  # the image that replaced it under its key
    person_verdict: str | None = None  # accept, reject: a person's, which stands
    person: str | None = None  # whose
    reviewed_at: float | None = None  # when that was decided
    reviewed_under: str | None = None  # the policy whose decision that person saw
    reviews: int = 0  # decisions of people so far: the fence of the next one
    lapsed: bool = False  # a person's verdict lapsed, so where none stands a person is asked

    @property
    def effective_verdict(self) -> str | None:
        """The verdict that counts. An image that failed has none."""
        if self.pipeline_status == Status.FAILED:
            return None
        return counts_as(self.verdict, self.person_verdict, self.lapsed)

    @property
    def decided_by(self) -> str | None:
        """Whose verdict counts: person, or policy. None: there is none."""
        if self.effective_verdict is None:
            return None
        return "person" if self.person_verdict else "policy"

    @property
    def waits_for_person(self) -> bool:
        """Whether a person is to decide it. Stores find such rows by an index of their own."""
        decided = self.pipeline_status == Status.CURATED and self.object_state == PRESENT
        return decided and self.effective_verdict == "review"

    @property
    def location(self) -> str:
        """The id of the version that lies there now."""
        return image_id(self.bucket, self.key, self.version)

    def in_flight(self, now: float) -> bool:
        return self.lease_owner is not None and (self.lease_until or 0.0) > now


@dataclass(frozen=True, slots=True)
class PresentKey:
    """What a row says of its bucket: under this key lies this version."""

    key: str
    location: str  # the id of that version
    image_id: str  # of the row
    settled: bool  # seeing that version again changes nothing; see `registration.settled`


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one stage found about one image. Never updated."""

    image_id: str
    stage: str
    fingerprint: str
    body: Mapping[str, Any]
    engine: str
    model: str
    revision: str
    determinism: str  # "exact", "numerical" or "sampled"
    run_id: str
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change of one row. It is written in the transaction of that change."""

    image_id: str
    tenant: str
    batch: str
    at: float
    kind: EventKind
    from_status: str | None
    to_status: str
    reason: str
    run_id: str
    policy: str | None
    fence: int
    changes: Mapping[str, Any]  # columns that changed, enough to rebuild the row


@dataclass(frozen=True, slots=True, kw_only=True)
class DueBatch:
    """Work that is due: rows of one batch that wait for one stage and may be claimed now."""

    batch: str
    tenant: str
    stage: str
    rows: int
    oldest: float  # the earliest due_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A policy version as it was published: immutable."""

    ref: str  # name@version
    hash: str  # sha256:… of its content
    document: Mapping[str, Any]  # {"text": the YAML as its author wrote it, "source": where}
    published_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Regrade:
    """A request to decide images of these tenants and days under this policy. It is durable."""

    replay_id: str
    policy: str  # ref
    tenants: tuple[str, ...]
    since: str  # the first day of their batches, YYYY-MM-DD; empty: from the beginning
    until: str  # the last day; empty: to the end
    started_at: float
    reset_at: float | None = None  # when its last row was sent to its boundary

    def covers(self, batch: str) -> bool:
        tenant, day, _ = parse_batch(batch)
        return (
            tenant in self.tenants and self.since <= day and (not self.until or day <= self.until)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Where a regrade sends a row. It is void once the row's fence or status has changed."""

    image_id: str
    fence: int
    status: str  # as it was read
    stage: str | None  # to go back to; None: the row waits already, and only its policy changes
    evidence: Mapping[str, str]  # stage -> fingerprint of recorded evidence to use instead


@dataclass(frozen=True, slots=True, kw_only=True)
class Mispinned:
    """Rows of a batch that were decided under another version than their tenant's pin."""

    batch: str
    tenant: str
    pin: str
    policy: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One decision in the history of an image."""

    at: float
    policy: str
    verdict: str
    reasons: tuple[str, ...]
    run_id: str

    @classmethod
    def of(cls, at: float, changes: Mapping[str, Any], run_id: str) -> Decided:
        """From the event of that decision: its columns that changed."""
        return cls(
            at=at,
            policy=changes.get("policy") or "",
            verdict=changes.get("verdict") or "",
            reasons=tuple(changes.get("reasons") or ()),
            run_id=run_id,
        )


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """When a loop last completed, and what it saw."""

    name: str
    at: float
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Registered:
    """What registering one arrival did."""

    image_id: str
    batch: str
    created: bool  # False: it was known


def image_id(bucket: str, key: str, version: str) -> str:
    """The identity of an object version: the same arrival always gets the same id."""
    name = "\0".join((bucket, key, version)).encode("utf-8", "surrogateescape")
    return hashlib.sha256(name).hexdigest()[:24]


def check_slug(slug: str) -> str:
    """Return the slug, or raise InvalidTenant with what is wrong with it."""
    if not _SLUG.fullmatch(slug):
        raise InvalidTenant(f"{slug!r} does not name a tenant. {InvalidTenant.__doc__}")
    return slug


def batch_key(tenant: str, day: str, number: int) -> str:
    return f"{tenant}/{day}/{number:03d}"


def is_day(text: str) -> bool:
    """Whether it is a day as partition keys have it: YYYY-MM-DD, and one of the calendar."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def parse_batch(key: str) -> tuple[str, str, int]:
    """Split a partition key into tenant, day and number. Raises InvalidPartition."""
    match = _BATCH.fullmatch(key)
    if match is None:
        raise InvalidPartition(f"{key!r} is no partition key. {InvalidPartition.__doc__}")
    return match["tenant"], match["day"], int(match["number"])
