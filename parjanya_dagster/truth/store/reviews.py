"""Decisions of people, and the images that wait for one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.reviews import Review, ReviewDecision


class Reviews(Protocol):
    """Reviews: making them, reading them, and who looks at which image."""

    def review(
        self,
        decision: ReviewDecision,
        now: float,
        *,
        seen: int,
        evidence: Mapping[str, str] | None = None,
    ) -> ImageRow:
        """Record a person's decision and its event, and return the row as it is then.

        `seen` is how many decisions the image had when it was shown (`ImageRow.reviews`), and
        `evidence` what it had (`ImageRow.evidence`; None: it is not compared). A request that was
        recorded before changes nothing, so a lost answer may be asked for again.

        Raises UnknownImage; DecisionStale where a person or a policy decided meanwhile;
        NotDecidedNow while the policy decides; ReviewRefused for what nobody can decide.
        """

    def reviews(self, image_id: str) -> list[Review]:
        """The decisions of people on an image, and their lapses, the oldest first."""

    def waiting_for_review(self, tenant: str) -> int:
        """How many of a tenant's images wait for a person. No history is read."""

    def to_review(
        self, tenant: str, limit: int = 1000, after: ImageRow | None = None
    ) -> list[ImageRow]:
        """A page of the images that wait for a person, earliest arrival first, after one of them.

        The cost grows with the page.
        """

    def claim_review(
        self,
        tenant: str,
        who: str,
        now: float,
        lease: float,
        n: int,
        skip: Collection[str] = (),
        among: Sequence[str] | None = None,
    ) -> list[ImageRow]:
        """Keep up to n waiting images for one person, earliest arrival first.

        None is kept for two people while a lease lives. Those that are kept for this person
        already come again, unless `skip` has them. With `among`, only of these images, and in
        their order. A lease is at most `LONGEST_LEASE` long. It keeps others from being shown the
        image, not from deciding it: that is what `seen` is for.
        """

    def extend_review(
        self, image_ids: Sequence[str], who: str, now: float, lease: float
    ) -> frozenset[str]:
        """Prolong the leases of a person. Returns the ids that are still kept for that one."""

    def release_review(self, image_ids: Sequence[str], who: str) -> None:
        """Keep these images for this person no longer."""
