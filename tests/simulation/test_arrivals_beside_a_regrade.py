"""What arrives while history is decided again waits no longer than it would without a regrade.

Store, sweep, reconciliation, plan and the sending back of rows are the real ones; Dagster and the
processes of runs are modelled, and Dagster's limits are those that `parjanya up` writes. Delay is
counted in turns: in each, every process takes one step. How fast processes are when they share
cores is not looked at here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench.regrade import STRICTER
from parjanya_dagster import policy
from parjanya_dagster.instance.home import RUNS_PER_SHARE, runs_at_once
from parjanya_dagster.lanes import EMBEDDED
from parjanya_dagster.regrade.advance import Advance, selection
from parjanya_dagster.truth.models import Tenant
from parjanya_dagster.truth.policy_registry import PolicyRegistry
from parjanya_dagster.truth.sql import SqlStore
from parjanya_dagster.truth.stages import Status
from tests.simulation.house import House
from tests.simulation.memory import in_memory
from tests.support.simulated import EXAMPLES, WIDE

HISTORY, ARRIVALS = (90, 40) if EXAMPLES >= WIDE else (48, 20)
EVERY = 5.0  # seconds per turn


@dataclass
class Turns:
    """A house in which turns are counted, and how many each arrival took to be decided."""

    house: House
    turn: int = 0
    came: dict[str, int] = field(default_factory=dict)  # image id -> the turn it came in
    delays: dict[str, int] = field(default_factory=dict)
    regrades_at_once: int = 0
    waiting_beside: int = 0  # turns in which something arrived while rows of a regrade waited

    def take(self, arrival: tuple[str, str] | None) -> None:
        house = self.house
        self.turn += 1
        house.clock.pass_by(EVERY)
        if arrival is not None:
            came = house.buckets.upload(*arrival, house.clock())
            self.came[came.image_id] = self.turn
            self.waiting_beside += bool(house.store.regrading())
        house.sweep()
        house.dagster.apply(house.tick())
        while run := house.dagster.launch(runs_at_once(1), RUNS_PER_SHARE):
            house.dagster.start(run)
        live = [run for run in house.dagster.runs.values() if run.live and run.request.regrade]
        self.regrades_at_once = max(self.regrades_at_once, len(live))
        for process in [one for one in house.dagster.processes if one.alive]:
            house.step(process)
        for image in self.came.keys() - self.delays.keys():
            row = house.store.get(image)
            if row is not None and row.pipeline_status == Status.CURATED:
                self.delays[image] = self.turn - self.came[image]


def arrivals() -> Iterator[tuple[str, str]]:
    """Of the tenant that is regraded, and of one that is not, in turn."""
    for number in range(ARRIVALS):
        yield ("acme", "bolt")[number % 2], f"incoming/new-{number}.jpg"


def decided_history(store: SqlStore) -> House:
    """Images of one tenant, all decided, and another tenant that has none yet."""
    house = House(store, EMBEDDED)
    for slug in ("acme", "bolt"):
        store.put_tenant(
            Tenant(
                slug=slug,
                bucket=slug,
                prefix="incoming/",
                policy="default@1",
                created_at=house.clock(),
            )
        )
    for number in range(HISTORY):
        house.buckets.upload("acme", f"incoming/{number}.jpg", house.clock())
    house.settle()
    house.clock.pass_by(3600.0)
    return house


def stricter(store: SqlStore, house: House) -> PolicyRegistry:
    registry = PolicyRegistry(store, house.clock)
    registry.publish_builtin()
    text = policy.builtin()["default@1"].text
    for old, new in STRICTER.items():
        text = text.replace(old, new)
    registry.publish(policy.load(text))
    return registry


def let_arrive(house: House) -> Turns:
    turns = Turns(house)
    for arrival in arrivals():
        turns.take(arrival)
    for _ in range(300):
        if len(turns.delays) == ARRIVALS and not house.store.regrading():
            break
        turns.take(None)
    house.check()
    return turns


@pytest.fixture
def stores(template: Path) -> Iterator[tuple[SqlStore, SqlStore]]:
    both = in_memory(template, 1), in_memory(template, 1)
    yield both
    for store in both:
        store.close()


def test_arrivals_wait_no_longer_beside_a_regrade(stores: tuple[SqlStore, SqlStore]) -> None:
    first, second = stores
    alone = let_arrive(decided_history(first))
    house = decided_history(second)
    registry = stricter(second, house)
    target = registry.named("stricter@1")
    wanted = second.begin_regrade(selection(second, target, ["acme"], "", "", house.clock()))
    assert Advance(store=second, published=registry.get, clock=house.clock, regrade=wanted).run()
    assert sum(second.regrading().values()) == HISTORY
    beside = let_arrive(house)

    assert beside.waiting_beside == ARRIVALS, "the regrade ended before the last arrival"
    assert 0 < beside.regrades_at_once <= RUNS_PER_SHARE
    assert len(alone.delays) == len(beside.delays) == ARRIVALS
    worst = max(alone.delays.values())
    late = {image: turns for image, turns in beside.delays.items() if turns > worst}
    assert not late, f"without a regrade nothing waits for more than {worst} turns"
    assert not second.regrading(), "the regrade did not go on beside what arrives"
    assert {row.policy for row in house.seen.values() if row.tenant == "acme"} == {"stricter@1"}
