"""Notifications in, a lane worked from a queue: the whole chain on S3 and SQS.

`parjanya up`, `parjanya worker` and the images are real; S3 and SQS are moto's emulator, not AWS.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from parjanya_dagster.aws.queues import SqsQueue
from parjanya_dagster.belief.drift import running
from parjanya_dagster.metrics.families import families
from parjanya_dagster.metrics.measure import measure
from parjanya_dagster.truth.stages import STAGES
from tests.support.forking import Program
from tests.support.instance import Instance
from tests.support.pictures import picture
from tests.support.servers import MotoServer
from tests.support.waiting import tail, wait_for_end

HAPPENS = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]


class Fleet:
    """An instance on S3 with its queues, and the workers beside it."""

    def __init__(self, moto: MotoServer, home: Path) -> None:
        self.s3 = boto3.client("s3")
        self.tenants = [moto.name("acme"), moto.name("bolt")]
        self.arrivals, self.dead, self.lane = (
            SqsQueue(moto.name(kind)) for kind in ("arrivals", "dead", "gpu")
        )
        self.arrivals.create()
        self.dead.create()  # the lane's queue is made by whoever needs it first
        for tenant in self.tenants:
            self.s3.create_bucket(Bucket=f"{tenant}-uploads")
            self.notify(tenant, [{"QueueArn": self.arrivals.arn(), "Events": HAPPENS}])
        self.instance = Instance(
            home,
            lanes__layout="split",
            objects__url="s3://",
            tenants__buckets="{tenant}-uploads",
            arrivals__queue=self.arrivals.name,
            arrivals__dead_letters=self.dead.name,
            lanes__gpu__queue=self.lane.name,
            arrivals__sweep_seconds="10",
        )
        self.worker: Program | None = None

    def notify(self, tenant: str, queues: list[dict[str, object]]) -> None:
        self.s3.put_bucket_notification_configuration(
            Bucket=f"{tenant}-uploads", NotificationConfiguration={"QueueConfigurations": queues}
        )

    def upload(self, tenant: str, numbers: range) -> None:
        for number in numbers:
            self.s3.put_object(
                Bucket=f"{tenant}-uploads",
                Key=f"incoming/no {number}+.jpg",
                Body=picture(hash((tenant, number)) % 2**31),
            )

    def start_worker(self) -> None:
        self.worker = self.instance.begun("worker", "--queue", self.lane.name, log="worker.log")

    def stop_worker(self, how: signal.Signals) -> int:
        assert self.worker is not None
        self.worker.send_signal(how)
        return wait_for_end(self.worker, "the worker ends", self.log)

    def until_curated(self, counts: dict[str, int]) -> None:
        def settled() -> bool:
            assert self.worker is None or self.worker.poll() is None, self.log()
            return self.instance.settled(counts)

        self.instance.until(settled, f"all of {counts} are terminal")

    def log(self) -> str:
        return tail(self.instance.home / "worker.log")


@pytest.fixture
def fleet(aws: MotoServer, tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(aws, tmp_path / "home")
    try:
        yield fleet
    finally:
        fleet.instance.close()
        if fleet.worker is not None:
            fleet.worker.kill()
            fleet.worker.wait()


def test_images_arrive_by_message_are_worked_from_a_queue_and_survive_its_loss(
    fleet: Fleet,
) -> None:
    acme, bolt = fleet.tenants
    instance = fleet.instance
    fleet.upload(acme, range(4))
    fleet.arrivals.send("this is no event")
    instance.start()
    fleet.start_worker()
    fleet.upload(bolt, range(2))
    fleet.until_curated({acme: 4, bolt: 2})
    store = instance.platform.store
    for tenant in (acme, bolt):
        for name, row in instance.rows(tenant).items():
            assert name.startswith("no ")
            assert row.pipeline_status == "curated"
            stages = [one.stage for one in store.all_evidence(row.image_id)]
            assert stages == list(STAGES)
    with instance.dagster() as dagster:
        assert dagster.get_runs() == []  # so few are validated by the worker of the queue too
    instance.until(lambda: fleet.lane.state().messages == 0, "the lane's queue is empty")
    samples = {
        (sample.name.removeprefix("parjanya_"), *sorted(sample.labels.values())): sample.value
        for family in families(measure(instance.platform, None, lambda: ()))
        for sample in family.samples
    }
    for stage in STAGES:
        assert samples["outcomes_total", *sorted((acme, stage, "completed"))] == 4
        assert samples["work_seconds_total", *sorted((bolt, stage))] > 0
    assert samples["run_start_seconds_count", *sorted(("gpu", "loading enriched"))] > 0
    assert {lane for lane, *_ in running(store)} == {"gpu"}
    instance.until(lambda: fleet.dead.state().messages == 1, "one dead letter")

    # The worker is killed, its queue deleted, and half of the events are never sent.
    fleet.stop_worker(signal.SIGKILL)
    fleet.notify(bolt, [])
    boto3.client("sqs").delete_queue(QueueUrl=fleet.lane.url())
    fleet.upload(acme, range(4, 7))
    fleet.upload(bolt, range(2, 5))
    fleet.s3.delete_object(Bucket=f"{acme}-uploads", Key="incoming/no 0+.jpg")
    fleet.start_worker()
    fleet.until_curated({acme: 6, bolt: 5})
    assert all(one.registered == one.rows + one.departed for one in store.counts())
    assert {
        row.pipeline_status for tenant in (acme, bolt) for row in instance.rows(tenant).values()
    } == {"curated"}

    said = json.loads(instance.parjanya("doctor", "--json").stdout)
    assert said["could_not_read"] == {}
    assert [one["code"] for one in said["findings"] if one["severity"] == "error"] == []
    assert "dead_letters" in {one["code"] for one in said["findings"]}
    assert fleet.stop_worker(signal.SIGTERM) == 0, fleet.log()
    assert instance.stop() == 0
