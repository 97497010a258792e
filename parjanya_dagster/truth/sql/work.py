"""The work queue: due, claim, extend, commit, release, expire leases, reset."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    func,
    literal,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from parjanya_dagster.errors import InvalidTransition
from parjanya_dagster.truth import transitions
from parjanya_dagster.truth.holders import is_dead, is_over
from parjanya_dagster.truth.models import DueBatch, ImageRow, parse_batch
from parjanya_dagster.truth.outcomes import Claim, Committed, Completed, Outcome
from parjanya_dagster.truth.records import Holder
from parjanya_dagster.truth.requests import ClaimRequest, Reset
from parjanya_dagster.truth.sql.engine import insert_if_new, reading, writing
from parjanya_dagster.truth.sql.holding import Holding, drop, holders_in
from parjanya_dagster.truth.sql.likeness import file_likenesses
from parjanya_dagster.truth.sql.mapping import (
    apply,
    chunks,
    columns_of,
    insert_rows,
    row_of,
)
from parjanya_dagster.truth.sql.schema import evidence, images, replays
from parjanya_dagster.truth.stages import STAGE_OF, STAGES, WAITS_FOR, WORKABLE, Status
from parjanya_dagster.truth.storable import storable


def _chosen(
    connection: Connection,
    batches: Sequence[str],
    where: ColumnElement[bool],
    limit: int,
    *,
    locked: bool = False,
) -> Select[tuple[str]]:
    """The ids of up to `limit` rows of these batches, the earliest due of each batch first.

    PostgreSQL reads the batches in turn, and with `locked` locks each row that it takes. SQLite
    has one writer at a time, so it sorts.
    """
    row = select(images.c.image_id).where(where)
    if connection.dialect.name != "postgresql":
        of_these = row.where(images.c.batch.in_(list(batches)))
        return of_these.order_by(images.c.batch, images.c.due_at).limit(limit)
    unnested = func.unnest(cast(list(dict.fromkeys(batches)), ARRAY(Text)))
    wanted = unnested.table_valued("batch", name="wanted").render_derived()
    each = row.where(images.c.batch == wanted.c.batch).order_by(images.c.due_at).limit(limit)
    if locked:
        each = each.with_for_update(skip_locked=True)
    per_batch = each.lateral("per_batch")
    return select(per_batch.c.image_id).select_from(wanted.join(per_batch, true())).limit(limit)


def _batches_waiting(status: str) -> CTE:
    """The batches with rows of a status that are or will be due, one look into the index each."""

    def first(*beyond: ColumnElement[bool]) -> Select[tuple[str]]:
        return select(func.min(images.c.batch)).where(
            images.c.pipeline_status == str(status), images.c.due_at.is_not(None), *beyond
        )

    found = select(first().scalar_subquery().label("batch")).cte("waiting", recursive=True)
    following = first(images.c.batch > found.c.batch).correlate(found).scalar_subquery()
    return found.union_all(select(following).where(found.c.batch.is_not(None)))


# What the reconciler asks in each pass is built once: building costs more than asking.
@cache
def _due(statuses: tuple[Status, ...]) -> Select[Any]:
    """The groups that are due at `now`."""
    return (
        select(
            images.c.batch,
            images.c.pipeline_status,
            func.count().label("total"),
            func.min(images.c.due_at).label("oldest"),
        )
        .where(images.c.pipeline_status.in_(statuses), images.c.due_at <= bindparam("now"))
        .group_by(images.c.batch, images.c.pipeline_status)
    )


@cache
def _due_later(status: str) -> Select[Any]:
    """Up to `most` rows of a status that are due later `than` a time."""
    waiting = _batches_waiting(status)
    return (
        select(images)
        .join_from(waiting, images, images.c.batch == waiting.c.batch)
        .where(images.c.pipeline_status == str(status), images.c.due_at > bindparam("than"))
        .limit(bindparam("most", type_=Integer))
    )


def _of_expired(*where: ColumnElement[bool]) -> Select[Any]:
    """Up to `most` rows whose lease has ended by `now`, locked."""
    ended = and_(images.c.lease_owner.is_not(None), images.c.lease_until <= bindparam("now"))
    return (
        select(images)
        .where(ended, *where)
        .order_by(images.c.lease_until)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(skip_locked=True)
    )


_OF_ALL_EXPIRED = _of_expired()
_OF_OWNER = and_(  # by the index of leases, of which all are read
    images.c.lease_owner.is_not(None),
    images.c.lease_until > 0.0,
    images.c.lease_owner == bindparam("owner"),
)
_HELD = select(images).where(_OF_OWNER).limit(bindparam("most", type_=Integer))
_ANY_HELD = select(images.c.image_id).where(_OF_OWNER).limit(1)


class Work(Holding):
    """The part of the store that workers and the reconciler use."""

    def due(
        self,
        now: float,
        stages: Sequence[str] | None = None,
        *,
        exact: bool = False,
        batches: Collection[str] | None = None,
    ) -> list[DueBatch]:
        statuses = WORKABLE if stages is None else [WAITS_FOR[stage] for stage in stages]
        with reading(self.engine) as connection:
            groups = connection.execute(_due(tuple(statuses)), {"now": now}).all()
        due = [
            DueBatch(
                batch=row.batch,
                tenant=parse_batch(row.batch)[0],
                stage=STAGE_OF[Status(row.pipeline_status)],
                rows=row.total,
                oldest=row.oldest,
            )
            for row in groups
            if batches is None or row.batch in batches
        ]
        return sorted(due, key=lambda batch: (batch.oldest, batch.batch, batch.stage))

    def due_rows(
        self, batches: Sequence[str], stages: Sequence[str], now: float, limit: int
    ) -> list[ImageRow]:
        rows: list[ImageRow] = []
        with reading(self.engine) as connection:
            for stage in stages if batches else ():
                free = and_(
                    images.c.pipeline_status == str(WAITS_FOR[stage]),
                    images.c.due_at <= now,
                    images.c.lease_owner.is_(None),
                )
                chosen = _chosen(connection, batches, free, limit - len(rows)).cte("chosen")
                query = select(images).where(images.c.image_id.in_(select(chosen.c.image_id)))
                rows += map(row_of, connection.execute(query))
        return rows

    def claim(self, request: ClaimRequest, now: float) -> list[Claim]:
        if request.limit <= 0 or not request.batches:
            return []
        with writing(self.engine) as connection:
            # The expression keeps SQLite and PostgreSQL from the index of batches, by which each
            # claim would read all rows of its run. By the index of leases it reads expired ones.
            ours = images.c.batch.concat("").in_(list(request.batches))
            self._expire(connection, _of_expired(ours), now, request.limit)
            free = (
                images.c.pipeline_status == str(WAITS_FOR[request.stage]),
                images.c.due_at <= now,
                images.c.lease_owner.is_(None),
            )
            calm = and_(*free, ~images.c.suspect)
            rows = self._take(connection, request, calm, now)
            if not rows:  # a row that was in flight in a crash goes alone
                alone = replace(request, limit=1)
                rows = self._take(connection, alone, and_(*free, self._turn_of(request, now)), now)
        return [Claim(row, request.stage, request.owner) for row in rows]

    def _turn_of(self, request: ClaimRequest, now: float) -> ColumnElement[bool]:
        """Whether a suspect may be claimed: nothing that waits longer would die with it."""
        ahead = [str(WAITS_FOR[stage]) for stage in request.ahead]
        if not ahead:
            return true()
        calm = images.alias("calm")
        oldest = (
            select(func.min(calm.c.due_at))
            .where(
                calm.c.batch.in_(list(request.batches)),
                calm.c.pipeline_status.in_(ahead),
                calm.c.due_at <= now,
                calm.c.lease_owner.is_(None),
                ~calm.c.suspect,
            )
            .scalar_subquery()
        )
        return images.c.due_at <= func.coalesce(oldest, now)

    def _take(
        self,
        connection: Connection,
        request: ClaimRequest,
        where: ColumnElement[bool],
        now: float,
    ) -> list[ImageRow]:
        """Lease rows of a request, from one batch after the other, in one statement.

        The index of due work has the order within a batch, so a claim reads only what it takes.
        The choice is a CTE, which runs once. PostgreSQL may run a subquery again and take too many.
        """
        chosen = _chosen(connection, request.batches, where, request.limit, locked=True).cte(
            "chosen"
        )
        taken = connection.execute(
            update(images)
            .where(images.c.image_id.in_(select(chosen.c.image_id)))
            .values(
                lease_owner=request.owner,
                lease_until=literal(now + request.lease),
                due_at=literal(now + request.lease),
                fence=images.c.fence + 1,
                attempts=images.c.attempts + 1,
            )
            .returning(*images.c)
        ).all()
        return sorted(map(row_of, taken), key=lambda row: (row.landed_at, row.image_id))

    def extend(self, claims: Sequence[Claim], lease: float, now: float) -> frozenset[str]:
        held: set[str] = set()
        for chunk in chunks(claims):
            with writing(self.engine) as connection:
                ours = self._held(connection, chunk)
                connection.execute(
                    update(images)
                    .where(images.c.image_id.in_(ours))
                    .values(lease_until=now + lease, due_at=now + lease)
                )
            held |= ours
        return frozenset(held)

    def commit(
        self,
        outcomes: Sequence[tuple[Claim, Outcome]],
        now: float,
        run_id: str,
        keep: float | None = None,
    ) -> Committed:
        if len({claim.image_id for claim, _ in outcomes}) < len(outcomes):
            raise InvalidTransition("There are two outcomes for one image in this commit.")
        applied: set[str] = set()
        kept: list[Claim] = []
        for chunk in chunks(outcomes):
            # Done before the transaction, during which others wait for us.
            changes = {
                claim.image_id: transitions.finish(
                    claim, outcome, now, run_id, self.rules, self.rng
                )
                for claim, outcome in chunk
            }
            going_on: dict[str, Claim] = {}
            for claim, _ in chunk:
                change = changes[claim.image_id]
                onward = None if keep is None else transitions.go_on(claim, change, keep, now)
                if onward is not None:
                    changes[claim.image_id] = onward
                    going_on[claim.image_id] = transitions.kept(claim, onward)
            completed = [
                (claim, outcome) for claim, outcome in chunk if isinstance(outcome, Completed)
            ]
            records = {
                claim.image_id: {
                    **columns_of(outcome.evidence),
                    "body": storable(outcome.evidence.body),
                }
                for claim, outcome in completed
            }
            with writing(self.engine) as connection:
                held = self._held(connection, [claim for claim, _ in chunk])
                insert_rows(
                    connection,
                    evidence,
                    [row for image_id, row in records.items() if image_id in held],
                    if_new=True,
                )
                file_likenesses(
                    connection, [pair for pair in completed if pair[0].image_id in held]
                )
                apply(connection, [c for image_id, c in changes.items() if image_id in held])
            applied |= held
            kept += [claim for image_id, claim in going_on.items() if image_id in held]
        return Committed(
            frozenset(applied),
            frozenset({claim.image_id for claim, _ in outcomes} - applied),
            tuple(kept),
        )

    def release(self, claims: Sequence[Claim], now: float, reason: str, run_id: str) -> int:
        released = 0
        for chunk in chunks(claims):
            with writing(self.engine) as connection:
                held = self._held(connection, chunk)
                apply(
                    connection,
                    [
                        transitions.release(claim, now, reason, run_id)
                        for claim in chunk
                        if claim.image_id in held
                    ],
                )
                released += len(held)
        return released

    def _held(self, connection: Connection, claims: Sequence[Claim]) -> set[str]:
        """Ids of the claims that still hold their row, by fence and owner. Locks the rows."""
        current = connection.execute(
            select(images.c.image_id, images.c.fence, images.c.lease_owner)
            .where(images.c.image_id.in_([claim.image_id for claim in claims]))
            .order_by(images.c.image_id)
            .with_for_update()
        )
        holders = {row.image_id: (row.fence, row.lease_owner) for row in current}
        return {
            claim.image_id
            for claim in claims
            if holders.get(claim.image_id) == (claim.row.fence, claim.owner)
        }

    def expire_leases(self, now: float, limit: int = 500) -> int:
        with writing(self.engine) as connection:
            holders = holders_in(connection)
            freed = 0
            for holder in holders.values():
                if is_dead(holder, now):
                    freed += self._free_of(connection, holder, now, limit - freed)
                asked = {"owner": holder.owner}
                if is_over(holder, now) and not connection.execute(_ANY_HELD, asked).first():
                    drop(connection, holder)
            return freed + self._expire(connection, _OF_ALL_EXPIRED, now, limit - freed)

    def _free_of(self, connection: Connection, holder: Holder, now: float, limit: int) -> int:
        """Free rows of a process that is presumed dead."""
        held = _HELD.with_for_update(skip_locked=True)
        asked = {"owner": holder.owner, "most": limit}
        rows = map(row_of, connection.execute(held, asked).all())
        changes = [transitions.free(row, holder, now, self.rules) for row in rows]
        freed = [change for change in changes if change is not None]
        apply(connection, freed)
        return len(freed)

    def _expire(self, connection: Connection, which: Select[Any], now: float, limit: int) -> int:
        dead = connection.execute(which, {"now": now, "most": limit}).all()
        apply(connection, [transitions.expire_lease(row_of(row), now, self.rules) for row in dead])
        return len(dead)

    def due_later(self, than: float, limit: int = 500) -> list[ImageRow]:
        """Batch by batch, since the index has times within them: what is due now is not read."""
        rows: list[ImageRow] = []
        with reading(self.engine) as connection:
            for status in WORKABLE:
                asked = {"than": than, "most": limit - len(rows)}
                rows += map(row_of, connection.execute(_due_later(status), asked))
        return rows

    def pull_back(self, image_ids: Sequence[str], now: float, lease: float, than: float) -> int:
        total = 0
        for chunk in chunks(image_ids):
            with writing(self.engine) as connection:
                rows = connection.execute(
                    select(images)
                    .where(images.c.image_id.in_(chunk))
                    .order_by(images.c.image_id)
                    .with_for_update()
                )
                pulled = [transitions.pull_back(row_of(row), now, lease, than) for row in rows]
                changes = [change for change in pulled if change is not None]
                apply(connection, changes)
                total += len(changes)
        return total

    def reset(self, batches: Sequence[str], to: Reset, now: float, replay_id: str) -> int:
        """One transaction per batch: its rows, and the note that it was reset."""
        earlier = STAGES[: STAGES.index(to.stage) + 1]
        total = 0
        for batch in batches:
            with writing(self.engine) as connection:
                done = select(replays.c.stage).where(
                    replays.c.replay_id == replay_id,
                    replays.c.batch == batch,
                    replays.c.stage.in_(earlier),
                )
                if connection.execute(done).first() is not None:
                    continue
                note = insert_if_new(connection, replays).values(
                    replay_id=replay_id, batch=batch, stage=to.stage, at=now, rows=0
                )
                if connection.execute(note).rowcount == 0:  # another run resets it
                    continue
                rows = connection.execute(
                    select(images)
                    .where(images.c.batch == batch)
                    .order_by(images.c.image_id)
                    .with_for_update()
                )
                count = self._reset(connection, map(row_of, rows), to, now)
                connection.execute(
                    update(replays)
                    .where(
                        replays.c.replay_id == replay_id,
                        replays.c.batch == batch,
                        replays.c.stage == to.stage,
                    )
                    .values(rows=count)
                )
                total += count
        return total

    def reset_images(
        self, image_ids: Sequence[str], to: Reset, now: float, *, failed_only: bool = False
    ) -> int:
        total = 0
        wanted = images.c.pipeline_status == str(Status.FAILED) if failed_only else true()
        for chunk in chunks(image_ids):
            with writing(self.engine) as connection:
                rows = connection.execute(
                    select(images)
                    .where(images.c.image_id.in_(chunk), wanted)
                    .order_by(images.c.image_id)
                    .with_for_update()
                )
                total += self._reset(connection, map(row_of, rows), to, now)
        return total

    def _reset(
        self, connection: Connection, rows: Iterable[ImageRow], to: Reset, now: float
    ) -> int:
        changes = [
            change for row in rows if (change := transitions.reset(row, to, now)) is not None
        ]
        apply(connection, changes)
        return len(changes)
