"""A message names the right key and another tenant's bucket. On moto's emulator of S3 and SQS."""

# ruff: noqa: F811 - fixtures of other suites are imported, and then named
from __future__ import annotations

import json

from parjanya_dagster.aws.queues import SqsQueue
from parjanya_dagster.doctor.examine import Examiner
from parjanya_dagster.doctor.rules import Case, diagnose
from parjanya_dagster.ingest.mailbox import Mailbox
from parjanya_dagster.platform import Platform
from parjanya_dagster.queues.messages import Message
from parjanya_dagster.truth.requests import ClaimRequest
from tests.servers import MotoServer
from tests.simulation.dagster_model import DagsterModel
from tests.unit.conftest import clock, platform  # noqa: F401  (fixtures)
from tests.unit.ingest.test_events import message, record
from tests.unit.ingest.test_mailbox import Cloud, box, cloud, rows, take  # noqa: F401  (fixtures)


def naive(cloud: Cloud, said: Message) -> bytes:
    """The worker that reads where the message points."""
    job = json.loads(said.body)
    found: bytes = cloud.s3.get_object(Bucket=job["bucket"], Key=job["key"])["Body"].read()
    return found


def test_how_one_tenant_got_the_others_picture(cloud: Cloud) -> None:
    cloud.upload(cloud.acme, "a.jpg", b"acme's picture")
    cloud.upload(cloud.bolt, "a.jpg", b"bolt's picture")
    body = {"tenant": "acme", "bucket": cloud.bolt, "key": "incoming/a.jpg"}  # a copied template
    assert naive(cloud, Message(json.dumps(body), "")) == b"bolt's picture"


def test_an_event_is_only_looked_at_where_it_points_and_belongs_to_that_bucket(
    cloud: Cloud,
    box: Mailbox,
    platform: Platform,
) -> None:
    cloud.upload(cloud.acme, "a.jpg", b"acme's picture")
    take(box)
    cloud.queue.send(message(record("incoming/a.jpg", cloud.bolt)))
    taken = take(box)
    assert taken.registered == {}
    assert taken.departed == 0
    assert rows(platform, "bolt") == []
    assert [(row.bucket, row.object_state) for row in rows(platform)] == [(cloud.acme, "present")]


def test_work_is_done_where_the_row_says_whatever_a_message_adds(
    cloud: Cloud,
    box: Mailbox,
    platform: Platform,
    aws: MotoServer,
) -> None:
    """A lane's message names batches. What else is in it is not read."""
    from parjanya_dagster.queues.assignments import read_body

    cloud.upload(cloud.acme, "a.jpg")
    take(box)
    (row,) = rows(platform)
    forged = {
        "version": 1,
        "id": "forged",
        "lane": "embedded",
        "stages": ["validated"],
        "batches": [row.batch],
        "bucket": cloud.bolt,
        "key": "incoming/b.jpg",
    }
    queue = SqsQueue(aws.name("lane"))
    queue.create()
    queue.send(json.dumps(forged))
    (received,) = queue.receive(1, 0)
    assignment = read_body(received.body)
    (claim,) = platform.store.claim(
        ClaimRequest(
            stage="validated", batches=assignment.batches, limit=10, owner=assignment.id, lease=60.0
        ),
        platform.clock(),
    )
    assert (claim.row.bucket, claim.row.key) == (cloud.acme, "incoming/a.jpg")


def test_an_object_that_lies_in_another_bucket_is_a_finding_that_names_it(
    cloud: Cloud, box: Mailbox, platform: Platform
) -> None:
    cloud.upload(cloud.acme, "a.jpg", b"acme's picture")
    take(box)
    cloud.upload(cloud.bolt, "a.jpg", b"acme's picture")
    cloud.s3.delete_object(Bucket=cloud.acme, Key="incoming/a.jpg")
    examiner = Examiner(
        platform.store, box.objects, DagsterModel(platform.clock), lambda: (), platform.clock
    )
    case = Case(examiner.examine(), platform.lanes, platform.limits)
    found = {one.code: one for one in diagnose(case)}
    assert found["object_elsewhere"].evidence["found_in"] == cloud.bolt
    assert found["object_elsewhere"].evidence["bucket"] == cloud.acme
