"""Tenants' buckets on an emulator of AWS, and the queue that they notify."""

from __future__ import annotations

import boto3

from parjanya_dagster.aws.queues import SqsQueue
from parjanya_dagster.ingest.mailbox import Mailbox
from parjanya_dagster.ingest.owners import BucketNames
from parjanya_dagster.ingest.results import MailResult
from parjanya_dagster.objects.s3 import S3Objects
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.models import ImageRow
from tests.support.servers import MotoServer


class Cloud:
    """Two tenants' buckets, a queue that they notify, and its dead letters."""

    def __init__(self, moto: MotoServer) -> None:
        self.s3, self.sqs = boto3.client("s3"), boto3.client("sqs")
        self.queue = SqsQueue(moto.name("arrivals"))
        self.dead = SqsQueue(moto.name("dead"))
        for queue in (self.queue, self.dead):
            self.sqs.create_queue(QueueName=queue.name)
        self.acme = self.bucket(moto.name("acme"))
        self.bolt = self.bucket(moto.name("bolt"))

    def bucket(self, name: str) -> str:
        self.s3.create_bucket(Bucket=name)
        wanted = {
            "QueueArn": self.queue.arn(),
            "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
        }
        self.s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"QueueConfigurations": [wanted]}
        )
        return name

    def upload(self, bucket: str, name: str, data: bytes = b"x") -> None:
        self.s3.put_object(Bucket=bucket, Key=f"incoming/{name}", Body=data)

    def dead_letters(self) -> list[tuple[str, str]]:
        """Bodies and reasons."""
        found = self.sqs.receive_message(
            QueueUrl=self.dead.url(), MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages", [])
        return [(one["Body"], one["MessageAttributes"]["reason"]["StringValue"]) for one in found]

    def waiting(self) -> int:
        return self.queue.state().messages


def take(box: Mailbox) -> MailResult:
    """All that waits, in one sum."""
    total = MailResult()
    unanswered = 0
    while (taken := box.take(0)).messages:
        total.absorb(taken)
        unanswered += taken.unanswered
    total.unanswered = unanswered
    return total


def rows(platform: Platform, tenant: str = "acme") -> list[ImageRow]:
    return platform.store.present(tenant, "", 1000)


def open_mailbox(cloud: Cloud, platform: Platform) -> Mailbox:
    """The mailbox over that queue, with both tenants registered."""
    for slug, bucket in (("acme", cloud.acme), ("bolt", cloud.bolt)):
        platform.sweeper.add_tenant(slug, bucket)
    return Mailbox(
        platform.store,
        S3Objects(),
        cloud.queue,
        cloud.dead,
        BucketNames(),
        platform.sweeper.add_tenant,
        platform.clock,
    )
