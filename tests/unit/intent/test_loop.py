"""The loop: it settles, compares, checks eligibility, emits and waits. Time is a number."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from parjanya_dagster.belief.snapshot import Seen
from parjanya_dagster.belief.tags import BLIND, RECONCILER
from parjanya_dagster.errors import BeliefUnreadable
from parjanya_dagster.intent.dispatch import Dispatcher
from parjanya_dagster.intent.eligibility import FRESH, Eligibility
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.intent.loop import NEVER, Emission, Loop, Timing
from parjanya_dagster.intent.scaling_groups import ScalingGroups
from parjanya_dagster.lanes import EMBEDDED
from parjanya_dagster.platform import Platform
from parjanya_dagster.queues.assignments import read_body
from parjanya_dagster.truth.models import DueBatch
from parjanya_dagster.truth.store import Store
from tests.simulation.queue_model import QueueModel
from tests.support import world
from tests.support.clock import NOON, Clock
from tests.support.snapshots import Idle

TIMING = Timing()
LANE = EMBEDDED[0].name


@pytest.fixture
def dagster() -> Idle:
    return Idle()


@pytest.fixture
def loop(platform: Platform, clock: Clock, dagster: Idle) -> Loop:
    """As the platform wires it; pausing makes the injected time pass."""
    return replace(platform, pause=clock.pass_by).loop(dagster)


@pytest.fixture
def store(platform: Platform) -> Store:
    return platform.store


def take(loop: Loop, dagster: Idle) -> Iterator[Emission]:
    """A tick, its keys added as the sensor adds them."""
    for emission in loop.tick():
        dagster.keys += emission.add_keys
        yield emission


def arrive(store: Store, numbers: Iterable[int], now: float) -> None:
    store.register([world.arrival(number) for number in numbers], now)


def meanwhile(clock: Clock, at: float, event: Callable[[], None]) -> Callable[[float], None]:
    """A pause in which something happens once, so many seconds after the beginning."""
    left = [event]

    def pause(seconds: float) -> None:
        clock.pass_by(seconds)
        if left and clock() >= NOON + at:
            left.pop()()

    return pause


# --- emit ---------------------------------------------------------------------------------------


def test_keys_come_first_and_then_one_run_over_neighbours(
    loop: Loop, store: Store, dagster: Idle
) -> None:
    """Where a key stands in Dagster's order is known once it is added."""
    for tenant in ("acme", "bolt"):
        world.arrive(store, 3, slug=tenant, now=NOON)
    first, second = take(loop, dagster)
    assert (list(first.add_keys), first.runs) == (sorted(store.batches()), ())
    assert [request.keys for request in second.runs] == [first.add_keys]


def test_what_has_stood_still_does_not_settle_again_after_its_keys_were_added(
    loop: Loop, store: Store, dagster: Idle, clock: Clock
) -> None:
    world.arrive(store, 3, now=NOON)
    first, second = [clock() for _ in take(loop, dagster)]
    assert second == first


def test_keys_that_do_not_show_up_do_not_make_it_spin(loop: Loop, store: Store) -> None:
    world.arrive(store, 3, now=NOON)
    passes = list(loop.tick())  # and nobody adds the keys
    assert len(passes) <= 2 * (TIMING.tick / TIMING.settle + 1)
    assert all(one.add_keys and not one.runs for one in passes[:-1])


def test_where_no_time_is_left_for_another_pass_keys_and_runs_come_together(
    loop: Loop, store: Store, dagster: Idle
) -> None:
    world.arrive(store, 3, now=NOON)
    (only,) = take(replace(loop, timing=Timing(tick=0.0)), dagster)
    assert list(only.add_keys) == store.batches()
    assert [request.keys for request in only.runs] == [only.add_keys]


def test_what_is_emitted_is_counted_once(loop: Loop, store: Store, dagster: Idle) -> None:
    world.arrive(store, 3, now=NOON)
    assert len(list(take(loop, dagster))) == 2
    payload = store.heartbeats()[RECONCILER].payload
    assert payload["requests"] == 1
    last = store.reconciliation()
    assert last is not None
    assert last.totals[f"emitted|{LANE}"] == 1


def test_limits_are_asked_in_each_pass(loop: Loop, store: Store, dagster: Idle) -> None:
    """A lane that drifts in the middle of a tick is held at once."""
    world.arrive(store, 3, now=NOON)
    held = iter([frozenset[str](), *[frozenset({LANE})] * 10])
    drifting = replace(loop, limits=lambda: Limits(held_lanes=next(held)))
    assert not any(emission.runs for emission in take(drifting, dagster))


# --- settle -------------------------------------------------------------------------------------


