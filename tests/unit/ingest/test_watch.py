"""A tick of the watch: with a queue (on moto's emulator) messages first, the sweep for the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from parjanya_dagster.aws.queues import SqsQueue
from parjanya_dagster.belief.tags import BLIND
from parjanya_dagster.errors import StorageUnavailable
from parjanya_dagster.ingest.pacing import Pacing
from parjanya_dagster.ingest.results import SweepResult, Unfinished
from parjanya_dagster.ingest.watch import ARRIVALS_BEAT, MAILBOX, Cursor, Timing
from parjanya_dagster.intent.loop import NEVER
from parjanya_dagster.objects.s3 import S3Objects
from parjanya_dagster.objects.store import LeftOut, ObjectInfo, Objects
from parjanya_dagster.platform import Platform
from parjanya_dagster.settings import Settings
from tests.support.clock import NOON, Clock
from tests.support.mailbox import Cloud
from tests.support.s3_events import message, record
from tests.support.servers import MotoServer
from tests.support.snapshots import Idle

NO_LONG_POLL = Timing(long_poll=0.0)  # the injected time passes by itself; no real one need


@pytest.fixture
def cloud(aws: MotoServer) -> Cloud:
    return Cloud(aws)


@pytest.fixture
def place(cloud: Cloud, platform: Platform, clock: Clock) -> Platform:
    """The platform on S3, whose time passes with each look at it."""
    settings = Settings(
        home=platform.settings.home,
        objects={"url": "s3://"},
        arrivals={"queue": cloud.queue.name, "dead_letters": cloud.dead.name},
    )

    def now() -> float:
        clock.pass_by(0.5)
        return clock.now

    made = Platform(settings, platform.store, S3Objects(), now, clock.pass_by)
    for slug, bucket in (("acme", cloud.acme), ("bolt", cloud.bolt)):
        made.sweeper.add_tenant(slug, bucket)
    return made


def tick(place: Platform, cursor: Cursor, timing: Timing = NO_LONG_POLL) -> SweepResult:
    result = replace(place.watch, timing=timing).tick(cursor)
    assert result is not None
    return result


def beat(place: Platform) -> dict[str, Any]:
    return dict(place.store.heartbeats()[ARRIVALS_BEAT].payload)


def test_messages_are_taken_and_counted(cloud: Cloud, place: Platform) -> None:
    cloud.upload(cloud.acme, "a.jpg")
    cloud.queue.send("no event")
    total = tick(place, Cursor(next_sweep=place.clock() + 250.0))
    assert sum(total.registered.values()) == 1
    payload = beat(place)
    assert payload["messages"] >= 2
    assert len(payload["dead_letters"]) == 1


def test_the_sweep_finds_what_no_message_told_of(cloud: Cloud, place: Platform) -> None:
    cloud.upload(cloud.acme, "lost.jpg")
    cloud.sqs.purge_queue(QueueUrl=cloud.queue.url())
    cursor = Cursor()
    assert sum(tick(place, cursor).registered.values()) == 1
    assert cursor.next_sweep > place.clock() + 200.0  # five minutes from the last one


def test_a_queue_that_is_gone_is_noted_and_the_sweep_goes_on(cloud: Cloud, place: Platform) -> None:
    cloud.upload(cloud.acme, "a.jpg")
    cloud.sqs.delete_queue(QueueUrl=cloud.queue.url())
    assert sum(tick(place, Cursor()).registered.values()) == 1
    blind = place.store.heartbeats(BLIND)[f"{BLIND}:{MAILBOX}"]
    assert cloud.queue.name in blind.payload["error"]
    SqsQueue(cloud.queue.name).create()
    cloud.queue.send(message(record("incoming/a.jpg", cloud.acme)))
    tick(place, Cursor(next_sweep=place.clock() + 250.0))
    assert place.store.heartbeats(BLIND) == {}


def test_a_sweep_that_does_not_end_goes_on_beside_the_messages(
    cloud: Cloud, place: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parjanya_dagster.ingest.arrivals.CHUNK", 1)
    for number in range(6):
        cloud.upload(cloud.acme, f"{number}.jpg")
    cloud.sqs.purge_queue(QueueUrl=cloud.queue.url())
    cursor = Cursor()
    ticks = 0
    while len(place.store.present("acme")) < 6 or cursor.stopped:
        tick(place, cursor, replace(NO_LONG_POLL, slice=1.0))
        cursor = Cursor.parse(cursor.text())
        cursor.next_sweep = 0.0
        ticks += 1
        assert ticks < 20
    assert ticks > 1


def test_a_cursor_comes_back_as_it_was() -> None:
    stopped = Unfinished(turn="cord", tenants=("acme", "bolt"))
    cursor = Cursor(next_sweep=1.5, stopped=stopped)
    assert Cursor.parse(cursor.text()) == cursor


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[]",
        "no JSON",
        '{"stopped": {"turn": "", "positions": [{"tenant": "acme", "after": "k", "row": ""}]}}',
        '{"next_sweep": []}',
    ],
)
def test_a_cursor_of_another_version_begins_again(text: str | None) -> None:
    assert Cursor.parse(text) == Cursor()


def test_waiting_is_bounded_by_the_longest_pause_there_is() -> None:
    pacing = Pacing()
    assert not pacing.too_early(0.0, NOON)
    assert not pacing.too_early(NOON, NOON)
    assert pacing.too_early(NOON + 1, NOON)
    assert pacing.too_early(NOON + pacing.most, NOON)
    assert not pacing.too_early(NOON + pacing.most + 1, NOON)


# --- where no bucket notifies -------------------------------------------------------------------


@pytest.fixture
def folders(platform: Platform, clock: Clock) -> Platform:
    """Buckets that are folders; pausing makes the injected time pass."""
    return replace(platform, pause=clock.pass_by)


def land(place: Platform, name: str, slug: str = "acme") -> None:
    path = place.settings.home / "buckets" / slug / "incoming" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


def test_a_tick_goes_on_looking_and_finds_what_lands_meanwhile(
    folders: Platform, clock: Clock
) -> None:
    land(folders, "a.jpg")

    later = ["b.jpg"]

    def pause(seconds: float) -> None:
        clock.pass_by(seconds)
        if later:
            land(folders, later.pop())

    result = replace(folders.watch, pause=pause).tick(Cursor())
    assert result is not None
    assert sum(result.registered.values()) == 2
    assert clock() <= NOON + Timing().tick


def test_whoever_waits_is_told_whether_more_files_are_being_written(
    folders: Platform, clock: Clock
) -> None:
    """So that an image that landed alone need not be waited with, and a burst is."""
    land(folders, "a.jpg")
    land(folders, "b.jpg")
    writing = (folders.settings.home / "buckets" / "acme" / "incoming" / "b.jpg").open("ab")
    told: list[bool] = []

    def pause(seconds: float) -> None:
        clock.pass_by(seconds)
        writing.close()

    replace(folders.watch, pause=pause, landed=told.append).tick(Cursor())
    assert told == [True, False]


def test_the_reconciler_hears_when_something_landed_alone(folders: Platform, clock: Clock) -> None:
    land(folders, "a.jpg")
    loop = folders.loop(Idle())
    assert loop.landed_alone() == NEVER
    folders.watch.tick(Cursor())
    assert loop.landed_alone() == NOON
    folders.watch.landed(True)
    assert loop.landed_alone() == NEVER


def test_nothing_is_known_to_have_landed_alone_where_no_file_is_seen_being_written(
    folders: Platform,
) -> None:
    """A listing of S3 shows whole objects alone: a burst looks like its first image."""
    s3 = folders.settings.model_copy(
        update={"objects": folders.settings.objects.model_copy(update={"url": "s3://"})}
    )
    for place, since in ((folders, NOON), (replace(folders, settings=s3), NEVER)):
        place.watch.landed(False)
        assert place.loop(Idle()).landed_alone() == since


@dataclass
class Slow:
    """Buckets whose listing takes so many seconds, by tenant."""

    objects: Objects
    clock: Clock
    seconds: dict[str, float]
    listed: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.objects, name)

    def listing(
        self, bucket: str, prefix: str, after: str = "", left_out: LeftOut | None = None
    ) -> Iterator[ObjectInfo]:
        self.listed.append(bucket)
        self.clock.pass_by(self.seconds.get(bucket, 0.0))
        yield from self.objects.listing(bucket, prefix, after)


def slowed(folders: Platform, clock: Clock, **seconds: float) -> tuple[Platform, Slow]:
    slow = Slow(folders.objects, clock, seconds)
    return replace(folders, objects=slow), slow


def test_after_a_long_sweep_only_its_own_tenant_waits_for_as_long_as_it_is_worth(
    folders: Platform, clock: Clock
) -> None:
    for slug in ("acme", "bolt"):
        land(folders, "a.jpg", slug)
    assert folders.watch.tick(Cursor()) is not None
    slow, objects = slowed(folders, clock, acme=3.0)
    slow.pacing.slice = 5.0
    cursor = Cursor()
    assert slow.watch.tick(cursor) is not None
    assert (objects.listed.count("acme"), objects.listed.count("bolt") > 10) == (1, True)
    ends = slow.pacing.next_sweep["acme"]
    assert 40.0 < ends - clock() <= 60.0
    land(folders, "b.jpg", "bolt")
    found = slow.watch.tick(cursor)
    assert found is not None
    assert sum(found.registered.values()) == 1
    clock.pass_by(60.0)
    slow.watch.tick(cursor)
    assert objects.listed.count("acme") == 2


def test_a_first_sweep_that_registers_costs_nobody_a_pause(
    folders: Platform, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        land(folders, f"{number}.jpg")
    store, register = type(folders.store), type(folders.store).register

    def taking(self: Any, *arguments: Any) -> Any:
        clock.pass_by(23.0)
        return register(self, *arguments)

    monkeypatch.setattr(store, "register", taking)
    cursor = Cursor()
    assert folders.watch.tick(cursor) is not None
    assert (cursor.next_sweep, folders.pacing.next_sweep) == (0.0, {})


def test_a_bucket_that_hangs_pays_for_itself(folders: Platform, clock: Clock) -> None:
    for slug in ("acme", "bolt"):
        land(folders, "a.jpg", slug)
    folders.watch.tick(Cursor())

    class Hangs(Slow):
        def identity(self, bucket: str) -> str | None:
            if bucket == "acme":
                self.clock.pass_by(20.0)
                raise StorageUnavailable("s3://acme: timed out")
            return self.objects.identity(bucket)

    hung = Hangs(folders.objects, clock, {})
    place = replace(folders, objects=hung)
    cursor = Cursor()
    place.watch.tick(cursor)
    began = clock()
    place.watch.tick(cursor)
    assert hung.listed.count("bolt") > 10
    assert clock() - began <= Timing().tick
    assert beat(place)["refused"]["acme"]["such_as"] == {"acme/": "s3://acme: timed out"}


def test_a_slow_round_over_many_tenants_is_paid_by_all(folders: Platform, clock: Clock) -> None:
    slugs = [f"tenant-{number:03}" for number in range(20)]
    for slug in slugs:
        land(folders, "a.jpg", slug)
    folders.watch.tick(Cursor())
    slow, _ = slowed(folders, clock, **dict.fromkeys(slugs, 0.02))
    cursor = Cursor()
    slow.watch.tick(cursor)
    assert cursor.next_sweep == pytest.approx(clock() + slow.pacing.ease * 20 * 0.02)


def test_uploads_are_followed_at_the_end_of_a_tick(folders: Platform, clock: Clock) -> None:
    deadlines: list[float] = []

    def follow(deadline: float) -> list[str]:
        deadlines.append(deadline)
        return ["acme/2025-10-09/001"] * 2

    result = replace(folders.watch, follow_uploads=follow).tick(Cursor())
    assert result is not None
    assert result.registered == {"acme/2025-10-09/001": 2}
    assert deadlines == [clock() + Timing().uploads]
