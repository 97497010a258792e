"""Examines an instance from outside: opens the Dagster of its home, and closes it again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from parjanya_dagster.belief.instance import Unreadable, oldest_ended_run, open_dagster
from parjanya_dagster.belief.observe import observe
from parjanya_dagster.belief.runs import DagsterBelief
from parjanya_dagster.belief.snapshot import Belief, LiveRun
from parjanya_dagster.belief.ticks import daemon_beat, sensors_seen
from parjanya_dagster.doctor.case import SENSOR_OF, Case
from parjanya_dagster.doctor.checklist import Ground
from parjanya_dagster.doctor.examine import Examiner
from parjanya_dagster.doctor.facts import Facts
from parjanya_dagster.doctor.findings import Finding
from parjanya_dagster.doctor.grace_periods import grace_periods
from parjanya_dagster.doctor.launch_obstacles import Nowhere, Workers
from parjanya_dagster.doctor.launchers import OfInstance
from parjanya_dagster.doctor.rules import diagnose
from parjanya_dagster.errors import BeliefUnreadable, ParjanyaError
from parjanya_dagster.platform import Platform


def examined(
    platform: Platform, tenant: str | None, progress: Callable[[str], None] = lambda part: None
) -> tuple[list[Finding], Facts]:
    """What the doctor finds, and the facts it judged. The facts name what could not be read.

    `progress` hears what is read next, such as "the counts of Truth".
    """
    with ExitStack() as open_things:
        belief: Belief
        sensors: Callable[[], Any]
        daemon: Callable[[], Any]
        workers: Workers = Nowhere()
        try:
            instance = open_things.enter_context(open_dagster(platform.settings))
            belief = platform.believing(DagsterBelief(instance, platform.lanes))
            sensors = lambda: sensors_seen(instance, list(SENSOR_OF.values()))  # noqa: E731
            daemon = lambda: daemon_beat(instance)  # noqa: E731
            workers = OfInstance(instance)
        except BeliefUnreadable as error:
            belief, sensors, daemon = Unreadable(error), Unreadable(error), lambda: None
        examiner = Examiner(
            store=platform.store,
            objects=platform.objects,
            belief=belief,
            sensors=sensors,
            daemon=daemon,
            clock=platform.clock,
            tenant=tenant,
            queues=platform.all_queues,
            workers=workers,
            lease=platform.settings.runs.lease,
            published=platform.registry.get,
            progress=progress,
        )
        facts = examiner.examine()
    case = Case(
        facts=facts,
        lanes=platform.lanes,
        limits=platform.limits,
        grace=grace_periods(platform.settings),
    )
    return diagnose(case), facts


def live_runs(platform: Platform) -> tuple[LiveRun, ...] | None:
    """Runs that Dagster believes live; None where they cannot be read."""
    try:
        with open_dagster(platform.settings) as instance:
            belief = platform.believing(DagsterBelief(instance, platform.lanes))
            return observe(platform.store, belief, platform.clock()).runs
    except ParjanyaError:
        return None


def ground_of(platform: Platform) -> Ground:
    """What the maintenance checklist of an instance looks at."""

    def oldest_run() -> float | None:
        with open_dagster(platform.settings) as instance:
            return oldest_ended_run(instance)

    return Ground(
        platform=platform, examine=lambda: examined(platform, None), oldest_run=oldest_run
    )
