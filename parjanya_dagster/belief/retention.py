"""Deletes old runs, their events, files and partition keys from Dagster. All of these are Belief.

Truth is not touched: rows, evidence, the event history and objects stay for ever, and no code here
could delete them. A deleted partition key comes back when one of its rows is due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dagster import DagsterInstance, RunsFilter
from dagster._core.storage.dagster_run import FINISHED_STATUSES

from parjanya_dagster.belief.drift import forget_old
from parjanya_dagster.belief.run_files import RunFiles
from parjanya_dagster.belief.runs import DagsterBelief
from parjanya_dagster.belief.tags import PARTITIONS
from parjanya_dagster.errors import InvalidPartition
from parjanya_dagster.lanes import Lane
from parjanya_dagster.truth.models import ImageRow, parse_batch
from parjanya_dagster.truth.stages import Status
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.store.paging import batch_rows

RETENTION_BEAT = "retention"
DAY = 86_400.0
PAGE = 100


@dataclass(frozen=True, slots=True)
class Retained:
    """What one pass did. If it is not complete, its time ran out and the next pass goes on."""

    runs: int  # deleted, with their events
    keys: int  # partition keys, deleted
    identities: int  # records of what ran long ago
    freed: int  # bytes of files
    complete: bool


@dataclass
class Retention:
    """One pass. It may be repeated, and it may be interrupted at any point."""

    store: Store
    instance: DagsterInstance
    lanes: Sequence[Lane]
    clock: Callable[[], float]
    runs_days: float  # 0: kept for ever
    keys_days: float  # 0: kept for ever
    seconds: float = 300.0

    def run(self) -> Retained:
        self._end = self.clock() + self.seconds
        self._files, self._freed = RunFiles(self.instance), 0
        now = self.clock()
        # Keys first: deleting a run also deletes the state of its partitions in the UI.
        keys = self._drop_keys(now) if self.keys_days else 0
        runs = self._delete_runs(now) if self.runs_days else 0
        identities = forget_old(self.store, now)
        freed = self._freed + (self._tidy(now) if self.runs_days else 0)
        done = Retained(runs, keys, identities, freed, self.clock() < self._end)
        self.store.beat(
            RETENTION_BEAT,
            self.clock(),
            {
                "runs": runs,
                "keys": keys,
                "freed": freed,
                "complete": done.complete,
                "seconds": self.clock() - now,
            },
        )
        return done

    def _delete_runs(self, now: float) -> int:
        before = datetime.fromtimestamp(now - self.runs_days * DAY, UTC)
        deleted = 0
        while self.clock() < self._end:
            page = self.instance.get_run_records(
                RunsFilter(statuses=list(FINISHED_STATUSES), updated_before=before),
                limit=PAGE,
                ascending=True,
            )
            for record in page:
                self.instance.delete_run(record.dagster_run.run_id)
                self._freed += self._files.delete(record.dagster_run.run_id)
            deleted += len(page)
            if len(page) < PAGE:
                break
        return deleted

    def _tidy(self, now: float) -> int:
        """Bytes of files that no run needs any more, and of what databases gave back."""
        freed = self._files.delete_orphans(now, self._over)
        self._files.delete_runless(now - self.runs_days * DAY)
        return freed + self._files.shrink(self._over)

    def _over(self) -> bool:
        return self.clock() >= self._end

    def _drop_keys(self, now: float) -> int:
        """Delete keys of old batches that are decided and that no run needs, now or soon."""
        seen = DagsterBelief(self.instance, self.lanes).read(now)
        busy = {key for run in seen.runs for key in run.keys}
        busy |= self.store.regrading().keys() | self.store.stale_manifests().keys()
        gone = 0
        for key in self._old(seen.keys, now):
            if self.clock() >= self._end:
                break
            if key in busy or not all(_done(row) for row in batch_rows(self.store, [key])):
                continue
            self.instance.delete_dynamic_partition(PARTITIONS, key)
            gone += 1
        return gone

    def _old(self, keys: Sequence[str], now: float) -> Iterator[str]:
        first_kept = datetime.fromtimestamp(now - self.keys_days * DAY, UTC).strftime("%Y-%m-%d")
        for key in keys:
            try:
                _, day, _ = parse_batch(key)
            except InvalidPartition:  # not one of our keys
                continue
            if day < first_kept:
                yield key


def _done(row: ImageRow) -> bool:
    return row.due_at is None and (
        Status(row.pipeline_status).terminal or row.object_state != "present"
    )


def retention_of(platform: Any, instance: DagsterInstance) -> Retention:
    """The pass that the settings of a platform describe."""
    settings = platform.settings
    return Retention(
        platform.store,
        instance,
        platform.lanes,
        platform.clock,
        settings.retention.runs_days,
        settings.retention.keys_days,
    )
