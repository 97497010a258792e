"""People's decisions on images. They are only ever appended, and what stands follows from them.

An image's decisions are numbered. A person decides on what a page showed: the number of the last
decision then, and the evidence. Where either is another now, the decision is stale and is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

V = TypeVar("V", bound=str | None)

ACCEPT, REJECT, UNDO, LAPSE = "accept", "reject", "undo", "lapse"
PEOPLES: tuple[str, ...] = (ACCEPT, REJECT, UNDO)
"""What people do. Only the platform lets a verdict lapse."""

PLATFORM = "parjanya"  # who lets verdicts lapse
LONGEST_LEASE = 3600.0
"""Seconds for which an image may be kept for one person. A lease that ends later than that from
now was written by a clock that was ahead, and does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One decision of a person, or the lapse of one. Never updated. Keyed by image and number."""

    image_id: str
    number: int  # from 1
    tenant: str
    batch: str
    at: float
    who: str
    action: str  # accept, reject, undo, lapse
    note: str
    evidence: Mapping[str, str]  # stage -> fingerprint, as it was shown
    policy: str | None  # that decided the image then
    policy_verdict: str | None
    sha256: str | None  # of the bytes that were looked at
    request_id: str  # the client's own


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewDecision:
    """What a person decides. The same request twice is one decision."""

    image_id: str
    who: str
    action: str  # accept, reject, undo
    request_id: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewClaim:
    """An image that is kept for one person for a while."""

    image_id: str
    who: str
    until: float

    def keeps_from(self, who: str, now: float) -> bool:
        """Whether it is kept for somebody else."""
        return self.who != who and now < self.until <= now + LONGEST_LEASE


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a history of decisions leads to."""

    made: tuple[Review, ...] = ()  # and not undone; the last one stands
    lapsed: bool = False  # one lapsed, so a person is asked where none stands

    @property
    def review(self) -> Review | None:
        return self.made[-1] if self.made else None

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of a row that say it."""
        review = self.review
        return {
            "person_verdict": review.action if review else None,
            "person": review.who if review else None,
            "reviewed_at": review.at if review else None,
            "reviewed_under": review.policy if review else None,
            "lapsed": self.lapsed,
        }

    def after(self, review: Review) -> Standing:
        """An undo brings back what stood before. A lapse ends everything that stood."""
        if review.action == LAPSE:
            return Standing(lapsed=True)
        made = self.made[:-1] if review.action == UNDO else (*self.made, review)
        return Standing(made=made, lapsed=self.lapsed)


def counts_as(verdict: V, person_verdict: str | None, lapsed: bool) -> V | str:
    """The verdict that counts: the person's where there is one, else the policy's.

    Where a person's lapsed the image is for review, whatever the policy says.
    """
    return person_verdict or ("review" if lapsed else verdict)


def standing(history: Iterable[Review]) -> Standing:
    """What stands after these decisions. The oldest comes first."""
    now = Standing()
    for review in history:
        now = now.after(review)
    return now
