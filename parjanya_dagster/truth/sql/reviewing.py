"""Decisions of people: a row is locked, decided on, and written with its review and event."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    delete,
    exists,
    func,
    select,
    text,
    tuple_,
    update,
)

from parjanya_dagster.errors import UnknownImage
from parjanya_dagster.truth import reviewing
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.reviews import LONGEST_LEASE, Review, ReviewDecision
from parjanya_dagster.truth.sql.engine import insert, reading, writing
from parjanya_dagster.truth.sql.mapping import Base, apply, chunks, row_of
from parjanya_dagster.truth.sql.schema import FOR_REVIEW, images, review_claims, reviews

ROUNDS = 20  # how often others may take what was about to be claimed


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
        mine = images.c.image_id == decision.image_id
        with writing(self.engine) as connection:
            found = connection.execute(select(images).where(mine).with_for_update()).first()
            if found is None:
                raise UnknownImage(f"There is no image {decision.image_id!r}.")
            row = row_of(found)
            history = connection.execute(_history(row.image_id)).all() if row.reviews else []
            made = [Review(**one._mapping) for one in history]
            change = reviewing.review(row, made, decision, now, seen, evidence)
            if change is None:
                return row
            kept = review_claims.c.image_id == row.image_id
            connection.execute(delete(review_claims).where(kept))
            apply(connection, [change])
        return replace(row, **change.columns)

    def reviews(self, image_id: str) -> list[Review]:
        with reading(self.engine) as connection:
            return [Review(**row._mapping) for row in connection.execute(_history(image_id))]

    def waiting_for_review(self, tenant: str) -> int:
        query = select(func.count()).where(images.c.tenant == tenant, text(FOR_REVIEW))
        with reading(self.engine) as connection:
            return connection.scalar(query.select_from(images)) or 0

    def to_review(
        self, tenant: str, limit: int = 1000, after: ImageRow | None = None
    ) -> list[ImageRow]:
        place = tuple_(images.c.landed_at, images.c.image_id)
        query = select(images).where(images.c.tenant == tenant, text(FOR_REVIEW))
        if after is not None:
            query = query.where(place > (after.landed_at, after.image_id))
        query = query.order_by(images.c.landed_at, images.c.image_id).limit(limit)
        with reading(self.engine) as connection:
            return [row_of(row) for row in connection.execute(query)]

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
        taken: dict[str, ImageRow] = {}
        for _ in range(ROUNDS):
            wanted = n - len(taken)
            if wanted <= 0:
                break
            with writing(self.engine) as connection:
                free = self._free(connection, tenant, who, now, wanted, {*skip, *taken}, among)
                ours = _claim(connection, sorted(free), who, now, until)
            taken |= {image_id: row for image_id, row in free.items() if image_id in ours}
            if not free:
                break
        return list(taken.values())

    def _free(
        self,
        connection: Connection,
        tenant: str,
        who: str,
        now: float,
        most: int,
        but: Collection[str],
        among: Sequence[str] | None,
    ) -> dict[str, ImageRow]:
        """Images that wait and are kept for nobody else, locked, so that they wait on."""
        query = (
            select(images)
            .where(images.c.tenant == tenant, text(FOR_REVIEW), ~_kept(who, now))
            .where(images.c.image_id.not_in(but))
            .order_by(images.c.landed_at, images.c.image_id)
            .with_for_update(of=images, skip_locked=True)
        )
        if among is None:
            found = connection.execute(query.limit(most))
            return {row.image_id: row_of(row) for row in found}
        named = query.where(images.c.image_id.in_(among))
        rows = {row.image_id: row_of(row) for row in connection.execute(named)}
        first = [image_id for image_id in dict.fromkeys(among) if image_id in rows][:most]
        return {image_id: rows[image_id] for image_id in first}

    def extend_review(
        self, image_ids: Sequence[str], who: str, now: float, lease: float
    ) -> frozenset[str]:
        held: set[str] = set()
        for chunk in chunks(sorted(image_ids)):
            ours = (review_claims.c.image_id.in_(chunk), review_claims.c.who == who)
            prolonged = update(review_claims).where(*ours)
            with writing(self.engine) as connection:
                held.update(
                    connection.scalars(
                        prolonged.values(until=now + min(lease, LONGEST_LEASE)).returning(
                            review_claims.c.image_id
                        )
                    )
                )
        return frozenset(held)

    def release_review(self, image_ids: Sequence[str], who: str) -> None:
        for chunk in chunks(sorted(image_ids)):
            ours = (review_claims.c.image_id.in_(chunk), review_claims.c.who == who)
            with writing(self.engine) as connection:
                connection.execute(delete(review_claims).where(*ours))


def _claim(
    connection: Connection, image_ids: Sequence[str], who: str, now: float, until: float
) -> frozenset[str]:
    """Keep images for a person. Whoever claimed some while we waited for their locks keeps them."""
    if not image_ids:
        return frozenset()
    claims = insert(connection, review_claims).values(
        [{"image_id": image_id, "who": who, "until": until} for image_id in image_ids]
    )
    written = claims.on_conflict_do_update(
        index_elements=["image_id"],
        set_={"who": who, "until": until},
        where=~_others(who, now),
    )
    return frozenset(connection.scalars(written.returning(review_claims.c.image_id)))


def _history(image_id: str) -> Select[Any]:
    return select(reviews).where(reviews.c.image_id == image_id).order_by(reviews.c.number)


def _others(who: str, now: float) -> ColumnElement[bool]:
    """Whether a claim keeps an image for somebody else: `ReviewClaim.keeps_from` as a condition."""
    until = review_claims.c.until
    return and_(review_claims.c.who != who, until > now, until <= now + LONGEST_LEASE)


def _kept(who: str, now: float) -> ColumnElement[bool]:
    return exists().where(review_claims.c.image_id == images.c.image_id, _others(who, now))
