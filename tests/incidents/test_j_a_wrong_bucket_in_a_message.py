"""A message names the right key and another tenant's bucket. On moto's emulator of S3 and SQS."""

from __future__ import annotations

import json

from parjanya_dagster.aws.queues import SqsQueue
from parjanya_dagster.doctor.case import Case
from parjanya_dagster.doctor.examine import Examiner
from parjanya_dagster.doctor.rules import diagnose
from parjanya_dagster.ingest.mailbox import Mailbox
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.requests import ClaimRequest
from tests.simulation.dagster_model import DagsterModel
from tests.support.mailbox import Cloud, rows, take
from tests.support.s3_events import message, record
from tests.support.servers import MotoServer


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
        store=platform.store,
        objects=box.objects,
        belief=DagsterModel(platform.clock),
        sensors=lambda: (),
        clock=platform.clock,
    )
    case = Case(facts=examiner.examine(), lanes=platform.lanes, limits=platform.limits)
    found = {one.code: one for one in diagnose(case)}
    assert found["object_elsewhere"].evidence["found_in"] == cloud.bolt
    assert found["object_elsewhere"].evidence["bucket"] == cloud.acme
