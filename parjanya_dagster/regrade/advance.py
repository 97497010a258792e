"""Sends the rows of a regrade to their boundaries, batch by batch, each once.

It may be interrupted at any point. Anybody may continue it: the command line that asked for it,
another one, or the reconciler.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from parjanya_dagster.errors import RegradeInvalid, UnknownTenant
from parjanya_dagster.execution.garbage_collection import seldom
from parjanya_dagster.policy import Policy
from parjanya_dagster.regrade.moves import Planner
from parjanya_dagster.truth.models import ImageRow, Regrade, is_day
from parjanya_dagster.truth.records import RegradeHold
from parjanya_dagster.truth.store import Holds, Images, Store, Tenants
from parjanya_dagster.truth.store.paging import batch_pages

ROUNDS = 50  # times that a row may change before its move is written


def selection(
    store: Tenants,
    policy: Policy,
    tenants: Sequence[str],
    since: str,
    until: str,
    now: float,
    replay_id: str = "",
) -> Regrade:
    """Check what is asked for, and return it as a regrade. Nothing is written.

    Raises UnknownTenant, RegradeInvalid.
    """
    if not tenants:
        raise RegradeInvalid("Name the tenants to regrade.")
    known = {tenant.slug for tenant in store.tenants()}
    for slug in tenants:
        if slug not in known:
            raise UnknownTenant.named(slug)
    for day in (since, until):
        if day and not is_day(day):
            raise RegradeInvalid(f"{day!r} is no day: write YYYY-MM-DD.")
    if since and until and since > until:
        raise RegradeInvalid(f"--since {since} is after --until {until}.")
    chosen = replay_id or f"regrade-{uuid.uuid4().hex[:8]}"
    return Regrade(
        replay_id=chosen,
        policy=policy.ref,
        tenants=tuple(sorted(set(tenants))),
        since=since,
        until=until,
        started_at=now,
    )


def batches_of(store: Images, regrade: Regrade) -> list[str]:
    """The partitions of a regrade, in the order in which they were made."""
    return [
        batch
        for tenant in regrade.tenants
        for batch in store.batches(tenant)
        if regrade.covers(batch)
    ]


@dataclass(frozen=True, kw_only=True)
class Advance:
    """Sends the rows of a regrade to their boundaries."""

    store: Store
    published: Callable[[str], Policy]
    clock: Callable[[], float]
    regrade: Regrade

    def run(
        self,
        stop: Callable[[], bool] = lambda: False,
        sent: Callable[[str, int], None] = lambda batch, rows: None,
    ) -> bool:
        """Continue until `stop` is true. Returns whether everything is sent.

        `sent` is called for each batch.
        """
        with seldom():
            return self._run(stop, sent)

    def _run(self, stop: Callable[[], bool], sent: Callable[[str, int], None]) -> bool:
        planner = Planner(self.store, self.published, self.published(self.regrade.policy))
        done = self.store.replayed(self.regrade.replay_id)
        for batch in batches_of(self.store, self.regrade):
            if batch in done:
                continue
            if stop():
                return False
            rows = self._send(planner, batch)
            self.store.note_replayed(self.regrade.replay_id, batch, rows, self.clock())
            keep_hold(self.store, self.regrade, self.clock())
            sent(batch, rows)
        self.store.end_reset(self.regrade.replay_id, self.clock())
        return True

    def _send(self, planner: Planner, batch: str) -> int:
        return sum(self._move(planner, page) for page in batch_pages(self.store, [batch]))

    def _move(self, planner: Planner, rows: Sequence[ImageRow]) -> int:
        count = 0
        reason = f"{self.regrade.replay_id} to {self.regrade.policy}"
        for _ in range(ROUNDS):
            moves = planner.moves(rows)
            changed = self.store.regrade_rows(
                self.regrade.replay_id, self.regrade.policy, moves, self.clock(), reason
            )
            count += len(moves) - len(changed)
            rows = [
                row for image_id in sorted(changed) if (row := self.store.get(image_id)) is not None
            ]
            if not rows:
                return count
        raise RegradeInvalid(f"{len(rows)} rows change too often to be regraded; try again.")


def keep_hold(store: Holds, regrade: Regrade, now: float, hold_until: float = 0.0) -> None:
    """Record that somebody looks after a regrade, and until when a backfill makes its runs.

    A recorded end that is later stays.
    """
    known = store.holds().get(regrade.replay_id)
    until = max(hold_until, known.hold_until if known else 0.0)
    store.hold(RegradeHold(replay_id=regrade.replay_id, attended_at=now, hold_until=until))


def release_hold(store: Holds, regrade: Regrade, now: float) -> None:
    """End the hold of a backfill: the reconciler makes the runs."""
    store.hold(RegradeHold(replay_id=regrade.replay_id, attended_at=now, hold_until=0.0))


def unattended(store: Store, now: float, after: float = 15.0) -> list[Regrade]:
    """Open regrades that nobody has advanced for a while."""
    open_ = store.open_regrades()
    holds = store.holds() if open_ else {}
    left_alone = []
    for regrade in open_:
        last = holds.get(regrade.replay_id)
        at = last.attended_at if last else regrade.started_at
        if abs(now - at) > after:  # from the future: by a clock that was ahead
            left_alone.append(regrade)
    return left_alone
