"""A house whose lane works from a queue."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import ClassVar

from parjanya_dagster.errors import TruthUnavailable
from parjanya_dagster.execution.queue_worker import Worker
from parjanya_dagster.execution.worker import Pace, StageWork
from parjanya_dagster.lanes import Lane
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.outcomes import Claim, Outcome
from tests.simulation.bucket import Buckets
from tests.simulation.house import TICK, House
from tests.simulation.mortal import Died, Mortal
from tests.simulation.queue_model import QueueModel
from tests.simulation.worker import kinds, outcome


class Kept(Buckets):
    """Buckets that take manifests, and keep none."""

    def put_over(self, bucket: str, key: str, data: bytes, content_type: str, version: str) -> bool:
        return not version


@dataclass
class Standing:
    """Stands in for a stage's work: outcomes by chance, and images that end the process."""

    stage: str
    load_seconds: ClassVar[float] = 0.0
    kind: Callable[[], str]
    house: House
    store: Mortal

    def prepare(self) -> None: ...

    def work(self, claims: Sequence[Claim]) -> Iterator[tuple[Claim, Outcome]]:
        for claim in claims:
            if self.house.poisonous(claim):
                self.store.died = "of poison"  # the process is gone: nothing is handed back
                raise Died(self.store.died)
            yield claim, outcome(claim, self.kind(), self.house.clock(), self.house.policies.of)


@dataclass
class QueueHouse(House):
    """A house whose one lane works from a queue."""

    rng: random.Random = field(default_factory=lambda: random.Random(1))
    calm: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.buckets = Kept()
        self.queue = QueueModel(self.clock)
        self.queues = {self.lane.name: self.queue}

    @property
    def lane(self) -> Lane:
        return self.lanes[0]

    def worker(self, store: Mortal | None = None) -> Worker:
        mortal = store or Mortal(self.store)

        def work(stage: str, run_id: str) -> StageWork:
            def kind() -> str:
                return self.rng.choice(kinds(self.calm))

            return Standing(stage, kind, self, mortal)

        place = SimpleNamespace(
            settings=Settings(),
            store=mortal,
            objects=self.buckets,
            clock=self.clock,
            pace=Pace(rows=2, seconds=5.0, lease=120.0),
        )
        return Worker(place, self.lane, self.queue, work=work)  # type: ignore[arg-type]

    def serve(self, store: Mortal | None = None) -> bool:
        """One message, if there is one. The worker may die of it."""
        try:
            for message in self.queue.receive(1, 0):
                self.worker(store).take(message)
                return True
        except Died as death:
            self.counted[f"worker died {death}"] += 1
        except TruthUnavailable:
            self.counted["truth away"] += 1
        return False

    def settle(self) -> int:
        """No more faults: everything becomes terminal. Returns after how many ticks."""
        self.calm, self.queue.denied = True, set()
        for ticks in range(1, 400):
            self.sweep()
            self.tick()
            while self.queue.exists and self.serve():
                pass
            self.check()
            if self._quiet():
                self._check_end()
                return ticks
            self.clock.pass_by(TICK)
        raise AssertionError(f"not terminal: {self._left()}, {self.store.stale_manifests()}")


def upload(house: House, count: int, tenant: str = "acme", first: int = 0) -> None:
    for n in range(first, first + count):
        house.buckets.upload(tenant, f"incoming/{n}.jpg", house.clock())


def begin(house: QueueHouse, count: int = 5) -> None:
    upload(house, count)
    house.sweep()
    house.tick()
