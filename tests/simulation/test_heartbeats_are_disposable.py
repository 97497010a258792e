"""Every heartbeat may be deleted: no decision, no count and no hold is another for it.

Two houses live through the same steps. After some of its ticks, one of them loses its table of
heartbeats. Whatever the reconciler then decides, it must decide in both. That a sign of life is
lost which no tick had heard yet is another matter: its process repeats it within seconds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from parjanya_dagster.belief.drift import declare, drifts, note_running
from parjanya_dagster.belief.ledger import accounts
from parjanya_dagster.intent.loop import Emission
from parjanya_dagster.lanes import EMBEDDED, SPLIT, Lane
from parjanya_dagster.regrade.advance import keep_hold, release_hold
from parjanya_dagster.truth.models import Regrade
from parjanya_dagster.truth.records import PreflightVerdict, RunBook, StagePace
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.sql import SqlStore
from parjanya_dagster.truth.sql.engine import writing
from parjanya_dagster.truth.stages import STAGES, Status
from tests.simulation.house import House
from tests.simulation.memory import in_memory
from tests.support.simulated import COUNTED, EXAMPLES, SEED

STEPS = 60
TENANTS = ("acme", "bolt", "cord")
Step = Callable[[House, random.Random], Any]


def lose_heartbeats(store: SqlStore) -> int:
    """All of them, of whatever family, by whoever cleans tables. Returns how many there were."""
    with writing(store.engine) as connection:
        return connection.execute(text("DELETE FROM heartbeats")).rowcount


# --- steps ---


def upload(house: House, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 4)):
        key = f"incoming/{rng.randrange(30)}.jpg"
        house.buckets.upload(rng.choice(TENANTS), key, house.clock())
    house.sweep()


def launch(house: House, rng: random.Random) -> None:
    run = house.dagster.launch()
    if run is not None and rng.random() < 0.9:  # else it never starts
        house.dagster.start(run)


def work(house: House, rng: random.Random) -> None:
    alive = [one for one in house.dagster.processes if one.alive]
    if alive:
        process = rng.choice(alive)
        for _ in range(rng.randint(1, 5)):
            if process.alive:
                house.step(process, size=rng.randint(1, 3), kind=rng.choice(("completed", "retry")))


def kill(house: House, rng: random.Random) -> None:
    alive = [one for one in house.dagster.processes if one.alive]
    if alive:
        house.dagster.died(rng.choice(alive), noticed=rng.random() < 0.3)


def pass_time(house: House, rng: random.Random) -> None:
    house.clock.pass_by(rng.choice((5.0, 30.0, 70.0)))


def regrade(house: House, rng: random.Random) -> None:
    """History is decided again, and a backfill has its rows for a while."""
    store, now = house.store, house.clock()
    known = [one.slug for one in store.tenants()]
    if not known:
        return
    slug = rng.choice(known)
    asked = Regrade(
        replay_id=f"regrade-{now}",
        policy="default@2",
        tenants=(slug,),
        since="",
        until="",
        started_at=now,
    )
    store.begin_regrade(asked)
    again = Reset(stage="curated", reason="again", policy=asked.policy)
    store.reset(store.batches(slug), again, now, asked.replay_id)
    keep_hold(store, asked, now, now + rng.choice((0.0, 100.0, 400.0)))
    if rng.random() < 0.3:
        release_hold(store, asked, now)
    store.end_reset(asked.replay_id, now)


def examine(house: House, rng: random.Random) -> None:
    """A preflight fails, or passes; a stage is measured."""
    stage, times = rng.choice(STAGES), rng.randint(0, 3)
    house.store.note_preflight(
        PreflightVerdict(
            stage=stage,
            ok=not times,
            engine="e",
            problem="",
            identity={},
            run_id="r",
            host="h",
            at=house.clock(),
            times=times,
        )
    )
    seconds = rng.choice((0.1, 20.0, 90.0))
    house.store.note_pace(StagePace(stage=stage, seconds_per_row=seconds, rows=9, at=house.clock()))


def count(house: House, rng: random.Random) -> None:
    name = rng.choice(["gone", *house.dagster.runs])
    accounts_ = {f"tenant/{rng.choice(TENANTS)}": {"outcomes|scored|completed": rng.randint(1, 9)}}
    house.store.write_book(
        RunBook(
            run_id=f"{name}-{house.clock()}" if name == "gone" else name,
            stage="scored",
            accounts=accounts_,
            closed=rng.random() < 0.7,
            at=house.clock(),
        )
    )


def declare_or_run(house: House, rng: random.Random) -> None:
    lane, identity = rng.choice(("cpu", "gpu")), {"code": rng.choice("ab")}
    if rng.random() < 0.5:
        declare(house.store, lane, identity, house.clock())
    else:
        note_running(house.store, lane, identity, "r", house.clock())


CHOICES: list[tuple[Step, int]] = [
    (upload, 6),
    (launch, 8),
    (work, 16),
    (kill, 2),
    (pass_time, 5),
    (regrade, 1),
    (examine, 1),
    (count, 2),
    (declare_or_run, 1),
]


# --- what must be the same ---


def decided(emission: Emission) -> dict[str, Any]:
    done = emission.reconciled
    return {
        "keys": emission.add_keys,
        "runs": [(one.run_key, one.stages, one.keys, one.priority) for one in emission.runs],
        "dead": done.plan.dead,
        "generation": done.generation,
        "expired": (done.expired_leases, done.expired_runs),
        "held back": (done.plan.covered, done.plan.cooling, done.plan.guarded, done.plan.due_rows),
    }


def remembered(house: House) -> dict[str, Any]:
    store = house.store
    return {
        "counts": [asdict(one) for one in store.counts()],
        "accounts": accounts(store),
        "holds": store.holds(),
        "reconciliation": store.reconciliation(),
        "declarations": store.declarations(),
        "drifts": drifts(store),
        "rows": house._rows(),
    }


@pytest.fixture(params=[EMBEDDED, SPLIT], ids=["embedded", "split"])
def lanes(request: pytest.FixtureRequest) -> Iterator[tuple[Lane, ...]]:
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize("number", range(max(1, EXAMPLES // 12)))
def test_a_house_that_loses_them_decides_and_counts_as_one_that_does_not(
    template: Path, lanes: tuple[Lane, ...], number: int
) -> None:
    rng = random.Random(f"{SEED}:{number}")
    calm, losing = (House(in_memory(template, seed=SEED + number), lanes) for _ in range(2))
    steps = []
    try:
        for step in rng.choices(*zip(*CHOICES, strict=True), k=STEPS):  # type: ignore[misc]
            steps.append(step.__name__)
            seed = rng.random()
            for house in (calm, losing):
                step(house, random.Random(seed))
            if rng.random() < 0.5:
                steps.append("tick")
                first, second = calm.tick(), losing.tick()
                assert decided(first) == decided(second)
                for house, emission in ((calm, first), (losing, second)):
                    house.dagster.apply(emission)
                if rng.random() < 0.5:
                    steps.append("lose")
                    lost = lose_heartbeats(losing.store)  # type: ignore[arg-type]
                    COUNTED["heartbeats lost"] += lost
                assert remembered(calm) == remembered(losing)
            losing.check()
        losing.settle()
        assert all(Status(row.pipeline_status).terminal for row in losing._rows())
    except BaseException as error:
        error.add_note(f"seed {SEED}, walk {number}: {' '.join(steps)}")
        raise
    finally:
        calm.store.close()
        losing.store.close()
