"""Decisions of people, and the images that wait for one, by a sparse index.

What is kept for a person is an item beside the row, so that nobody's lease changes a row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from parjanya_dagster.errors import UnknownImage
from parjanya_dagster.truth import reviewing
from parjanya_dagster.truth.dynamo import changes, codec, keys
from parjanya_dagster.truth.dynamo.base import Base
from parjanya_dagster.truth.dynamo.changes import Stored, Writing
from parjanya_dagster.truth.dynamo.counting import effective, tallied
from parjanya_dagster.truth.dynamo.wire import ABSENT, READS, Add, Delete, Put
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.reviews import LONGEST_LEASE, Review, ReviewClaim, ReviewDecision


class Reviewing(Base):
    """The part of the store that people decide in."""

    def review(
        self,
        decision: ReviewDecision,
        now: float,
        *,
        seen: int,
        evidence: Mapping[str, str] | None = None,
    ) -> ImageRow:
        after: list[ImageRow] = []

        def decide(stored: Stored) -> Writing | None:
            row = stored.row
            # A review that is newer than the row as it was read changes the row before we do.
            history = self.reviews(row.image_id)[: row.reviews] if row.reviews else []
            change = reviewing.review(row, history, decision, now, seen, evidence)
            after[:] = [row if change is None else changes.changed(row, change)]
            if change is None:
                return None
            return changes.change(stored, change, [Delete(keys.review_claim(row.image_id))])

        self._change([decision.image_id], decide)
        if not after:
            raise UnknownImage(f"There is no image {decision.image_id!r}.")
        return after[0]

    def reviews(self, image_id: str) -> list[Review]:
        pk, _ = keys.image(image_id)
        return [codec.unpack(Review, item) for item in self.wire.query(pk, ("begins", "review#"))]

    def waiting_for_review(self, tenant: str) -> int:
        return effective(tallied(self.wire, [tenant])[tenant]).get("review", 0)

    def to_review(
        self, tenant: str, limit: int = 1000, after: ImageRow | None = None
    ) -> list[ImageRow]:
        ids = self._waiting_ids(tenant, keys.arrival(after) if after else "")
        rows: list[ImageRow] = []
        while len(rows) < limit and (page := list(islice(ids, min(READS, limit - len(rows))))):
            rows += [row for row in self._rows(page) if row.waits_for_person]
        return rows

    def _waiting_ids(self, tenant: str, after: str = "") -> Iterator[str]:
        """Ids of a tenant's images that wait, earliest arrival first, page by page."""
        while True:
            where = (">", after) if after else None
            page = list(self.wire.query(tenant, where, index="review", most=READS))
            yield from (item["pk"]["S"].partition("#")[2] for item in page)
            if len(page) < READS:
                return
            after = codec.text(page[-1], "review_sk")

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
        until = now + min(lease, LONGEST_LEASE)
        waiting = self._waiting_ids(tenant) if among is None else iter(dict.fromkeys(among))
        but = set(skip)
        ids = (image_id for image_id in waiting if image_id not in but)
        taken: list[ImageRow] = []
        while len(taken) < n and (page := list(islice(ids, n - len(taken)))):
            ours = self._keep_for(page, who, now, until)
            # Read after they are kept: what was decided before is not given to anybody.
            rows = self._rows(image_id for image_id in page if image_id in ours)
            wanted = [row for row in rows if row.waits_for_person and row.tenant == tenant]
            taken += wanted
            self.release_review(sorted(ours - {row.image_id for row in wanted}), who)
        return taken

    def _keep_for(self, image_ids: Sequence[str], who: str, now: float, until: float) -> set[str]:
        """Keep for a person those that are kept for nobody else."""
        there = self.wire.get_all(keys.review_claim(image_id) for image_id in image_ids)

        def keep(image_id: str) -> bool:
            key = keys.review_claim(image_id)
            claim = ReviewClaim(image_id=image_id, who=who, until=until)
            expect: Mapping[str, Any] = ABSENT
            if key in there:
                known = codec.unpack(ReviewClaim, there[key])
                if known.keeps_from(who, now):
                    return False
                expect = {"who": known.who, "until": known.until}
            other = self.wire.write(Put(key, codec.pack(claim), expect))
            # Where our answer was lost, what lies there is our own.
            return other is None or (bool(other) and codec.text(other, "who") == who)

        kept = self.wire.each(keep, image_ids)
        return {image_id for image_id, ours in zip(image_ids, kept, strict=True) if ours}

    def extend_review(
        self, image_ids: Sequence[str], who: str, now: float, lease: float
    ) -> frozenset[str]:
        until = codec.attributes({"until": now + min(lease, LONGEST_LEASE)})

        def prolong(image_id: str) -> bool:
            ours = Add(keys.review_claim(image_id), {}, until, {"who": who})
            return self.wire.write(ours) is None

        held = self.wire.each(prolong, list(image_ids))
        return frozenset(i for i, ours in zip(image_ids, held, strict=True) if ours)

    def release_review(self, image_ids: Sequence[str], who: str) -> None:
        def release(image_id: str) -> None:
            self.wire.write(Delete(keys.review_claim(image_id), {"who": who}))

        self.wire.each(release, list(image_ids))
