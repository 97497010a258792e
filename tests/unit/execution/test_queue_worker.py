"""A queue's worker is a run like any other: counted, identified, held when it drifted, and warm.

The queue is a model (`tests/simulation/queue_model.py`); the store and the metrics are real. The
work is a stand-in that refuses every image, since what is under test is what surrounds it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest

from parjanya_dagster.belief.drift import declare, drifts, running
from parjanya_dagster.belief.ledger import fold
from parjanya_dagster.belief.observe import observe
from parjanya_dagster.belief.snapshot import LiveRun, RunState, Seen
from parjanya_dagster.errors import Drifted
from parjanya_dagster.execution.heartbeat import RunHeartbeat
from parjanya_dagster.execution.queue_worker import Worker
from parjanya_dagster.lanes import SPLIT
from parjanya_dagster.metrics.families import families
from parjanya_dagster.metrics.measure import measure
from parjanya_dagster.platform import Platform
from parjanya_dagster.queues.assignments import Assignment
from parjanya_dagster.queues.messages import Message
from parjanya_dagster.truth.outcomes import Claim, Outcome, Retry, TerminalFailure
from parjanya_dagster.truth.records import Holder
from tests.simulation.queue_model import QueueModel
from tests.support.clock import Clock
from tests.support.pictures import picture
from tests.support.settings import changed
from tests.support.snapshots import Idle

IMAGES = 2
SECONDS = 3.0  # that each image takes


@dataclass
class Refusing:
    """Work that finds every image undecodable, or its storage away while `away`."""

    stage: str
    clock: Clock
    load_seconds: ClassVar[float] = 0.0
    away: bool = False

    def prepare(self) -> None: ...

    def work(self, claims: Sequence[Claim]) -> Iterator[tuple[Claim, Outcome]]:
        for claim in claims:
            self.clock.pass_by(SECONDS)
            refusal = TerminalFailure("undecodable", "It is no image.")
            yield claim, Retry("StorageUnavailable: away") if self.away else refusal


@dataclass
class Fleet:
    """A platform with one batch due, a queue with one message that asks for it, and workers."""

    platform: Platform
    clock: Clock
    queue: QueueModel = field(init=False)
    away: bool = False  # the storage

    def __post_init__(self) -> None:
        self.queue = QueueModel(self.clock)
        folder = self.platform.settings.home / "buckets" / "acme" / "incoming"
        folder.mkdir(parents=True)
        for number in range(IMAGES):
            (folder / f"{number}.jpg").write_bytes(picture(number))
        (self.batch,) = self.platform.sweeper.sweep(self.clock() + 60.0, True).registered
        self.clock.pass_by(1.0)
        lane = self.platform.lanes[0]
        self.queue.send(Assignment("asked-1", lane.name, lane.stages, (self.batch,)).body())

    def worker(self) -> Worker:
        return Worker(
            self.platform,
            self.platform.lanes[0],
            self.queue,
            work=lambda stage, _: Refusing(stage, self.clock, self.away),
        )

    def hold_drifted(self) -> None:
        settings = changed(self.platform.settings, identity={"hold_drifted": True})
        self.platform = replace(self.platform, settings=settings)

    def declare(self, **identity: str) -> None:
        """Somebody declares what the lane should run."""
        declare(self.platform.store, "embedded", identity, self.clock())
        self.clock.pass_by(1.0)

    def untouched(self) -> bool:
        rows = self.platform.store.present("acme")
        return all((row.fence, row.pipeline_status) == (0, "pending_validation") for row in rows)

    def measured(self, name: str, **labels: str) -> float | None:
        """A sample of the metrics, as Prometheus would read it."""
        for family in families(measure(self.platform, None, lambda: ())):
            for sample in family.samples:
                if sample.name == f"parjanya_{name}" and labels.items() <= sample.labels.items():
                    return float(sample.value)
        return None


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stages whose models were loaded: the engines here have none."""
    stages: list[str] = []

    @dataclass
    class Engine:
        stage: str

        def warm(self) -> None:
            stages.append(self.stage)

    monkeypatch.setattr(
        "parjanya_dagster.execution.preload.engine_of", lambda _, stage: Engine(stage)
    )
    return stages


@pytest.fixture
def fleet(platform: Platform, clock: Clock) -> Fleet:
    return Fleet(platform, clock)


def test_outcomes_and_seconds_of_a_queue_worker_are_in_the_metrics(fleet: Fleet) -> None:
    assert fleet.worker().drain(stop=lambda: False, wait=0.0) == 1
    acme = {"tenant": "acme", "stage": "validated"}
    assert fleet.measured("outcomes_total", **acme, outcome="failed") == IMAGES
    assert fleet.measured("work_seconds_total", **acme) == pytest.approx(IMAGES * SECONDS)
    started = {"lane": "embedded", "phase": "loading validated"}
    assert fleet.measured("run_start_seconds_count", **started) == 1


