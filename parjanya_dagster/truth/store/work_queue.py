"""The work queue: rows that wait for a stage, leases on them, and outcomes of the work."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from parjanya_dagster.truth.models import DueBatch, ImageRow
from parjanya_dagster.truth.outcomes import Claim, Committed, Outcome
from parjanya_dagster.truth.requests import ClaimRequest, Reset


class WorkQueue(Protocol):
    """Claims under a lease, and the outcomes that a fence lets in."""

    def due(
        self,
        now: float,
        stages: Sequence[str] | None = None,
        *,
        exact: bool = False,
        batches: Collection[str] | None = None,
    ) -> list[DueBatch]:
        """Work that may be claimed now, by batch and stage. The longest due come first.

        The cost grows with what is due, not with the history. Without `stages`: of all stages.
        `batches`: of these alone, which costs less. None: of all.
        Of a batch with many due rows a store may say about how many, unless `exact`. It names
        every batch, and since when its first row is due.
        """

    def due_rows(
        self, batches: Sequence[str], stages: Sequence[str], now: float, limit: int
    ) -> list[ImageRow]:
        """Up to `limit` rows of these batches that may be claimed now, for any of these stages.

        Of each batch the longest due come first. The cost grows with `limit`, not with the rows
        of the batches.
        """

    def claim(self, request: ClaimRequest, now: float) -> list[Claim]:
        """Lease due rows of a stage.

        They come from one batch after the other. Of each batch the longest due come first. A row
        that was in flight in a crash is claimed alone: nothing else comes with it, and its worker
        should work on nothing beside it. Where it waits less long than a row that was in no crash
        and that the same process does next (`ahead`), it is left for later: that row must not die
        with it.
        """

    def extend(self, claims: Sequence[Claim], lease: float, now: float) -> frozenset[str]:
        """Prolong leases. Returns the ids that are still ours."""

    def commit(
        self,
        outcomes: Sequence[tuple[Claim, Outcome]],
        now: float,
        run_id: str,
        keep: float | None = None,
    ) -> Committed:
        """Apply the outcomes whose fence still matches.

        The others change nothing, and their ids are returned as lost. Raises InvalidTransition
        for outcomes that no worker may report.

        With `keep`, the seconds of a lease, rows that complete their stage and are not decided yet
        are claimed for the next one in the same transaction. Their leases have half as long to go
        at least.
        """

    def leases(self, now: float, *, anew: bool = False) -> dict[str, float]:
        """Live leases: owner -> the end of its last one, or of its owner's record (`Holders`) if
        that comes first.

        `anew`: not as this process read them some seconds ago, which DynamoDB's store may answer.
        """

    def release(self, claims: Sequence[Claim], now: float, reason: str, run_id: str) -> int:
        """Hand rows back untouched and refund their attempts. Returns how many."""

    def expire_leases(self, now: float, limit: int = 500) -> int:
        """Free rows whose lease ran out, or whose owner's record did. Returns how many.

        Rows that spent their attempts fail. Those that a dead process kept and did not work on are
        due as if nothing had been. A record that ended goes once nothing is left of its rows.
        """

    def due_later(self, than: float, limit: int = 500) -> list[ImageRow]:
        """Pending rows that are due, or whose lease ends, later than that time: a clock was ahead.

        The cost grows with the rows that are found.
        """

    def pull_back(self, image_ids: Sequence[str], now: float, lease: float, than: float) -> int:
        """Make these rows due now, where they still are due later than that time.

        A lease ends `lease` seconds from now, unless it is extended. Returns how many changed.
        """

    def reset(self, batches: Sequence[str], to: Reset, now: float, replay_id: str) -> int:
        """Send the rows of batches back to a stage, once per replay id and batch.

        Returns how many rows this call sent. Of several callers that ask for the same at once,
        each counts the rows that it sent itself.
        """

    def reset_images(
        self, image_ids: Sequence[str], to: Reset, now: float, *, failed_only: bool = False
    ) -> int:
        """Send single rows back to a stage. Rows that never reached it are left alone.

        With `failed_only`, rows that are not failed when the reset is written are left alone too.
        """
