"""Regrades: what was requested, how far each has come, and the decisions under each policy."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from parjanya_dagster.errors import RegradeInvalid, UnknownTenant
from parjanya_dagster.truth import transitions
from parjanya_dagster.truth.dynamo import changes, codec, keys
from parjanya_dagster.truth.dynamo.changes import Stored, Writing
from parjanya_dagster.truth.dynamo.codec import Item
from parjanya_dagster.truth.dynamo.replays import Replays
from parjanya_dagster.truth.dynamo.wire import (
    ABSENT,
    MOST_WRITES,
    Add,
    Delete,
    Put,
    Write,
    key_of,
)
from parjanya_dagster.truth.models import Mispinned, Move, Regrade

REGRADE = "regrade"  # in replay items, where a reset has the stage that it resets to
EVERY, OPEN = "regrades", "regrades#open"


class Regrading(Replays):
    """The part of the store that moves rows to another policy."""

    def begin_regrade(self, regrade: Regrade) -> Regrade:
        if known := self.regrade(regrade.replay_id):
            return known
        if len(regrade.tenants) > MOST_WRITES - 3:
            raise RegradeInvalid(
                f"{len(regrade.tenants)} tenants cannot be pinned in one transaction of DynamoDB, "
                f"which takes {MOST_WRITES - 3}. Regrade them in parts."
            )
        pin = codec.attributes({"policy": regrade.policy})
        slugs = sorted(set(regrade.tenants))
        listed = codec.attributes({"replay_id": regrade.replay_id})
        writes: list[Write] = [
            Put(keys.regrade(regrade.replay_id), codec.pack(regrade), ABSENT),
            *(Put((pk, _place(regrade)), listed) for pk in (EVERY, OPEN)),
            *(Add(keys.tenant(slug), {}, pin, {"slug": slug}) for slug in slugs),
        ]
        broken = self.wire.transact(writes)
        if 0 in broken and (known := self.regrade(regrade.replay_id)):
            return known  # another was quicker
        if broken:
            raise UnknownTenant.named(slugs[broken[0] - 3])
        return regrade

    def regrade(self, replay_id: str) -> Regrade | None:
        item = self.wire.get(keys.regrade(replay_id))
        return codec.unpack(Regrade, item) if item else None

    def regrades(self, limit: int = 20) -> list[Regrade]:
        return self._regrades(self.wire.query(EVERY, most=limit, backwards=True))

    def open_regrades(self) -> list[Regrade]:
        return [
            regrade for regrade in self._regrades(self.wire.query(OPEN)) if regrade.reset_at is None
        ]

    def _regrades(self, listed: Any) -> list[Regrade]:
        wanted = [keys.regrade(codec.text(item, "replay_id")) for item in listed]
        items = self.wire.get_all(wanted)
        return [codec.unpack(Regrade, items[key]) for key in wanted]

    def end_reset(self, replay_id: str, now: float) -> None:
        regrade = self.regrade(replay_id)
        if regrade is None:
            return
        ended = codec.attributes({"reset_at": now})
        self.wire.transact(
            [
                Add(keys.regrade(replay_id), {}, ended, {"reset_at": None}),
                Delete((OPEN, _place(regrade))),
            ]
        )

    def regrade_rows(
        self, replay_id: str, policy: str, moves: Sequence[Move], now: float, reason: str
    ) -> frozenset[str]:
        by_id = {move.image_id: move for move in moves}
        void: set[str] = set()

        def decide(stored: Stored) -> Writing | None:
            change = transitions.regrade(
                stored.row, by_id[stored.row.image_id], policy, now, reason
            )
            if change is None:
                void.add(stored.row.image_id)
            return changes.change(stored, change) if change else None

        self._change(by_id, decide)
        return frozenset(void)

    def note_replayed(self, replay_id: str, batch: str, rows: int, now: float) -> None:
        self._note(replay_id, batch, REGRADE, rows, now)

    def replayed(self, replay_id: str) -> dict[str, int]:
        pk, _ = keys.replay(replay_id, "", "")
        return {
            codec.text(item, "batch"): codec.number(item, "rows")
            for item in self.wire.query(pk)
            if codec.text(item, "stage") == REGRADE
        }

    def regrading(self) -> dict[str, int]:
        return {
            codec.text(item, "sk"): codec.number(item, "rows")
            for item in self._counters("targeted", None)
        }

    def mispinned(self) -> list[Mispinned]:
        groups: list[Mispinned] = []
        for tenant in self.wire.query("tenants"):
            slug, pin = codec.text(tenant, "slug"), codec.text(tenant, "policy")
            pk = f"decided#{slug}"
            # Two ranges, so that rows under the pin are not read. A space sorts before all else.
            for item in chain(
                self._counters(pk, ("<", f"{pin} ")), self._counters(pk, (">", f"{pin} ~"))
            ):
                policy, _, batch = codec.text(item, "sk").rpartition(" ")
                groups.append(
                    Mispinned(
                        batch=batch,
                        tenant=slug,
                        pin=pin,
                        policy=policy,
                        rows=codec.number(item, "rows"),
                    )
                )
        return sorted(groups, key=lambda group: (group.batch, group.policy))

    def _counters(self, pk: str, where: tuple[str, Any] | None) -> list[Item]:
        """Counters that are not zero. Those that are zero are deleted, if they still are."""
        counting = []
        for item in self.wire.query(pk, where):
            if codec.number(item, "rows"):
                counting.append(item)
            else:
                self.wire.write(Delete(key_of(item), {"rows": 0}))
        return counting


def _place(regrade: Regrade) -> str:
    return f"{max(regrade.started_at, 0.0):021.9f}#{regrade.replay_id}"