def test_a_burst_is_waited_for_and_goes_into_one_run(
    loop: Loop, store: Store, dagster: Idle, clock: Clock
) -> None:
    world.arrive(store, 1, now=NOON)
    dagster.keys += store.batches()

    def more() -> None:
        arrive(store, range(1, 5), clock())

    (only,) = take(replace(loop, pause=meanwhile(clock, 0.3, more)), dagster)
    assert [request.rows for request in only.runs] == [5]
    assert clock() >= NOON + TIMING.settle


def test_what_landed_alone_is_waited_for_shortly(
    loop: Loop, store: Store, dagster: Idle, clock: Clock
) -> None:
    """It has been still already, before it was taken in, and nothing followed it."""
    world.arrive(store, 1, now=NOON)
    dagster.keys += store.batches()
    (only,) = take(replace(loop, landed_alone=lambda: NOON - 0.1), dagster)
    assert only.runs
    assert clock() - NOON == pytest.approx(TIMING.alone, abs=0.001)


@pytest.mark.parametrize("landed", [NEVER, NOON - 1.5, NOON + 60.0])
def test_what_landed_otherwise_or_some_time_ago_is_waited_for_longer(
    loop: Loop, store: Store, dagster: Idle, clock: Clock, landed: float
) -> None:
    """Rows come due otherwise, too: by uploads, reviews, regrades. The last clock was set back."""
    world.arrive(store, 1, now=NOON)
    dagster.keys += store.batches()
    (only,) = take(replace(loop, landed_alone=lambda: landed), dagster)
    assert only.runs
    assert clock() - NOON == pytest.approx(TIMING.settle, abs=0.001)


def test_as_soon_as_more_may_follow_it_is_waited_for_longer(
    loop: Loop, store: Store, dagster: Idle, clock: Clock
) -> None:
    world.arrive(store, 1, now=NOON)
    dagster.keys += store.batches()
    told = [NOON]

    def more() -> None:
        told[:] = [NEVER]
        arrive(store, [1], clock())

    pause = meanwhile(clock, 0.1, more)
    (only,) = take(replace(loop, pause=pause, landed_alone=lambda: told[0]), dagster)
    assert [request.rows for request in only.runs] == [2]
    assert clock() >= NOON + TIMING.settle


def test_a_burst_without_end_is_not_waited_for_for_ever(
    loop: Loop, store: Store, dagster: Idle, clock: Clock
) -> None:
    world.arrive(store, 1, now=NOON)
    dagster.keys += store.batches()
    number = itertools.count(1)

    def pause(seconds: float) -> None:
        clock.pass_by(seconds)
        arrive(store, [next(number)], clock())

    (only,) = take(replace(loop, pause=pause), dagster)
    assert only.runs
    assert clock() <= NOON + TIMING.settle_most + TIMING.settle


def test_one_tenants_burst_holds_up_nobody_elses_image(
    loop: Loop, store: Store, dagster: Idle, clock: Clock
) -> None:
    world.arrive(store, 1, now=NOON)
    world.arrive(store, 1, slug="bolt", now=NOON)
    dagster.keys += store.batches()
    number = itertools.count(1)

    def pause(seconds: float) -> None:
        clock.pass_by(seconds)
        arrive(store, [next(number)], clock())

    (only,) = take(replace(loop, pause=pause), dagster)
    assert any("bolt" in key for request in only.runs for key in request.keys)
    assert clock() < NOON + 2 * TIMING.settle


def test_what_was_due_before_and_waits_hurries_no_burst(
    loop: Loop, store: Store, dagster: Idle, clock: Clock
) -> None:
    """Else every burst beside a tenant that waits would be cut in pieces."""
    world.arrive(store, 1, slug="bolt", now=NOON)
    before = store.due(NOON)
    world.arrive(store, 1, now=NOON)
    number = itertools.count(1)

    def pause(seconds: float) -> None:
        for _ in range(7):
            clock.pass_by(seconds / 7)
            if clock() < NOON + 2.0:
                arrive(store, [next(number)], clock())

    due = replace(loop, pause=pause)._settle(NOON + TIMING.tick, before)
    assert sum(one.rows for one in due if one.tenant != "bolt") == next(number)
    assert clock() >= NOON + 2.0 + TIMING.settle


def test_what_is_due_is_looked_at_twice_before_a_run_is_asked_for(
    platform: Platform, loop: Loop, store: Store, dagster: Idle, clock: Clock
) -> None:
    """On DynamoDB each look is paid for, and a single image pays for all of them."""
    world.arrive(store, 1, now=NOON)
    dagster.keys += tuple(store.batches())
    looks = []

    class Counted:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def due(self, now: float, **of: Any) -> list[DueBatch]:
            looks.append((now, of.get("batches")))
            return store.due(now, **of)

    (only,) = take(replace(loop, store=Counted()), dagster)  # type: ignore[arg-type]
    assert only.runs
    assert looks == [(NOON, None), (NOON + TIMING.settle, set(store.batches()))]