def test_a_message_that_comes_again_is_counted_again_also_after_its_first_ledger_was_folded(
    fleet: Fleet,
) -> None:
    """Both bear the same id: what each delivery counts has a name of its own."""
    fleet.away = True
    worker = fleet.worker()
    for delivery in (1, 2, 3):
        (message,) = fleet.queue.receive(1, 0.0)
        assert not worker.take(message)
        retries = {"stage": "validated", "reason": "StorageUnavailable"}
        assert fleet.measured("retries_total", **retries) == delivery * IMAGES
        if delivery == 1:
            assert fold(fleet.platform.store, (), fleet.clock(), 120.0) > 0
        fleet.clock.pass_by(4 * 3600.0)


def test_a_queue_worker_says_what_it_is_before_its_first_message_and_with_each(
    fleet: Fleet,
) -> None:
    worker = fleet.worker()
    fleet.queue.purge()
    worker.drain(stop=lambda: False, wait=0.0)
    (seen,) = running(fleet.platform.store)
    assert seen[0] == "embedded"
    assert seen[3]["code"]
    assert fleet.measured("running_info", lane="embedded", code=seen[3]["code"]) == 1
    started = {"lane": "embedded", "phase": "importing"}
    assert fleet.measured("run_start_seconds_count", **started) == 1

    fleet.clock.pass_by(3600.0)
    assignment = Assignment("asked-2", "embedded", ("validated",), (fleet.batch,))
    worker.take(Message(assignment.body(), "receipt"))
    (seen,) = running(fleet.platform.store)
    assert seen[2] == "asked-2"
    assert seen[1] >= fleet.clock() - IMAGES * SECONDS


def test_a_drifted_queue_worker_works_and_is_told_of(fleet: Fleet) -> None:
    fleet.declare(code="another")
    assert fleet.worker().drain(stop=lambda: False, wait=0.0) == 1
    (drift,) = drifts(fleet.platform.store)
    assert drift.differs["code"][0] == "another"
    assert fleet.measured("drifted", lane="embedded") == 1


def test_where_drifted_lanes_are_held_it_stops_before_it_takes_or_loads_anything(
    fleet: Fleet, loaded: list[str]
) -> None:
    fleet.hold_drifted()
    fleet.declare(code="another")
    with pytest.raises(Drifted, match="another"):
        fleet.worker().serve(lambda: not fleet.queue.stored, lambda _: None, 0.0)
    assert fleet.queue.stored[0].received == 0
    assert fleet.untouched()
    assert loaded == []
    assert fleet.platform.limits.held_lanes == {"embedded"}


def test_what_is_declared_while_it_serves_makes_it_hand_its_message_back_and_stop(
    fleet: Fleet,
) -> None:
    fleet.hold_drifted()
    worker = fleet.worker()
    message = fleet.queue.stored.pop()
    assert worker.drain(stop=lambda: False, wait=0.0) == 0
    fleet.queue.stored.append(message)
    fleet.declare(code="another")
    with pytest.raises(Drifted):
        worker.drain(stop=lambda: False, wait=0.0)
    assert fleet.untouched()
    assert len(fleet.queue.receive(1, 0.0)) == 1, "another worker can have it at once"
    assert [drift.run_id for drift in drifts(fleet.platform.store)] == ["asked-1"]


def test_models_are_loaded_before_the_first_message_is_taken(
    fleet: Fleet, loaded: list[str]
) -> None:
    stopping = threading.Event()

    class Listening(QueueModel):
        def receive(self, most: int, wait: float) -> list[Message]:
            assert loaded == ["enriched", "scored"]
            stopping.set()
            return []

    fleet.queue = Listening(fleet.clock)
    fleet.worker().serve(stopping.is_set, lambda _: None, 0.0)
    assert stopping.is_set()
    started = {"lane": "embedded", "phase": "loading scored"}
    assert fleet.measured("run_start_seconds_count", **started) == 1


def test_a_model_that_cannot_be_loaded_is_left_to_the_work_that_needs_it(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_settings: Any, _stage: str) -> Any:
        raise OSError("its folder is gone")

    monkeypatch.setattr("parjanya_dagster.execution.preload.engine_of", broken)
    assert fleet.worker().drain(stop=lambda: False, wait=0.0) == 1


def test_what_was_counted_is_closed_where_a_worker_is_stopped_between_two_stages(
    fleet: Fleet,
) -> None:
    done: list[str] = []

    class Stopping(Refusing):
        def work(self, claims: Sequence[Claim]) -> Iterator[tuple[Claim, Outcome]]:
            yield from super().work(claims)
            done.append(self.stage)

    worker = Worker(
        fleet.platform,
        fleet.platform.lanes[0],
        fleet.queue,
        work=lambda stage, _: Stopping(stage, fleet.clock),
    )
    (message,) = fleet.queue.receive(1, 0.0)
    worker.take(message, stop=lambda: bool(done))
    assert done == ["validated"]
    (book,) = fleet.platform.store.books()
    assert (book.stage, book.closed) == ("validated", True)
    assert book.accounts["tenant/acme"]["outcomes|validated|failed"] == IMAGES


