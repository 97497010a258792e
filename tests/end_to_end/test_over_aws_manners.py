"""From an upload to a decision, over everything that AWS may do (docs/aws-emulator.md).

S3 event → SQS → mailbox → DynamoDB → a lane's queue → worker → decision. Our own code is real but
for what the stages find. moto answers below AWS's manners, and time is the test's. Whoever is
refused does what its process does: it looks again later.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from parjanya_dagster.aws import clients, queues
from parjanya_dagster.aws.queues import SqsQueue
from parjanya_dagster.errors import TransientError
from parjanya_dagster.execution.queue_worker import Worker
from parjanya_dagster.execution.worker import Pace
from parjanya_dagster.lanes import EMBEDDED
from parjanya_dagster.objects.s3 import S3Objects
from parjanya_dagster.platform import Platform
from parjanya_dagster.queues.assignments import Assignment
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth import open_store
from parjanya_dagster.truth.outcomes import Claim, Outcome
from parjanya_dagster.truth.stages import STAGES
from tests.support.aws_manners.answers import unhurried
from tests.support.aws_manners.chance import Chance
from tests.support.aws_manners.dynamo import DynamoManners
from tests.support.aws_manners.objects import ObjectManners
from tests.support.aws_manners.queues import QueueManners
from tests.support.aws_manners.replica import Replica
from tests.support.backends import dynamo_table
from tests.support.clock import Clock
from tests.support.mailbox import Cloud, open_mailbox
from tests.support.servers import MotoServer
from tests.support.world import completed

IMAGES = 4
LOOKS = 120  # of a loop, until everything must be done
SEEDS = range(int(os.environ.get("AWS_MANNERS_SEEDS", "1")))


@dataclass
class Found:
    """A stage whose work is done at once."""

    stage: str
    load_seconds: ClassVar[float] = 0.0

    def prepare(self) -> None: ...

    def work(self, claims: Sequence[Claim]) -> Iterator[tuple[Claim, Outcome]]:
        for claim in claims:
            yield claim, completed(claim)


@pytest.fixture
def fresh_clients() -> Iterator[None]:
    """Clients of this test's own: what is hooked into them ends with it."""
    clients._client.cache_clear()
    queues._url.cache_clear()
    yield
    clients._client.cache_clear()
    queues._url.cache_clear()


def until(done: Callable[[], bool], step: Callable[[], object], clock: Clock) -> None:
    """Look again and again, as a loop of ours does, until it is done."""
    for _ in range(LOOKS):
        try:
            step()
            if done():
                return
        except TransientError:
            pass  # AWS refused for longer than was tried
        clock.pass_by(5.0)
    raise AssertionError("It is not done.")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.usefixtures("fresh_clients")
def test_every_image_is_decided_once_whatever_aws_does(
    aws: MotoServer, clock: Clock, tmp_path: Path, seed: int
) -> None:
    cloud = Cloud(aws)
    lane_queue = SqsQueue(aws.name("lane"))
    lane_queue.create()
    chance = Chance(seed, rate=0.15)
    replica = Replica(clock, lambda: chance.between(0.0, 3.0))
    dynamo = DynamoManners(clock, chance, replica=replica, page_items=3)
    messages = QueueManners(clock, chance)
    with dynamo_table(aws) as url, unhurried():
        store: Any = open_store(url, batch_size=3)
        store.recent.clock, store.wire._pause = clock, lambda _: None
        objects = S3Objects()
        platform = Platform(Settings(home=tmp_path), store, objects, clock)
        box = replace(open_mailbox(cloud, platform), objects=objects)
        dynamo.follow(store.wire.client, store.wire.table)
        messages.follow(clients.client("sqs"))
        ObjectManners(chance).follow(objects._client)

        for n in range(IMAGES):
            cloud.upload(cloud.acme, f"{n}.jpg", str(n).encode())

        until(
            lambda: len(store.present("acme", "", 100)) == IMAGES and not messages.waiting(),
            lambda: box.take(0),
            clock,
        )
        batches = tuple(store.batches("acme"))
        place = SimpleNamespace(
            settings=Settings(home=tmp_path),
            store=store,
            objects=objects,
            clock=clock,
            pace=Pace(rows=2, seconds=5.0, lease=120.0),
        )
        worker: Any = Worker(
            place,
            EMBEDDED[0],
            lane_queue,
            work=lambda stage, _: Found(stage),
        )

        def serve() -> None:
            """The reconciler sends what is due again, and a worker takes it."""
            body = Assignment("a-1", EMBEDDED[0].name, STAGES, batches).body()
            lane_queue.send(body)
            for message in lane_queue.receive(1, 0):
                worker.take(message)

        images = [row.image_id for row in store.present("acme", "", 100)]
        until(
            lambda: {store.get(one).pipeline_status for one in images} == {"curated"}, serve, clock
        )
        for one in images:
            assert sorted(e.stage for e in store.all_evidence(one)) == sorted(STAGES)
            decided = [e for e in store.history(one) if e.to_status == "curated"]
            assert len(decided) == 1
        (acme,) = [each for each in store.counts() if each.tenant == "acme"]
        assert acme.registered == acme.rows + acme.departed == IMAGES
        assert dynamo.broken == []
        assert {"throttled", "failed", "answer lost", "conflict"} <= set(chance.counted)
        store.close()
