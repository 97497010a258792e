"""The store contract: what every backend of Truth can do, and how it behaves.

One suite, `tests/contract`, runs against all of them. Every operation is idempotent, or fenced
so that doing it twice changes nothing. Times are seconds since the epoch; `now` is the caller's.
All methods raise TruthUnavailable when the backend does not answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from parjanya_dagster.truth.models import (
    Arrival,
    Decided,
    DueBatch,
    Event,
    Evidence,
    Heartbeat,
    ImageRow,
    Mispinned,
    Move,
    Published,
    Registered,
    Regrade,
    Tenant,
)
from parjanya_dagster.truth.outcomes import Claim, Committed, Outcome
from parjanya_dagster.truth.uploads import Token, UploadRow

CROWD = 64
"""Of each key of likeness only so many images are looked at, the earliest. Else a tenant with ten
thousand pages that look alike would have each compared with each."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Where the images of one tenant are. Rows of objects that left their bucket apart."""

    tenant: str
    by_status: Mapping[str, int]  # pipeline_status -> rows whose object is present
    by_verdict: Mapping[str, int]  # accept, reject, review -> curated rows
    by_failure: Mapping[str, int]  # failure class -> failed rows
    in_flight: int  # rows under a lease, live or lapsed; also counted under their status
    registered: int  # rows ever registered, by the batches' own count
    departed: int  # rows whose object was replaced or deleted

    @property
    def rows(self) -> int:
        return sum(self.by_status.values())


