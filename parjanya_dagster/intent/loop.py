"""The reconciling loop: settle, reconcile, check eligibility, emit, wait.

It knows no Dagster. Its caller adds the partition keys and starts the runs that it yields: in
production the sensor `pending_rows`, and in simulations a model of Dagster. Clock and pause are
injected, so a test steps time instead of sleeping.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf

from parjanya_dagster.belief.snapshot import Belief
from parjanya_dagster.intent.dispatch import Dispatcher
from parjanya_dagster.intent.eligibility import Eligibility
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.intent.plan import Plan, Request
from parjanya_dagster.intent.reconcile import Reconciled, reconcile
from parjanya_dagster.intent.scaling_groups import ScalingGroups
from parjanya_dagster.intent.standing_still import StandingStill
from parjanya_dagster.lanes import Lane
from parjanya_dagster.truth import Hints
from parjanya_dagster.truth.models import DueBatch
from parjanya_dagster.truth.store import Store

NEVER = -inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long a tick lasts, and how long it waits for what. All in seconds."""

    tick: float = 20.0  # a tick goes on looking, so that what arrives is seen at once
    look: float = 0.5  # between looks at what is due
    compare: float = 5.0  # after which everything is compared again, change or no change
    settle: float = 0.7  # what is due must have stood still this long before intent is emitted,
    settle_most: float = 4.0  # but no pass waits longer than this for it
    alone: float = 0.2  # instead of `settle`, where nothing followed what just landed,
    just: float = 1.0  # if that was seen so short a time ago
    gap: float = 60.0  # between two passes; after a longer one silence proves no death


@dataclass(frozen=True, slots=True, kw_only=True)
class Emission:
    """What one pass asks of its caller, and what it has sent by itself."""

    add_keys: tuple[str, ...]  # partition keys to add, before the next pass and before any run
    runs: tuple[Request, ...]  # runs to start
    messages: tuple[Request, ...]  # sent to lanes' queues; what a queue did not take comes again
    reconciled: Reconciled

    @property
    def plan(self) -> Plan:
        return self.reconciled.plan

    @property
    def asks_for_work(self) -> bool:
        return bool(self.runs or self.messages)


@dataclass(frozen=True, kw_only=True)
class Loop:
    """Turns what is due into intent."""

    store: Store
    belief: Belief  # Dagster's runs and keys, and the messages in lanes' queues
    lanes: Sequence[Lane]
    limits: Callable[[], Limits]  # asked in each pass: a lane may have drifted meanwhile
    eligibility: Eligibility
    dispatcher: Dispatcher
    scaling_groups: ScalingGroups
    advance_regrades: Callable[[float], None]  # those that nobody advances, until then
    hints: Hints | None  # tells of changes of Truth; None: it is looked at
    clock: Callable[[], float]
    pause: Callable[[float], None]
    landed_alone: Callable[[], float] = lambda: NEVER
    """When something landed last, and nothing else was being written. `NEVER`: more may follow."""
    timing: Timing = Timing()

    def tick(self) -> Iterator[Emission]:
        """Passes until one asks for work, or the tick has lasted long enough.

        Add the keys of an emission before you take the next one. Raises TruthUnavailable and
        BeliefUnreadable; then nothing is emitted.
        """
        end = self.clock() + self.timing.tick
        due: list[DueBatch] = []
        settled = False
        while True:
            self.advance_regrades(end)
            just_seen = None
            if not settled:
                due = just_seen = self._settle(end, due)
            emission = self.run_pass(end, just_seen)
            yield emission
            if emission.asks_for_work:
                return
            if emission.add_keys and self.clock() < end:
                settled = not settled  # it has stood still already; but keys may be slow to show
                continue
            settled = False
            if emission.add_keys or not self._await_change(due, end):
                return

    def run_pass(self, end: float, due: Sequence[DueBatch] | None = None) -> Emission:
        """Compare once, and emit. `end`: when the tick ends. `due`: what was just seen to be due;
        None: it is looked at."""

        def choose(plan: Plan) -> tuple[Request, ...]:
            if plan.add_keys and self.clock() < end:
                return ()  # the next pass knows where the keys stand: neighbours share a run
            return self.eligibility.select(plan.requests)

        reconciled = reconcile(
            self.store,
            self.belief,
            self.lanes,
            self.limits(),
            self.clock,
            choose=choose,
            gap=self.timing.gap,
            due=due,
        )
        requests = reconciled.requests
        messages = tuple(request for request in requests if self.dispatcher.takes(request))
        self.dispatcher.send(messages)
        self.scaling_groups.adjust(self.lanes, reconciled.plan.shares)
        return Emission(
            add_keys=reconciled.plan.add_keys,
            runs=tuple(request for request in requests if not self.dispatcher.takes(request)),
            messages=messages,
            reconciled=reconciled,
        )

    def _settle(self, end: float, before: list[DueBatch]) -> list[DueBatch]:
        """Wait until what is due stands still for a moment, so that a burst goes into one run.

        It is enough that one tenant's does that has something new since `before`: it does not wait
        for another's burst. What comes elsewhere meanwhile, while this stands still, is the next
        pass's.
        """
        began = self.clock()
        due = self.store.due(began)
        still = StandingStill(before, due, began)
        while due and (now := self.clock()) < min(began + self.timing.settle_most, end):
            settle = self._must_stand_still(now)
            left = settle - (now - still.since)
            if left <= 0:
                break
            self.pause(max(left, settle / 2))  # each look is paid for on DynamoDB
            if self.store.due(self.clock(), batches={one.batch for one in due}) != due:
                due = self.store.due(self.clock())
            still.look(due, self.clock())
        return due

    def _must_stand_still(self, now: float) -> float:
        """Seconds. A file must have been still before it was taken in (`objects.local`), so whoever
        took one in and saw no other being written has waited for a burst already."""
        just_now = 0 <= now - self.landed_alone() < self.timing.just
        return self.timing.alone if just_now else self.timing.settle

    def _await_change(self, due: list[DueBatch], end: float) -> bool:
        """Wait until something else is due, or it is time to compare everything again.

        Where Truth tells of changes, it is not asked in between. Returns False where the tick has
        lasted long enough.
        """
        compare_at = self.clock() + self.timing.compare
        while (now := self.clock()) < compare_at:
            if now + self.timing.look > end:
                return False
            self.pause(self.timing.look)
            if self._changed(due):
                return True
        return True

    def _changed(self, due: list[DueBatch]) -> bool:
        changed = self.hints.poll() if self.hints is not None else None
        if changed is None:  # nothing tells of changes, or it cannot be read
            return self.store.due(self.clock()) != due
        return bool(changed)
