"""A lane that works from a queue: whatever happens to messages and workers, no image is lost.

Real are the store, the sweep, the reconciler, what is sent and believed, and the worker with its
claims and commits. Modelled are the queue (held to SQS's ways by `tests/unit/aws/test_queues.py`),
Dagster's partition list, and the work on pixels.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from parjanya_dagster.belief.tags import RUN
from parjanya_dagster.errors import BeliefUnreadable
from parjanya_dagster.execution.queue_worker import HIDDEN
from parjanya_dagster.lanes import EMBEDDED
from parjanya_dagster.queues.assignments import Assignment, read_body
from parjanya_dagster.truth.stages import Status
from parjanya_dagster.truth.store import Store
from tests.simulation.house import LIMITS, TICK
from tests.simulation.memory import in_memory
from tests.simulation.mortal import Died, Mortal
from tests.simulation.queue_house import QueueHouse, begin, upload
from tests.support.simulated import COUNTED, EXAMPLES, SEED

STEPS = 80


@pytest.fixture
def house(template: Path) -> Iterator[QueueHouse]:
    store = in_memory(template, seed=1)
    yield QueueHouse(store, EMBEDDED)
    store.close()


def lose_records(house: QueueHouse) -> None:
    """What was sent is not known any more."""
    for one in house.store.messages():
        house.store.message_done(one.message_id)


def sent(house: QueueHouse) -> list[Assignment]:
    return [read_body(one.body) for one in house.queue.stored]


def test_what_is_due_is_sent_once_and_worked_off(house: QueueHouse) -> None:
    begin(house)
    batches = [batch for one in sent(house) for batch in one.batches]
    assert sorted(batches) == house.store.batches()
    house.tick()
    assert [batch for one in sent(house) for batch in one.batches] == batches
    house.settle()
    assert {row.pipeline_status for row in house._rows()} == {"curated"}
    assert house.queue.stored == []
    assert house.store.messages() == []
    assert house.store.heartbeats(RUN) == {}


def test_a_message_says_no_location(house: QueueHouse) -> None:
    begin(house)
    for one in house.queue.stored:
        assert set(json.loads(one.body)) == {
            "version", "id", "lane", "stages", "batches", "regrade", "along"
        }  # fmt: skip
        assert "incoming" not in one.body


@pytest.mark.parametrize("disaster", ["purge", "drop"])
def test_a_queue_that_lost_everything_is_filled_again_from_truth(
    house: QueueHouse, disaster: str
) -> None:
    begin(house)
    getattr(house.queue, disaster)()
    house.clock.pass_by(TICK)
    house.tick()
    assert not house.queue.exists or house.queue.stored == []  # counts may lag: it waits a little
    house.settle()
    assert {row.pipeline_status for row in house._rows()} == {"curated"}


def test_the_message_stays_until_rows_that_retry_are_done(house: QueueHouse) -> None:
    upload(house, 1)
    house.sweep()
    house.tick()
    house.calm, house.rng = False, random.Random(0)
    house.rng.choice = lambda _: "retry"  # type: ignore[method-assign,assignment,return-value]
    (message,) = house.queue.receive(1, 0)
    assert not house.worker().take(message)
    assert len(house.queue.stored) == 1
    assert house.queue.state().hidden == 1
    house.rng = random.Random(0)
    house.settle()
    assert house.queue.stored == []


def test_a_worker_that_dies_leaves_its_message_and_another_one_goes_on(house: QueueHouse) -> None:
    begin(house, 2)
    assert not house.serve(house.mortal(5, after=False))  # at its first commit
    assert house.queue.state().hidden == 1
    assert house.queue.receive(1, 0) == []
    house.clock.pass_by(HIDDEN + 1)
    house.tick()
    house.settle()
    assert {row.attempts for row in house._rows()} == {0}
    assert {row.pipeline_status for row in house._rows()} == {"curated"}


def test_a_message_that_came_twice_or_late_finds_nothing_to_do(house: QueueHouse) -> None:
    begin(house)
    bodies = [one.body for one in house.queue.stored]
    house.settle()
    events = sum(len(house.store.history(row.image_id)) for row in house._rows())
    for body in bodies:
        house.queue.send(body)
    while house.serve():
        pass
    assert house.queue.stored == []
    assert events == sum(len(house.store.history(row.image_id)) for row in house._rows())


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        '{"version": 2}',
        '{"version": 1, "id": "x", "lane": "gpu", "stages": ["scored"], "batches": ["acme"]}',
        '{"version": 1, "id": "x", "lane": "other", "stages": ["scored"],'
        ' "batches": ["acme/2025-10-09/001"]}',
        '{"version": 1, "id": "x", "lane": "embedded", "stages": ["rm"],'
        ' "batches": ["acme/2025-10-09/001"]}',
    ],
)
def test_a_message_that_asks_for_nothing_sensible_is_put_away_and_stops_no_other(
    house: QueueHouse, body: str
) -> None:
    begin(house)
    house.queue.stored[0].body, real = body, house.queue.stored[0].body
    house.queue.send(real)
    house.serve()
    house.settle()
    assert {row.pipeline_status for row in house._rows()} == {"curated"}


def test_the_backlog_guard_counts_messages_that_nobody_noted(house: QueueHouse) -> None:
    for tenant in range(10):
        upload(house, 3, f"tenant{tenant:02d}")
    house.sweep()
    for _ in range(10):
        house.tick()
        lose_records(house)  # a backup was restored each time
        house.clock.pass_by(TICK)
    most = 2 * (LIMITS.queued_runs + LIMITS.reserved_runs)
    assert len(house.queue.stored) <= most
    house.settle()


def test_a_queue_that_cannot_be_counted_is_an_incident_and_not_an_empty_one(
    house: QueueHouse,
) -> None:
    begin(house)
    house.queue.denied.add("state")
    before = len(house.queue.stored)
    upload(house, 5, first=5)
    house.sweep()
    with pytest.raises(BeliefUnreadable, match="grant it"):
        house.tick()
    assert len(house.queue.stored) == before
    house.settle()


class Walk:
    """A sequence of steps by chance, each followed by all checks."""

    def __init__(self, house: QueueHouse, rng: random.Random) -> None:
        self.house, self.rng = house, rng
        house.rng, house.calm = rng, False
        self.number = 0
        self.steps: list[str] = []

    def run(self) -> None:
        choices: list[tuple[Callable[[], None], int]] = [
            (self.upload, 6),
            (self.sweep, 5),
            (self.tick, 10),
            (self.serve, 12),
            (self.die_serving, 4),
            (self.die_ticking, 2),
            (self.pass_time, 6),
            (self.long_time, 1),
            (self.lose_a_message, 2),
            (self.repeat_a_message, 2),
            (self.purge, 1),
            (self.drop, 1),
            (self.lose_records, 1),
            (self.lose_pulses, 1),
            (self.deny, 1),
            (self.poison, 1),
            (self.short_retention, 1),
        ]
        steps = [step for step, _ in choices]
        weights = [weight for _, weight in choices]
        for step in self.rng.choices(steps, weights, k=STEPS):
            self.steps.append(step.__name__)
            step()
            self.house.check()
            COUNTED[f"queued lane: {step.__name__}"] += 1
        ticks = self.house.settle()
        COUNTED["queued lane: most ticks to settle"] = max(
            ticks, COUNTED["queued lane: most ticks to settle"]
        )

    def upload(self) -> None:
        self.number += 1
        tenant = self.rng.choice(("acme", "bolt", "cord"))
        key = f"incoming/{self.rng.randrange(12)}.jpg"
        self.house.buckets.upload(tenant, key, self.house.clock())

    def sweep(self) -> None:
        self.house.sweep()

    def tick(self) -> None:
        if self.house.queue.denied:
            with pytest.raises(BeliefUnreadable):
                self.house.tick()
            self.house.queue.denied.clear()
        else:
            self.house.tick()

    def serve(self) -> None:
        if self.house.queue.exists:
            self.house.serve()

    def die_serving(self) -> None:
        if self.house.queue.exists:
            at = self.rng.randint(1, 12)
            self.house.serve(self.house.mortal(at, after=self.rng.random() < 0.5))

    def die_ticking(self) -> None:
        if self.house.queue.denied:
            return
        mortal: Mortal = self.house.mortal(self.rng.randint(1, 6), after=self.rng.random() < 0.5)
        try:
            self.house.tick(mortal)
        except Died as death:
            self.house.counted[f"tick died {death}"] += 1

    def pass_time(self) -> None:
        self.house.clock.pass_by(self.rng.choice((5.0, 60.0, 150.0)))

    def long_time(self) -> None:
        self.house.clock.pass_by(self.rng.choice((5 * 3600.0, 62 * 3600.0, 5 * 86_400.0)))

    def lose_a_message(self) -> None:
        stored = self.house.queue.stored
        if stored:
            stored.pop(self.rng.randrange(len(stored)))

    def repeat_a_message(self) -> None:
        queue = self.house.queue
        if queue.exists and queue.stored:
            queue.send(self.rng.choice(queue.stored).body)

    def purge(self) -> None:
        self.house.queue.purge()

    def drop(self) -> None:
        self.house.queue.denied.clear()
        self.house.queue.drop()

    def lose_records(self) -> None:
        lose_records(self.house)

    def lose_pulses(self) -> None:
        self.house.store.forget(list(self.house.store.heartbeats(RUN)))

    def deny(self) -> None:
        if self.house.queue.exists:
            self.house.queue.denied.add("state")

    def poison(self) -> None:
        rows = [row for row in self.house._rows() if not Status(row.pipeline_status).terminal]
        if rows:
            self.house.poison.add(self.rng.choice(rows).image_id)

    def short_retention(self) -> None:
        self.house.queue.retention = 3600.0


@pytest.mark.parametrize("number", range(max(1, EXAMPLES // 6)))
def test_whatever_happens_every_image_ends(template: Path, number: int) -> None:
    store: Store = in_memory(template, seed=SEED + number)
    walk = Walk(QueueHouse(store, EMBEDDED), random.Random(f"{SEED}:{number}"))
    try:
        walk.run()
        assert all(Status(row.pipeline_status).terminal for row in walk.house._rows())
    except BaseException as error:
        error.add_note(f"seed {SEED}, walk {number}: {' '.join(walk.steps)}")
        raise
    finally:
        COUNTED.update({f"queued lane: {k}": v for k, v in walk.house.counted.items()})
        store.close()