class Store(Protocol):
    """Truth."""

    def put_tenant(self, tenant: Tenant) -> Tenant:
        """Register a tenant. Returns the recorded one: an existing tenant is left as it is."""

    def tenant(self, slug: str) -> Tenant | None: ...

    def tenants(self) -> list[Tenant]: ...

    def pin(self, slug: str, policy: str) -> None:
        """Pin a tenant to a policy version. Raises UnknownTenant."""

    def publish(self, policy: Published) -> Published:
        """Publish a policy version. Returns the recorded one: publishing again changes nothing.

        Raises PolicyConflict where the version is published with another hash.
        """

    def policy(self, ref: str) -> Published | None: ...

    def policies(self) -> list[Published]:
        """Every published policy version, in the order of refs."""

    def register(self, arrivals: Sequence[Arrival], now: float) -> list[Registered]:
        """Make rows of arrivals, in the open batch of their tenant. A known arrival is left alone.

        Of each key the version that landed last is present; it replaces the others. An object
        that comes back after it was deleted or replaced is present again, and its row goes on.
        One result per distinct arrival, in no order. Raises UnknownTenant.
        """

    def depart(self, image_ids: Sequence[str], now: float, reason: str) -> int:
        """Record that objects were deleted from their bucket. Returns how many rows changed."""

    def known(self, image_ids: Iterable[str]) -> set[str]:
        """Which of these are rows whose object was there. The others are worth registering."""

    def get(self, image_id: str) -> ImageRow | None: ...

    def find(self, key: str, tenant: str | None = None) -> list[ImageRow]:
        """Rows whose key is `key`, newest first."""

    def rows(self, batches: Sequence[str], after: str = "", limit: int = 1000) -> list[ImageRow]:
        """A page of the rows of these batches in the order of their ids, after an id."""

    def present(self, tenant: str, after: str = "", limit: int = 1000) -> list[ImageRow]:
        """A page of a tenant's rows whose object is in its bucket, in the order of ids."""

    def batches(self, tenant: str | None = None) -> list[str]:
        """All partition keys, oldest first."""

    def stale_manifests(self) -> dict[str, int]:
        """Batches whose decided rows changed since their manifest was written.

        The number counts the changes. Read it before the rows, and hand it to `manifest_written`.
        """

    def manifest_written(self, batch: str, decided: int) -> None:
        """The manifest of a batch shows all changes up to that count."""

    def due(self, now: float, stages: Sequence[str] | None = None) -> list[DueBatch]:
        """Work that could be claimed now, by batch and stage, longest due first.

        Costs what is due, not what was. Without `stages`: of all stages.
        """

    def claim(
        self, stage: str, batches: Sequence[str], limit: int, owner: str, lease: float, now: float
    ) -> list[Claim]:
        """Take up to `limit` due rows for a stage under a lease of `lease` seconds.

        They come from one batch after the other, and of each the longest due first. A row that
        was in flight in a crash is claimed alone: nothing else comes with it, and whoever holds
        it should work on nothing beside it.
        """

    def extend(self, claims: Sequence[Claim], lease: float, now: float) -> frozenset[str]:
        """Prolong leases. Returns the ids that are still ours."""

    def commit(
        self, outcomes: Sequence[tuple[Claim, Outcome]], now: float, run_id: str
    ) -> Committed:
        """Apply outcomes whose fence still matches; the others change nothing and are named.

        Raises InvalidTransition for outcomes that no worker may report.
        """

    def leases(self, now: float) -> dict[str, float]:
        """Live leases: owner -> the end of its last one."""

    def release(self, claims: Sequence[Claim], now: float, reason: str, run_id: str) -> int:
        """Hand rows back untouched, attempts refunded."""

    def lapse(self, now: float, limit: int = 500) -> int:
        """Free rows whose lease ran out; fail those that spent their attempts. Returns how many."""

    def reset(
        self,
        batches: Sequence[str],
        stage: str,
        now: float,
        reason: str,
        replay_id: str,
        run_id: str = "",
        policy: str | None = None,
    ) -> int:
        """Send the rows of batches back to a stage, once per replay id and batch.

        Of several that ask for the same at once each counts the rows that it sent itself.

        `policy`: the version they shall be decided under, where it is not their tenant's pin.
        """

    def reset_images(
        self,
        image_ids: Sequence[str],
        stage: str,
        now: float,
        reason: str,
        run_id: str = "",
        failed_only: bool = False,
    ) -> int:
        """Send single rows back to a stage. Rows that never reached it are left alone.

        With `failed_only`, so are rows that are not failed (any more) when it is written.
        """

    def begin_regrade(self, regrade: Regrade) -> Regrade:
        """Record a regrade and pin its tenants, in one transaction. Returns the recorded one.

        One that is recorded already is left as it is. Raises UnknownTenant.
        """

    def regrade(self, replay_id: str) -> Regrade | None: ...

    def regrades(self, limit: int = 20) -> list[Regrade]:
        """The last regrades, the newest first."""

    def open_regrades(self) -> list[Regrade]:
        """Regrades whose rows have not all been sent to their boundary, the oldest first."""

    def regrade_rows(
        self, replay_id: str, policy: str, moves: Sequence[Move], now: float, reason: str
    ) -> frozenset[str]:
        """Send rows to their replay boundary. Returns the ids of those that had changed meanwhile.

        A row that is not as the move says is left alone: read it again.
        """

    def note_replayed(self, replay_id: str, batch: str, rows: int, now: float) -> None:
        """The rows of a batch are at their boundary."""

    def replayed(self, replay_id: str) -> dict[str, int]:
        """The batches of a regrade whose rows are at their boundary, and how many were sent."""

    def end_reset(self, replay_id: str, now: float) -> None:
        """All rows of a regrade are at their boundary."""

    def regrading(self) -> dict[str, int]:
        """Rows that a regrade has sent back and that are not decided again, by batch."""

    def decided_under(
        self, image_ids: Sequence[str], policy_hash: str
    ) -> dict[str, Mapping[str, Any]]:
        """The last recorded decision (the body) of images under one policy, by image id."""

    def decisions(self, image_ids: Sequence[str]) -> dict[str, list[Decided]]:
        """Every decision that was ever made on images, oldest first."""

    def mispinned(self) -> list[Mispinned]:
        """Decided rows whose policy is not their tenant's pin, counted by batch and policy."""

    def twins(
        self, tenant: str, sha256: Iterable[str], limit: int | None = None
    ) -> dict[str, list[ImageRow]]:
        """Present rows of a tenant by the hash of their bytes, earliest arrival first.

        With a limit, at most so many of each hash.
        """

    def twin_ids(
        self, tenant: str, sha256: Iterable[str], limit: int | None = None
    ) -> dict[str, list[str]]:
        """The ids of `twins`. Nearly every image is its own only twin: its row is not read."""

    def alike(
        self, tenant: str, wanted: Mapping[str, Mapping[str, int]], distance: int
    ) -> dict[str, list[tuple[ImageRow, int]]]:
        """Present rows of a tenant that share a key of likeness, earliest arrival first.

        `wanted` maps image ids to keys and hashes, as `Completed.likeness` has them. Each row
        found comes with how many bits of its hash differ, at most `distance`. Of the images
        filed under one key only the earliest few dozen are looked at, so a key that is crowded
        costs no more than another.
        """

    def evidence(
        self, rows: Sequence[ImageRow], stages: Collection[str] | None = None
    ) -> dict[str, dict[str, Evidence]]:
        """The current evidence of rows: image id -> stage -> evidence.

        With `stages`, of these alone: nothing else is read.
        """

    def all_evidence(self, image_id: str) -> list[Evidence]:
        """Everything ever found about an image, oldest first."""

    def history(self, image_id: str) -> list[Event]:
        """The events of an image, oldest first."""

    def counts(self, tenant: str | None = None) -> list[Counts]: ...

    def failed(
        self, tenant: str, failure_class: str, after: str = "", limit: int = 1000
    ) -> list[ImageRow]:
        """A page of a tenant's failed rows of one class, in the order of ids, after an id.

        Rows of objects that left their bucket are left out. `counts` names the classes.
        """

    def troubled(self, before: float, limit: int = 200) -> list[ImageRow]:
        """Undecided rows that were retried or crashed, and last changed before that time.

        The longest unchanged first. Costs what is in trouble, not what is pending.
        """

    def add_uploads(self, promised: Sequence[UploadRow]) -> None:
        """Record promised uploads. One that is recorded already is left as it is."""

    def upload(self, upload_id: str) -> UploadRow | None: ...

    def uploads_due(self, now: float, limit: int = 200) -> list[UploadRow]:
        """Pending uploads to be looked after by now, the longest due first.

        Costs what is due: an upload that is settled has no `due_at`.
        """

    def upload_arrived(self, upload_id: str, image_id: str, now: float) -> bool:
        """The promised object is an image row. False: that was known. An expired one may arrive."""

    def upload_expired(self, upload_id: str, reason: str, now: float) -> bool:
        """A pending upload will not come any more. False: it was settled, and stays as it is."""

    def add_token(self, token: Token) -> None:
        """Record who may upload for a tenant. Raises UnknownTenant."""

    def token(self, token_id: str) -> Token | None: ...

    def tokens(self, tenant: str) -> list[Token]:
        """A tenant's tokens, revoked ones too, the oldest first."""

    def revoke_token(self, tenant: str, token_id: str, now: float) -> bool:
        """False where the tenant has no such token, or it was revoked before."""

    def ahead(self) -> float | None:
        """Seconds by which the server's clock is ahead of ours. None: it has no clock of its own.

        Clocks are compared for real here: the only method that reads ours.
        """

    def beat(self, name: str, now: float, payload: Mapping[str, Any]) -> None:
        """Record that a loop completed."""

    def heartbeats(self, family: str = "") -> dict[str, Heartbeat]:
        """The last beats of the loops; with a family, those whose name is `family:…`."""

    def forget(self, names: Sequence[str]) -> None:
        """Drop the heartbeats of what has ended."""

    def close(self) -> None: ...
