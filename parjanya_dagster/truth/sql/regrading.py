"""Regrades: what was requested, how far each has come, and the decisions under each policy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select, text, update

from parjanya_dagster.errors import UnknownTenant
from parjanya_dagster.truth import transitions
from parjanya_dagster.truth.models import Decided, Mispinned, Move, Regrade
from parjanya_dagster.truth.sql.engine import insert_if_new, reading, writing
from parjanya_dagster.truth.sql.mapping import Base, apply, chunks, columns_of, row_of
from parjanya_dagster.truth.sql.schema import (
    DECIDED,
    TARGETED,
    events,
    evidence,
    images,
    regrades,
    replays,
    tenants,
)
from parjanya_dagster.truth.stages import Status

REGRADE = "regrade"  # the stage of a regrade in `replays`; a reset has the stage that it resets to


class Regrading(Base):
    """The part of the store that moves rows to another policy."""

    def begin_regrade(self, regrade: Regrade) -> Regrade:
        with writing(self.engine) as connection:
            known = connection.execute(
                select(regrades).where(regrades.c.replay_id == regrade.replay_id)
            ).first()
            if known is not None:
                return _regrade_of(known)
            values = {**columns_of(regrade), "tenants": list(regrade.tenants)}
            connection.execute(insert_if_new(connection, regrades), [values])
            for slug in sorted(regrade.tenants):
                pin = update(tenants).where(tenants.c.slug == slug).values(policy=regrade.policy)
                if connection.execute(pin).rowcount == 0:
                    raise UnknownTenant.named(slug)
        return regrade

    def regrade(self, replay_id: str) -> Regrade | None:
        with reading(self.engine) as connection:
            row = connection.execute(
                select(regrades).where(regrades.c.replay_id == replay_id)
            ).first()
        return _regrade_of(row) if row else None

    def regrades(self, limit: int = 20) -> list[Regrade]:
        query = select(regrades).order_by(regrades.c.started_at.desc()).limit(limit)
        with reading(self.engine) as connection:
            return [_regrade_of(row) for row in connection.execute(query)]

    def open_regrades(self) -> list[Regrade]:
        query = select(regrades).where(regrades.c.reset_at.is_(None))
        with reading(self.engine) as connection:
            rows = connection.execute(query.order_by(regrades.c.started_at)).all()
        return [_regrade_of(row) for row in rows]

    def regrade_rows(
        self, replay_id: str, policy: str, moves: Sequence[Move], now: float, reason: str
    ) -> frozenset[str]:
        changed: set[str] = set()
        for chunk in chunks(moves):
            by_id = {move.image_id: move for move in chunk}
            with writing(self.engine) as connection:
                rows = connection.execute(
                    select(images)
                    .where(images.c.image_id.in_(by_id))
                    .order_by(images.c.image_id)
                    .with_for_update()
                )
                changes = []
                for row in map(row_of, rows):
                    move = by_id[row.image_id]
                    change = transitions.regrade(row, move, policy, now, reason)
                    if change is None:
                        changed.add(row.image_id)
                    else:
                        changes.append(change)
                apply(connection, changes)
        return frozenset(changed)

    def note_replayed(self, replay_id: str, batch: str, rows: int, now: float) -> None:
        with writing(self.engine) as connection:
            connection.execute(
                insert_if_new(connection, replays).values(
                    replay_id=replay_id, batch=batch, stage=REGRADE, at=now, rows=rows
                )
            )

    def replayed(self, replay_id: str) -> dict[str, int]:
        query = select(replays.c.batch, replays.c.rows).where(
            replays.c.replay_id == replay_id, replays.c.stage == REGRADE
        )
        with reading(self.engine) as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def end_reset(self, replay_id: str, now: float) -> None:
        with writing(self.engine) as connection:
            connection.execute(
                update(regrades)
                .where(regrades.c.replay_id == replay_id, regrades.c.reset_at.is_(None))
                .values(reset_at=now)
            )

    def regrading(self) -> dict[str, int]:
        query = select(images.c.batch, func.count()).where(text(TARGETED)).group_by(images.c.batch)
        with reading(self.engine) as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def decided_under(
        self, image_ids: Sequence[str], policy_hash: str
    ) -> dict[str, Mapping[str, Any]]:
        bodies: dict[str, Mapping[str, Any]] = {}
        with reading(self.engine) as connection:
            for chunk in chunks(image_ids):
                query = (
                    select(evidence.c.image_id, evidence.c.body)
                    .where(
                        evidence.c.image_id.in_(chunk),
                        evidence.c.stage == "curated",
                        evidence.c.revision == policy_hash,
                    )
                    .order_by(evidence.c.created_at)
                )
                bodies.update({row[0]: row[1] for row in connection.execute(query)})
        return bodies

    def decisions(self, image_ids: Sequence[str]) -> dict[str, list[Decided]]:
        by_image: dict[str, list[Decided]] = defaultdict(list)
        with reading(self.engine) as connection:
            for chunk in chunks(image_ids):
                query = (
                    select(events.c.image_id, events.c.at, events.c.changes, events.c.run_id)
                    .where(
                        events.c.image_id.in_(chunk),
                        events.c.kind == "completed",
                        events.c.to_status == str(Status.CURATED),
                    )
                    .order_by(events.c.image_id, events.c.event_id)
                )
                for row in connection.execute(query):
                    by_image[row.image_id].append(Decided.of(row.at, row.changes, row.run_id))
        return dict(by_image)

    def mispinned(self) -> list[Mispinned]:
        groups: list[Mispinned] = []
        with reading(self.engine) as connection:
            for slug, pin in connection.execute(select(tenants.c.slug, tenants.c.policy)).all():
                # Two ranges of the index, so that rows under the pinned policy are not read.
                for other in (images.c.policy < pin, images.c.policy > pin):
                    query = (
                        select(images.c.batch, images.c.policy, func.count())
                        .where(images.c.tenant == slug, other, text(DECIDED))
                        .group_by(images.c.policy, images.c.batch)
                    )
                    groups += [
                        Mispinned(batch=batch, tenant=slug, pin=pin, policy=policy, rows=rows)
                        for batch, policy, rows in connection.execute(query)
                    ]
        return sorted(groups, key=lambda group: (group.batch, group.policy))


def _regrade_of(row: Any) -> Regrade:
    columns = dict(row._mapping)
    return Regrade(**{**columns, "tenants": tuple(columns["tenants"])})
