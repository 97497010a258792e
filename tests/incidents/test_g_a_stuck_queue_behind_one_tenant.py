"""One tenant uploads a hundred thousand images. Another uploads ten, and waits for days."""

from __future__ import annotations

from dataclasses import replace

from parjanya_dagster.belief.snapshot import LiveRun, RunState
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.intent.plan import Plan
from tests.incidents.steps import rows, statuses, upload
from tests.simulation.house import House
from tests.support.snapshots import batch, decide, due, run

GIANT = [due(batch("giant", n), 1000, waited=5000 - n) for n in range(1, 101)]
SMALL = due(batch("small"), 10, waited=5)


def place(plan: Plan, tenant: str) -> int:
    """How many of the plan's runs Dagster takes from its queue before this tenant's first one."""
    queue = sorted(plan.requests, key=lambda request: -request.priority)
    return next(n for n, one in enumerate(queue) if one.keys[0].startswith(f"{tenant}/"))


def test_the_small_tenant_gets_a_run_of_its_own_in_the_same_tick() -> None:
    plan = decide([*GIANT, SMALL], limits=Limits(run_rows=2000))
    assert place(plan, "small") <= 1
    alone = next(one for one in plan.requests if one.keys[0].startswith("small/"))
    assert alone.rows == 10


def test_though_the_giant_has_filled_the_queue() -> None:
    waiting: list[LiveRun] = [
        run(batch("giant", n), run_id=f"r{n}", state=RunState.QUEUED) for n in range(1, 5)
    ]
    plan = decide([*GIANT, SMALL], runs=waiting, limits=Limits(queued_runs=4))
    assert [one.keys for one in plan.requests] == [(SMALL.batch,)]
    assert plan.requests[0].priority == 0  # the giant's later runs have less


def test_a_heavier_tenant_gets_more_and_the_other_still_goes_on() -> None:
    work = [*GIANT[:40], *(replace(one, batch=one.batch.replace("giant", "other"),
                                   tenant="other") for one in GIANT[:40])]  # fmt: skip
    limits = Limits(run_rows=1000, unmeasured_rows=1000, queued_runs=8, reserved_runs=0)
    plan = decide(work, weights={"giant": 3.0, "other": 1.0}, limits=limits)
    tenants = [one.keys[0].partition("/")[0] for one in plan.requests]
    assert (tenants.count("giant"), tenants.count("other")) == (6, 2)


def test_in_a_house_where_the_giant_came_first_the_small_one_is_done_long_before_it(
    house: House,
) -> None:
    upload(house, "giant", 60)
    house.sweep()
    house.dagster.apply(house.tick())  # its runs fill the queue
    upload(house, "small", 2)
    ticks = 0
    while statuses(house, "small") != {"curated"}:
        ticks += 1
        assert ticks < 10
        house.sweep()
        house.dagster.apply(house.tick())
        if one := house.dagster.launch(at_once=1):  # one worker in the house
            house.dagster.start(one)
        for process in house.dagster.processes:
            while process.alive:
                house.step(process, size=3)
        house.clock.pass_by(30.0)
    done = sum(row.pipeline_status == "curated" for row in rows(house, "giant"))
    assert done <= 20  # of sixty that were there before
    house.settle()
    assert statuses(house, "giant") == {"curated"}