# --- wait ---------------------------------------------------------------------------------------


def test_a_tick_with_nothing_to_do_is_bounded_in_time(
    loop: Loop, dagster: Idle, clock: Clock
) -> None:
    emissions = list(take(loop, dagster))
    assert not any(emission.asks_for_work for emission in emissions)
    assert len(emissions) == 1 + TIMING.tick / TIMING.compare
    assert clock() <= NOON + TIMING.tick


def test_what_arrives_while_it_waits_is_asked_for_in_the_same_tick(
    loop: Loop, store: Store, dagster: Idle, clock: Clock
) -> None:
    def upload() -> None:
        world.arrive(store, 3, now=clock())

    emissions = list(take(replace(loop, pause=meanwhile(clock, 7.0, upload)), dagster))
    assert sum(request.rows for request in emissions[-1].runs) == 3
    assert clock() <= NOON + 7.0 + TIMING.look + 3 * TIMING.settle


# --- eligibility --------------------------------------------------------------------------------


def test_a_request_whose_objects_are_gone_is_not_made_where_it_is_costly(
    loop: Loop, store: Store, dagster: Idle
) -> None:
    world.arrive(store, 3, now=NOON - FRESH - 1)
    loop.eligibility.objects.put("bucket", "other.jpg", b"x", "image/jpeg")  # and nothing of theirs
    eligibility = replace(loop.eligibility, costly=frozenset({LANE}))
    emissions = list(take(replace(loop, eligibility=eligibility), dagster))
    assert len(store.present("acme")) == 3  # only a sweep says that they are gone
    assert [request for emission in emissions for request in emission.runs] == []


# --- lanes with a queue -------------------------------------------------------------------------


@pytest.fixture
def queue(clock: Clock) -> QueueModel:
    return QueueModel(clock)


@pytest.fixture
def queued(loop: Loop, queue: QueueModel) -> Loop:
    queues: Any = {LANE: queue}
    return replace(loop, dispatcher=Dispatcher(loop.store, queues, loop.clock))


def test_a_lane_with_a_queue_gets_one_message_and_no_run(
    queued: Loop, store: Store, dagster: Idle, queue: QueueModel
) -> None:
    for tenant in ("acme", "bolt"):
        world.arrive(store, 3, slug=tenant, now=NOON)
    *_, last = take(queued, dagster)
    (message,) = queue.stored
    assert sorted(read_body(message.body).batches) == store.batches()
    assert (last.runs, [request.lane.name for request in last.messages]) == ((), [LANE])
    assert len(store.messages()) == 1


def test_a_queue_that_takes_nothing_is_noted_and_ends_no_tick(
    queued: Loop, store: Store, dagster: Idle, queue: QueueModel
) -> None:
    world.arrive(store, 3, now=NOON)
    queue.denied.add("send")
    list(take(queued, dagster))
    assert store.messages() == []
    assert f"{BLIND}:sending to {LANE}" in store.heartbeats(BLIND)
    queue.denied.clear()
    list(take(queued, dagster))
    assert len(queue.stored) == 1
    assert store.heartbeats(BLIND) == {}


# --- in its order -------------------------------------------------------------------------------


def test_each_pass_advances_regrades_emits_and_then_adjusts_groups(
    queued: Loop, store: Store, dagster: Idle, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.arrive(store, 3, now=NOON)
    dagster.keys += store.batches()
    done: list[str] = []

    def note(name: str) -> Callable[..., Any]:
        def call(*_: Any) -> tuple[Any, ...]:
            done.append(name)
            return _[-1] if name == "eligibility" else ()

        return call

    monkeypatch.setattr(Eligibility, "select", note("eligibility"))
    monkeypatch.setattr(Dispatcher, "send", note("messages"))
    monkeypatch.setattr(ScalingGroups, "adjust", note("groups"))
    list(take(replace(queued, advance_regrades=note("regrades")), dagster))
    assert done == ["regrades", "eligibility", "messages", "groups"]


def test_regrades_get_no_time_beyond_the_tick(loop: Loop, dagster: Idle) -> None:
    ends: list[float] = []
    list(take(replace(loop, advance_regrades=ends.append), dagster))
    assert set(ends) == {NOON + TIMING.tick}


def test_belief_that_cannot_be_read_ends_the_tick_and_nothing_is_emitted(
    queued: Loop, store: Store, queue: QueueModel
) -> None:
    class Unreadable(Idle):
        def read(self, now: float) -> Seen:
            raise BeliefUnreadable

    world.arrive(store, 3, now=NOON)
    with pytest.raises(BeliefUnreadable):
        next(replace(queued, belief=Unreadable()).tick())
    assert queue.stored == []
    assert RECONCILER not in store.heartbeats()
