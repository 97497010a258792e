"""A regrade from start to end: recorded, sent back, made into runs, watched.

Progress is reported to a `Reporter`. The request is recorded first, so it may be interrupted at any
point: the platform continues it by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from parjanya_dagster.errors import BackfillRefused, RegradeInvalid
from parjanya_dagster.execution.resources import StageResources
from parjanya_dagster.lanes import Lane
from parjanya_dagster.regrade.advance import Advance, batches_of, keep_hold, release_hold
from parjanya_dagster.regrade.launch import MOST_STRETCHES, launch, stretches, ui_address
from parjanya_dagster.regrade.report import progress
from parjanya_dagster.truth.models import Regrade

HOLD = 120.0  # seconds that a backfill has to make its runs before the reconciler makes them
SENDING = 20.0  # seconds that the reconciler waits for the next partition to be sent back
LOOK_EVERY = 1.0  # seconds between two looks at what still waits


class Where(StageResources, Protocol):
    """What a regrade needs of the platform."""

    @property
    def lanes(self) -> tuple[Lane, ...]: ...
    @property
    def pause(self) -> Callable[[float], None]: ...


class Reporter(Protocol):
    """Hears how far a regrade is."""

    def begun(self, regrade: Regrade) -> None: ...
    def sent_back(self, batch: str, total: int) -> None:
        """A partition was sent back. `total`: images sent back so far."""

    def all_sent_back(self, images: int, partitions: int) -> None: ...
    def launched(self, backfill: str, ui: str) -> None: ...
    def left_to_reconciler(self, reason: str) -> None:
        """No backfill makes its runs. `reason` is a sentence, or empty."""

    def waiting(self, images: int) -> None:
        """So many images are not decided yet. Called after every look."""


def begin(where: Where, asked: Regrade) -> Regrade:
    """Record a regrade: from now on the platform continues it. A recorded one is returned."""
    regrade = where.store.begin_regrade(asked)
    # Runs that start before everything is sent back would be many and small.
    _keep_waiting(where, regrade, SENDING)
    return regrade


def resumed(where: Where, replay_id: str) -> Regrade:
    """A regrade that was begun before. Raises RegradeInvalid."""
    regrade = where.store.regrade(replay_id)
    if regrade is None:
        raise RegradeInvalid(f"There is no regrade {replay_id!r}.")
    return begin(where, regrade)


@dataclass(frozen=True, kw_only=True)
class CarryOut:
    """Carries out a regrade that was begun."""

    where: Where
    regrade: Regrade
    reporter: Reporter
    backfill: bool = True  # make a Dagster backfill of it, where a UI runs
    wait: bool = True  # until all is decided

    def run(self) -> None:
        self.reporter.begun(self.regrade)
        images = self._send_back()
        ui = ui_address(self.where.settings.home) if self.backfill and images else None
        if ui is None:
            self._leave_to_reconciler()
        else:
            self._launch(ui)
        if self.wait:
            self._watch()

    def _send_back(self) -> int:
        """Send every row to its replay boundary. Returns how many were sent by us."""
        where, regrade = self.where, self.regrade
        images = 0

        def sent(batch: str, rows: int) -> None:
            nonlocal images
            images += rows
            _keep_waiting(where, regrade, SENDING)
            self.reporter.sent_back(batch, images)

        partitions = len(batches_of(where.store, regrade))
        Advance(
            store=where.store, published=where.registry.get, clock=where.clock, regrade=regrade
        ).run(sent=sent)
        self.reporter.all_sent_back(images, partitions)
        return images

    def _launch(self, ui: str) -> None:
        """Make one backfill over the lane that decides.

        The reconciler asks for runs of earlier lanes. If the backfill would make too many runs, the
        reconciler packs the partitions instead.
        """
        where, regrade = self.where, self.regrade
        _keep_waiting(where, regrade, HOLD)
        keys = sorted(batch for batch in where.store.regrading() if regrade.covers(batch))
        lane = next(lane for lane in where.lanes if "curated" in lane.stages)
        stages = self._stages_due(lane, set(keys))
        if not keys or not stages or stretches(where.store.batches(), keys) > MOST_STRETCHES:
            self._leave_to_reconciler("The reconciler packs its partitions into runs.")
            return
        try:
            backfill = launch(ui, regrade, lane, stages, keys)
        except BackfillRefused as error:
            self._leave_to_reconciler(f"{error} The reconciler carries it out.")
        else:
            self.reporter.launched(backfill, ui)

    def _stages_due(self, lane: Lane, batches: set[str]) -> tuple[str, ...]:
        """The stages of a lane from the first one that has rows due in these batches."""
        due = {
            due.stage for due in self.where.store.due(self.where.clock()) if due.batch in batches
        }
        first = min(
            (lane.stages.index(stage) for stage in due if stage in lane.stages), default=None
        )
        return () if first is None else tuple(lane.stages[first:])

    def _leave_to_reconciler(self, reason: str = "") -> None:
        release_hold(self.where.store, self.regrade, self.where.clock())
        self.reporter.left_to_reconciler(reason)

    def _watch(self) -> None:
        while True:
            waiting = progress(self.where.store, self.regrade)["rows_waiting"]
            self.reporter.waiting(waiting)
            if waiting == 0:
                return
            self.where.pause(LOOK_EVERY)


def _keep_waiting(where: Where, regrade: Regrade, seconds: float) -> None:
    """Ask the reconciler to make no runs of it for so many seconds."""
    now = where.clock()
    keep_hold(where.store, regrade, now, now + seconds)
