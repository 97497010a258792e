"""A tick of `arrivals` with a queue, on moto's emulator: messages first, the sweep for the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from parjanya_dagster.aws.queues import SqsQueue
from parjanya_dagster.belief.tags import BLIND
from parjanya_dagster.defs.sensors.arrivals_tick import (
    ARRIVALS_BEAT,
    MAILBOX,
    State,
    attend_mailbox,
)
from parjanya_dagster.objects.s3 import S3Objects
from parjanya_dagster.platform import Platform
from parjanya_dagster.settings import Settings
from tests.servers import MotoServer
from tests.unit.conftest import Clock
from tests.unit.ingest.test_events import message, record
from tests.unit.ingest.test_mailbox import Cloud


@pytest.fixture(autouse=True)
def no_long_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """The injected time passes by itself; no real one need."""
    monkeypatch.setattr("parjanya_dagster.defs.sensors.arrivals_tick.LONG_POLL", 0.0)


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


def beat(place: Platform) -> dict[str, Any]:
    return dict(place.store.heartbeats()[ARRIVALS_BEAT].payload)


def test_messages_are_taken_and_counted(cloud: Cloud, place: Platform) -> None:
    cloud.upload(cloud.acme, "a.jpg")
    cloud.queue.send("no event")
    state: State = {"next_sweep": place.clock() + 250.0}
    total = attend_mailbox(place, state)
    assert sum(total.registered.values()) == 1
    said = beat(place)
    assert said["messages"] >= 2
    assert len(said["dead_letters"]) == 1


def test_the_sweep_finds_what_no_message_told_of(cloud: Cloud, place: Platform) -> None:
    cloud.upload(cloud.acme, "lost.jpg")
    cloud.sqs.purge_queue(QueueUrl=cloud.queue.url())
    state: State = {}
    assert sum(attend_mailbox(place, state).registered.values()) == 1
    assert state["next_sweep"] > place.clock() + 200.0  # five minutes from the last one


def test_a_queue_that_is_gone_is_noted_and_the_sweep_goes_on(cloud: Cloud, place: Platform) -> None:
    cloud.upload(cloud.acme, "a.jpg")
    cloud.sqs.delete_queue(QueueUrl=cloud.queue.url())
    assert sum(attend_mailbox(place, {}).registered.values()) == 1
    blind = place.store.heartbeats(BLIND)[f"{BLIND}:{MAILBOX}"]
    assert cloud.queue.name in blind.payload["error"]
    SqsQueue(cloud.queue.name).create()
    cloud.queue.send(message(record("incoming/a.jpg", cloud.acme)))
    attend_mailbox(place, {"next_sweep": place.clock() + 250.0})
    assert place.store.heartbeats(BLIND) == {}


def test_a_sweep_that_does_not_end_goes_on_beside_the_messages(
    cloud: Cloud, place: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parjanya_dagster.ingest.arrivals.CHUNK", 1)
    monkeypatch.setattr("parjanya_dagster.defs.sensors.arrivals_tick.SLICE", 1.0)
    for number in range(6):
        cloud.upload(cloud.acme, f"{number}.jpg")
    cloud.sqs.purge_queue(QueueUrl=cloud.queue.url())
    state: State = {}
    ticks = 0
    while len(place.store.present("acme")) < 6 or state["stopped"]:
        attend_mailbox(place, state)
        state["next_sweep"] = 0.0
        ticks += 1
        assert ticks < 20
    assert ticks > 1


def test_a_cursor_of_another_version_begins_again(cloud: Cloud, place: Platform) -> None:
    cloud.upload(cloud.acme, "a.jpg")
    state: State = {"stopped": {"what": "ever"}}
    attend_mailbox(replace(place), state)
    assert len(place.store.present("acme")) == 1
