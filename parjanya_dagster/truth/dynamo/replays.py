"""reset: rows go back to a stage, once per replay.

A batch does not fit into one transaction. Each row remembers the replay that sent it back. The
note that a batch is done is written last. So after a crash the next call goes on with the rest,
and rows that were sent and have moved on are not sent twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from parjanya_dagster.truth import transitions
from parjanya_dagster.truth.dynamo import changes, codec, keys
from parjanya_dagster.truth.dynamo.base import Base
from parjanya_dagster.truth.dynamo.changes import Stored, Writing
from parjanya_dagster.truth.dynamo.wire import ABSENT, READS, Put
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.stages import STAGES, Status


class Replays(Base):
    """The part of the store that sends rows back."""

    def reset(self, batches: Sequence[str], to: Reset, now: float, replay_id: str) -> int:
        earlier = STAGES[: STAGES.index(to.stage) + 1]
        marks = {f"{replay_id}#{stage}" for stage in earlier}
        total = 0

        def decide(stored: Stored) -> Writing | None:
            if stored.row.batch not in batches or marks & set(stored.marks):
                return None
            change = transitions.reset(stored.row, to, now)
            return (
                changes.change(stored, change, mark=f"{replay_id}#{to.stage}") if change else None
            )

        for batch in batches:
            if self.wire.get_all(keys.replay(replay_id, batch, stage) for stage in earlier):
                continue
            ids = self._members(batch)
            count = sum(
                len(self._change(ids[start : start + READS], decide))
                for start in range(0, len(ids), READS)
            )
            self._note(replay_id, batch, to.stage, count, now)
            total += count
        return total

    def reset_images(
        self, image_ids: Sequence[str], to: Reset, now: float, *, failed_only: bool = False
    ) -> int:
        def decide(stored: Stored) -> Writing | None:
            if failed_only and stored.row.pipeline_status != Status.FAILED:
                return None
            change = transitions.reset(stored.row, to, now)
            return changes.change(stored, change) if change else None

        return len(self._change(image_ids, decide))

    def _note(self, replay_id: str, batch: str, stage: str, rows: int, now: float) -> None:
        note = codec.attributes({"batch": batch, "stage": stage, "at": now, "rows": rows})
        self.wire.write(Put(keys.replay(replay_id, batch, stage), note, ABSENT))

    def _members(self, batch: str) -> list[str]:
        pk, _ = keys.member(batch, "")
        return [codec.text(item, "sk") for item in self.wire.query(pk)]
