"""A new customer on Friday evening: the list of tenants is in the code, so its images wait.

Here its first object registers it. On moto's emulator of S3 and SQS.
"""

from __future__ import annotations

from dataclasses import replace

from parjanya_dagster.ingest.arrivals import Sweeper
from parjanya_dagster.ingest.mailbox import Mailbox
from parjanya_dagster.ingest.owners import BucketNames
from parjanya_dagster.objects.s3 import S3Objects
from parjanya_dagster.platform import Platform
from parjanya_dagster.settings import Settings
from tests.support.clock import Clock
from tests.support.mailbox import Cloud, rows, take
from tests.support.servers import MotoServer


def test_the_first_message_registers_it_and_its_images(
    cloud: Cloud,
    box: Mailbox,
    platform: Platform,
    aws: MotoServer,
) -> None:
    running = replace(box, names=BucketNames("{tenant}-uploads"))  # since long ago
    slug = aws.name("newcomer")
    bucket = cloud.bucket(f"{slug}-uploads")
    cloud.upload(bucket, "a.jpg")
    cloud.upload(bucket, "b.jpg")
    take(running)
    tenant = platform.store.tenant(slug)
    assert tenant is not None
    assert (tenant.bucket, tenant.policy) == (bucket, platform.new_policy())
    assert len(rows(platform, slug)) == 2
    assert any(due.tenant == slug for due in platform.store.due(platform.clock()))


def test_the_sweep_registers_it_where_its_bucket_notifies_nobody(
    cloud: Cloud,
    platform: Platform,
    aws: MotoServer,
    clock: Clock,
) -> None:
    slug = aws.name("of")
    for bucket in (f"quiet-{slug}-uploads", f"quiet-{slug}-logs"):
        cloud.s3.create_bucket(Bucket=bucket)
        cloud.upload(bucket, "a.jpg")
    settings = Settings(
        home=platform.settings.home,
        objects={"url": "s3://"},
        tenants={"buckets": "quiet-{tenant}-uploads"},
    )
    sweeper: Sweeper = Platform(settings, platform.store, S3Objects(), clock).sweeper
    swept = sweeper.sweep(clock() + 1e9)
    assert swept.tenants == [slug]
    assert [row.bucket for row in rows(platform, slug)] == [f"quiet-{slug}-uploads"]
    assert sum(swept.registered.values()) == 1