def test_heartbeats_are_those_of_a_run(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunHeartbeat, "_just_told", lambda _: False)  # as if each stage lasted
    seen: list[Mapping[str, Any]] = []

    class Looking(Refusing):
        def prepare(self) -> None:
            seen.append(fleet.platform.store.heartbeats("run")["run:asked-1"].payload)

    worker = Worker(
        fleet.platform,
        fleet.platform.lanes[0],
        fleet.queue,
        work=lambda stage, _: Looking(stage, fleet.clock),
    )
    assert worker.drain(stop=lambda: False, wait=0.0) == 1
    assert [payload["stage"] for payload in seen] == list(fleet.platform.lanes[0].stages)
    assert fleet.platform.store.heartbeats("run") == {}


# --- what goes along ----------------------------------------------------------------------------


def taking_along(fleet: Fleet, rows: int, *, away: bool = False) -> tuple[Worker, Message]:
    """A worker of the gpu lane, and a message for all stages that takes so many rows along."""
    lane = SPLIT[1]
    fleet.queue.purge()
    assignment = Assignment("asked-3", lane.name, lane.reach, (fleet.batch,), along=rows)
    fleet.queue.send(assignment.body())
    worker = Worker(
        fleet.platform, lane, fleet.queue, work=lambda stage, _: Refusing(stage, fleet.clock, away)
    )
    (message,) = fleet.queue.receive(1, 0.0)
    return worker, message


def still_to_validate(fleet: Fleet) -> int:
    rows = fleet.platform.store.present("acme")
    return sum(row.pipeline_status == "pending_validation" for row in rows)


def test_a_message_takes_along_no_more_rows_than_it_says_and_waits_for_no_others(
    fleet: Fleet,
) -> None:
    worker, message = taking_along(fleet, 1)
    assert worker.take(message)
    assert still_to_validate(fleet) == IMAGES - 1
    assert fleet.queue.stored == []


def test_rows_that_retry_where_they_went_along_are_asked_for_again_by_whoever_can(
    fleet: Fleet,
) -> None:
    worker, message = taking_along(fleet, IMAGES, away=True)
    assert worker.take(message)
    assert still_to_validate(fleet) == IMAGES


def test_a_worker_that_is_told_to_end_hands_back_what_went_along_with_its_message(
    fleet: Fleet,
) -> None:
    """Else the rows would wait for another message, as if they had just come."""
    worker, message = taking_along(fleet, IMAGES)
    assert not worker.take(message, stop=lambda: True)
    assert still_to_validate(fleet) == IMAGES
    assert len(fleet.queue.receive(1, 0.0)) == 1


@pytest.mark.parametrize("in_hand", [False, True])
def test_the_record_of_a_dead_process_frees_no_rows_of_another_that_has_its_message(
    fleet: Fleet, in_hand: bool
) -> None:
    """A message keeps its id, and may come again before the record of its last process is gone."""
    store, owners, freed = fleet.platform.store, list[str](), list[int]()

    @dataclass
    class Watched(Refusing):
        def work(self, claims: Sequence[Claim]) -> Iterator[tuple[Claim, Outcome]]:
            owners.extend({str(claim.row.lease_owner) for claim in claims})
            freed.append(store.expire_leases(self.clock()))
            yield from super().work(claims)

    worker = Worker(
        fleet.platform,
        fleet.platform.lanes[0],
        fleet.queue,
        work=lambda stage, _: Watched(stage, fleet.clock, fleet.away),
    )
    fleet.away = True
    worker.drain(stop=lambda: False, wait=0.0)
    ids = tuple(row.image_id for row in store.present("acme"))
    said = Holder(owner=owners[0], until=fleet.clock(), hand=ids if in_hand else ())
    store.note_holder(said)  # as if it had died
    fleet.clock.pass_by(4 * 3600.0)
    fleet.away = False
    assert worker.drain(stop=lambda: False, wait=0.0) == 1
    assert freed == [0, 0]
    rows = store.present("acme")
    assert {row.failure_class for row in rows} == {"undecodable"}
    assert {event.run_id for row in rows for event in store.history(row.image_id)} == {
        "", "asked-1"
    }  # fmt: skip


def test_the_leases_of_a_message_are_those_of_its_run(fleet: Fleet) -> None:
    """By them it is known to live."""
    seen: list[float | None] = []
    store = fleet.platform.store

    class Believing(Idle):
        def read(self, now: float) -> Seen:
            run = LiveRun(
                run_id="asked-1",
                job="embedded",
                state=RunState.STARTED,
                keys=(fleet.batch,),
                stages=("validated",),
                since=now,
                requested=True,
            )
            return Seen(keys=(), runs=(run,), failed=())

    @dataclass
    class Watched(Refusing):
        def work(self, claims: Sequence[Claim]) -> Iterator[tuple[Claim, Outcome]]:
            (observed,) = observe(store, Believing(), self.clock()).runs
            seen.append(observed.lease_until)
            yield from super().work(claims)

    Worker(
        fleet.platform,
        fleet.platform.lanes[0],
        fleet.queue,
        work=lambda stage, _: Watched(stage, fleet.clock),
    ).drain(stop=lambda: False, wait=0.0)
    assert seen == [pytest.approx(fleet.clock() - IMAGES * SECONDS + 120.0, abs=1.0)]
