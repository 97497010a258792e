"""Capacity: what a backlog needs, and what is done to a group. Up at once, down only in quiet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.belief.tags import BLIND
from parjanya_dagster.errors import CloudDenied
from parjanya_dagster.intent.autoscaling import Backlog, Bounds, GroupState, decide, needed
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.intent.scaling_groups import EVERY, ScalingGroups
from parjanya_dagster.lanes import EMBEDDED, SPLIT
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.requests import ClaimRequest
from tests.support import world
from tests.support.clock import Clock
from tests.support.snapshots import Idle

EMPTY = GroupState(name="g", desired=0, least=0, most=10, in_service=0)
BOUNDS = Bounds(most=4, drain=1800.0, idle=900.0)


@pytest.mark.parametrize(
    ("rows", "pace", "instances"),
    [
        (0, 1.0, 0),
        (1, None, 1),
        (100_000, None, 1),
        (1800, 1.0, 1),
        (1801, 1.0, 2),
        (10**6, 1.0, 4),
    ],
)
def test_a_backlog_needs_what_works_it_off_in_time(
    rows: int, pace: float | None, instances: int
) -> None:
    assert needed(Backlog(rows, pace, False), BOUNDS) == instances


def test_a_group_is_raised_from_nothing_but_not_above_its_own_most() -> None:
    backlog = Backlog(10_000, 1.0, leases=False)
    assert decide(EMPTY, backlog, 0.0, BOUNDS) == 4
    assert decide(replace(EMPTY, most=2), backlog, 0.0, BOUNDS) == 2
    assert decide(replace(EMPTY, most=0), backlog, 0.0, BOUNDS) is None


@given(
    st.integers(0, 20),
    st.integers(0, 3),
    st.integers(0, 10**6),
    st.booleans(),
    st.floats(0, 10**6),
)
def test_a_group_is_lowered_only_where_nothing_is_due_and_nobody_works(
    desired: int, least: int, rows: int, leases: bool, quiet: float
) -> None:
    state = replace(EMPTY, desired=desired, least=least, most=20)
    chosen = decide(state, Backlog(rows, 1.0, leases), quiet, BOUNDS)
    assert chosen is None or chosen != desired
    if chosen is not None and chosen < desired:
        assert (rows, leases, chosen) == (0, False, least)
        assert quiet >= BOUNDS.idle


@dataclass
class Remembered:
    """A group that gives what it is asked for, or nothing; or does not answer."""

    state_now: GroupState = EMPTY
    comes: bool = True
    denied: bool = False
    asked: list[int] = field(default_factory=list)

    def state(self) -> GroupState:
        if self.denied:
            raise CloudDenied("autoscaling:DescribeAutoScalingGroups on the group g is denied.")
        return self.state_now

    def set_to(self, desired: int) -> None:
        self.asked.append(desired)
        serving = desired if self.comes else 0
        self.state_now = replace(self.state_now, desired=desired, in_service=serving)


def groups(platform: Platform, group: Remembered, clock: Callable[[], float]) -> ScalingGroups:
    return ScalingGroups(
        store=platform.store, groups={"embedded": group}, bounds=BOUNDS, clock=clock
    )


def adjust(scaling: ScalingGroups) -> None:
    """Its one lane has all that is due before it."""
    due = sum(one.rows for one in scaling.store.due(scaling.clock()))
    scaling.adjust(EMBEDDED, {"embedded": due})


def test_a_group_is_raised_for_what_is_due_and_lowered_when_all_has_been_quiet(
    platform: Platform, clock: Clock
) -> None:
    world.arrive(platform.store, 3, now=clock())
    group = Remembered()
    scaling = groups(platform, group, clock)
    adjust(scaling)
    assert group.asked == [1]
    claims = platform.store.claim(
        ClaimRequest(
            stage="validated", batches=platform.store.batches(), limit=10, owner="w", lease=3600.0
        ),
        clock.now,
    )
    for _ in range(40):
        clock.pass_by(EVERY)
        adjust(scaling)
    assert group.asked == [1]  # somebody works
    platform.store.depart([claim.image_id for claim in claims], clock(), "gone")
    clock.pass_by(EVERY)
    adjust(scaling)
    assert group.asked == [1]  # not at once
    clock.pass_by(BOUNDS.idle)
    adjust(scaling)
    assert group.asked == [1, 0]


def test_since_when_nothing_is_in_service_is_noted(platform: Platform, clock: Clock) -> None:
    world.arrive(platform.store, 3, now=clock())
    group = Remembered(comes=False)
    began = clock()
    for _ in range(5):
        adjust(groups(platform, group, clock))
        clock.pass_by(EVERY)
    noted = platform.store.group_notes()["embedded"]
    assert (noted.desired, noted.in_service, noted.nothing_since) == (1, 0, began)
    group.state_now = replace(group.state_now, in_service=1)
    adjust(groups(platform, group, clock))
    assert platform.store.group_notes()["embedded"].nothing_since is None


def test_a_group_that_cannot_be_read_is_noted_and_stops_nothing(
    platform: Platform, clock: Clock
) -> None:
    adjust(groups(platform, Remembered(denied=True), clock))
    (beat,) = platform.store.heartbeats(BLIND).values()
    assert "DescribeAutoScalingGroups" in beat.payload["error"]


@pytest.mark.parametrize("held", [False, True])
def test_no_machine_is_raised_for_rows_that_another_lane_does(
    platform: Platform, clock: Clock, held: bool
) -> None:
    world.arrive(platform.store, 3, now=clock())
    group = Remembered()
    loop = replace(
        replace(platform, pause=clock.pass_by).loop(Idle(platform.store.batches())),
        lanes=SPLIT,
        limits=lambda: Limits(held_lanes=frozenset({"gpu"} if held else ())),
        scaling_groups=replace(groups(platform, group, clock), groups={"gpu": group}),
    )
    (request,) = [request for emission in loop.tick() for request in emission.runs]
    assert request.lane.name == ("cpu" if held else "gpu")
    assert group.asked == ([] if held else [1])
