"""People who look at images and decide, from pages that may be from yesterday, more than once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from parjanya_dagster.errors import DecisionStale, ReviewRefused
from parjanya_dagster.policy import Policy
from parjanya_dagster.truth.models import PRESENT, ImageRow
from parjanya_dagster.truth.reviews import (
    LAPSE,
    UNDO,
    ReviewClaim,
    ReviewDecision,
    standing,
)
from parjanya_dagster.truth.stages import Status
from parjanya_dagster.truth.store import Store
from tests.simulation.mortal import Died

LEASE = 300.0
NAMES = ("ana", "ben", "cleo")


@dataclass
class People:
    """What people were shown, what they asked for, and what they were told."""

    pages: list[ImageRow] = field(default_factory=list)
    asked: dict[str, tuple[ReviewDecision, ImageRow]] = field(default_factory=dict)  # by request
    told: set[str] = field(default_factory=set)  # requests that were answered: it is done
    kept: dict[str, ReviewClaim] = field(default_factory=dict)

    def look(self, store: Any, tenant: str, who: str, now: float, count: int) -> None:
        """The next images that wait are shown to a person, and to nobody else for a while."""
        for row in store.claim_review(tenant, who, now, LEASE, count):
            assert row.waits_for_person
            before = self.kept.get(row.image_id)
            assert before is None or not before.keeps_from(who, now), "two people look at one image"
            claim = ReviewClaim(image_id=row.image_id, who=who, until=now + LEASE)
            self.kept[row.image_id] = claim
            self.pages.append(row)

    def leave(self, store: Any, who: str) -> None:
        mine = [image for image, claim in self.kept.items() if claim.who == who]
        for image in mine:  # whether the store hears of it, or we die first
            del self.kept[image]
        store.release_review(mine, who)

    def press(self, store: Any, truth: Store, page: ImageRow, who: str, action: str, now: float
              ) -> str:  # fmt: skip
        """A person decides what a page shows. Returns what became of it."""
        request = f"request-{len(self.asked)}"
        decision = ReviewDecision(
            image_id=page.image_id, who=who, action=action, request_id=request
        )
        self.asked[request] = (decision, page)
        return self._send(store, truth, request, now)

    def press_again(self, store: Any, truth: Store, which: int, now: float) -> str:
        """Whoever had no answer, or did not see it, sends the same once more."""
        return self._send(store, truth, sorted(self.asked)[which % len(self.asked)], now)

    def _send(self, store: Any, truth: Store, request: str, now: float) -> str:
        decision, page = self.asked[request]
        before = truth.get(page.image_id)
        assert before is not None
        history = truth.reviews(page.image_id)
        known = any(one.request_id == request for one in history)
        fresh = page.reviews == before.reviews and page.evidence == before.evidence
        decidable = before.pipeline_status == Status.CURATED and before.object_state == PRESENT
        undoable = decision.action != UNDO or standing(history).review is not None
        try:
            row = store.review(decision, now, seen=page.reviews, evidence=page.evidence)
        except DecisionStale:
            assert decidable
            assert not known, "what was done is called stale"
            assert not fresh, "a fresh page is called stale"
            return "stale"
        except ReviewRefused:
            assert not known, "what was done is refused"
            assert not (decidable and undoable), "a decision is refused"
            return "refused"
        except Died:
            self.kept.pop(page.image_id, None)  # perhaps
            raise
        assert known or (fresh and decidable and undoable), "a stale page decided"
        assert row == truth.get(page.image_id)
        if known:
            assert row == before, "a request was applied twice"
        else:
            self.kept.pop(page.image_id, None)
        self.told.add(request)
        return "done"

    def check_row(self, store: Store, row: ImageRow, published: Callable[[str], Policy]) -> None:
        """What people decided of a row follows from its reviews, and these from what was asked."""
        history = store.reviews(row.image_id)
        assert [one.number for one in history] == list(range(1, row.reviews + 1))
        said = standing(history).columns
        assert {name: getattr(row, name) for name in said} == said, "not what people decided"
        made = [one.request_id for one in history if one.action != LAPSE]
        assert len(made) == len(set(made)), "a decision was applied twice"
        for one in history:
            if one.action == LAPSE:
                assert published(str(one.policy)).asks_again, "a verdict lapsed for nothing"
                continue
            decision, page = self.asked[one.request_id]
            assert (one.who, one.action) == (decision.who, decision.action)
            assert one.evidence == page.evidence, "not what the person saw"
        events = [one for one in store.history(row.image_id) if one.kind == "reviewed"]
        assert len(events) == len(made)
        if row.pipeline_status == Status.CURATED and row.person_verdict is not None:
            stands = row.reviewed_under == row.policy or not published(str(row.policy)).asks_again
            assert stands, "a verdict stands that should have lapsed"

    def check(self, store: Store) -> None:
        """Nothing that was said to be done is lost."""
        for request in self.told:
            decision, _ = self.asked[request]
            made = [one.request_id for one in store.reviews(decision.image_id)]
            assert made.count(request) == 1, "a decision is lost"

    def lapses(self, store: Store) -> int:
        images = {decision.image_id for decision, _ in self.asked.values()}
        return sum(one.action == LAPSE for image in images for one in store.reviews(image))
