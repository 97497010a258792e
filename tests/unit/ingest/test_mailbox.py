"""Arrivals by message, on moto's emulator of S3 and SQS (not AWS): register, and then delete."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from parjanya_dagster.aws.queues import SqsQueue
from parjanya_dagster.errors import CloudUnavailable, StorageUnavailable, TruthUnavailable
from parjanya_dagster.ingest.mailbox import Mailbox
from parjanya_dagster.ingest.owners import BucketNames
from parjanya_dagster.objects.s3 import S3Objects
from parjanya_dagster.objects.store import ObjectInfo
from parjanya_dagster.platform import Platform
from parjanya_dagster.queues.messages import Message, QueueState
from parjanya_dagster.truth.dead_letters import MOST_SOURCES, OTHERS, UNREADABLE, DeadLetter
from parjanya_dagster.truth.dead_letters import record as record_dead
from tests.support.clock import Clock
from tests.support.mailbox import Cloud, rows, take
from tests.support.s3_events import message, record
from tests.support.servers import MotoServer
from tests.support.world import claim, commit, completed


def states(platform: Platform, name: str) -> list[str]:
    return sorted(row.object_state for row in platform.store.find(f"incoming/{name}"))


def test_what_lands_is_registered_and_its_message_deleted(
    cloud: Cloud, box: Mailbox, platform: Platform
) -> None:
    cloud.upload(cloud.acme, "a b+c 100%.jpg")
    cloud.upload(cloud.bolt, "ü.jpg")
    taken = take(box)
    assert sum(taken.registered.values()) == 2
    assert [row.key for row in rows(platform)] == ["incoming/a b+c 100%.jpg"]
    assert [row.bucket for row in rows(platform, "bolt")] == [cloud.bolt]
    assert cloud.waiting() == 0
    assert taken.dead_letters == []  # the test events of both buckets are among the messages


def test_an_event_and_the_sweep_give_an_object_the_same_row(
    cloud: Cloud, box: Mailbox, platform: Platform
) -> None:
    cloud.upload(cloud.acme, "a.jpg")
    take(box)
    sweeper = replace(platform.sweeper, objects=S3Objects(), candidates=list)
    assert sweeper.sweep(platform.clock() + 1e9).registered == {}
    assert len(rows(platform)) == 1


def test_fifty_messages_are_one_batch(cloud: Cloud, box: Mailbox) -> None:
    for number in range(55):
        cloud.queue.send(message(record(f"incoming/{number}.jpg", cloud.acme)))
    assert box.take(0).messages == 50


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 0, 2, 2, 1)])
def test_overwrites_end_the_same_in_whatever_order_their_events_come(
    cloud: Cloud, box: Mailbox, platform: Platform, order: tuple[int, ...]
) -> None:
    take(box)
    sent = []
    for number in range(3):
        cloud.upload(cloud.acme, "a.jpg", b"x" * (number + 1))
        said = record("incoming/a.jpg", cloud.acme)
        said["s3"]["object"] |= {"sequencer": f"{number:018d}", "size": number + 1}
        sent.append(message(said))
    cloud.sqs.purge_queue(QueueUrl=cloud.queue.url())
    for number in order:
        cloud.queue.send(sent[number])
        take(box)
    assert [row.size for row in rows(platform)] == [3]


def test_an_object_that_was_overwritten_in_between_replaces_the_first(
    cloud: Cloud, box: Mailbox, platform: Platform
) -> None:
    cloud.upload(cloud.acme, "a.jpg", b"first")
    take(box)
    cloud.upload(cloud.acme, "a.jpg", b"second")
    take(box)
    assert states(platform, "a.jpg") == ["present", "replaced"]
    assert [row.size for row in rows(platform)] == [6]


def test_the_same_bytes_put_in_parts_are_the_same_image_and_not_decided_again(
    cloud: Cloud, box: Mailbox, platform: Platform
) -> None:
    """Their ETag is another one."""
    cloud.upload(cloud.acme, "a.jpg", b"bytes")
    take(box)
    store = platform.store
    sha256 = hashlib.sha256(b"bytes").hexdigest()
    commit(store, claim(store), lambda one: completed(one, sha256=sha256))
    (before,) = rows(platform)
    put_in_parts(cloud.s3, cloud.acme, "incoming/a.jpg", b"bytes")
    cloud.queue.send(message(record("incoming/a.jpg", cloud.acme)))
    assert take(box).registered == {}
    (after,) = rows(platform)
    assert after.version.endswith("-1")
    assert (after.image_id, after.sha256, after.pipeline_status) == (
        before.image_id,
        sha256,
        "pending_vlm_enrichment",
    )


def put_in_parts(s3: Any, bucket: str, key: str, data: bytes) -> None:
    there = {"Bucket": bucket, "Key": key}
    there["UploadId"] = s3.create_multipart_upload(**there)["UploadId"]
    part = s3.upload_part(**there, PartNumber=1, Body=data)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(**there, MultipartUpload=parts)


def test_a_delete_departs_the_row_and_a_late_one_departs_nothing_that_came_back(
    cloud: Cloud, box: Mailbox, platform: Platform
) -> None:
    cloud.upload(cloud.acme, "a.jpg")
    take(box)
    cloud.s3.delete_object(Bucket=cloud.acme, Key="incoming/a.jpg")
    late = box.queue.receive(10, 0)
    assert late
    cloud.queue.send(late[0].body)
    assert take(box).departed == 1
    assert states(platform, "a.jpg") == ["deleted"]
    cloud.upload(cloud.acme, "a.jpg")
    take(box)
    cloud.queue.send(late[0].body)  # once more, though the object is there again
    take(box)
    assert states(platform, "a.jpg") == ["present"]


def test_an_unreadable_message_goes_to_the_dead_letters_and_stops_no_other(
    cloud: Cloud, box: Mailbox, platform: Platform
) -> None:
    take(box)
    cloud.queue.send("this is no event")
    cloud.upload(cloud.acme, "a.jpg")
    cloud.queue.send(message(record("incoming/../../etc/passwd", cloud.acme)))
    taken = take(box)
    assert len(rows(platform)) == 1
    assert cloud.waiting() == 0
    assert len(taken.dead_letters) == 2
    dead = dict(cloud.dead_letters())
    assert "no JSON" in dead["this is no event"]
    assert any("Rename" in reason for reason in dead.values())


def test_the_readable_records_of_a_half_readable_message_count(
    cloud: Cloud, box: Mailbox, platform: Platform
) -> None:
    cloud.upload(cloud.acme, "a.jpg")
    cloud.sqs.purge_queue(QueueUrl=cloud.queue.url())
    cloud.queue.send(message({"s3": {}}, record("incoming/a.jpg", cloud.acme)))
    take(box)
    assert len(rows(platform)) == 1
    assert len(cloud.dead_letters()) == 1


def test_a_bucket_of_no_tenant_is_dead_lettered_and_never_looked_into(
    cloud: Cloud, box: Mailbox, platform: Platform, aws: MotoServer
) -> None:
    foreign = cloud.bucket(aws.name("foreign"))
    cloud.upload(foreign, "a.jpg")
    take(box)
    ((_, reason),) = cloud.dead_letters()
    assert foreign in reason
    assert "parjanya tenant add" in reason
    assert platform.store.find("incoming/a.jpg") == []


def test_truth_keeps_what_the_dead_letters_told_until_their_bucket_is_a_tenants(
    cloud: Cloud, box: Mailbox, platform: Platform, aws: MotoServer, clock: Clock
) -> None:
    foreign = cloud.bucket(aws.name("foreign"))
    take(box)
    for name in ("a.jpg", "b.jpg"):
        cloud.upload(foreign, name)
        take(box)
        clock.pass_by(10.0)
    cloud.queue.send("this is no event")
    take(box)
    kept = platform.store.dead_letters()
    assert kept.keys() == {foreign, UNREADABLE}
    assert kept[foreign].messages == 2
    assert kept[foreign].last_at - kept[foreign].first_at == 10.0
    assert "b.jpg" in kept[foreign].example
    assert "no JSON" in kept[UNREADABLE].reason
    platform.sweeper.add_tenant("foreign", foreign)
    take(box)
    assert platform.store.dead_letters().keys() == {UNREADABLE}


def test_a_dead_letter_is_not_deleted_before_truth_has_it(
    cloud: Cloud, box: Mailbox, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(box)
    cloud.queue.send("this is no event")

    def away(*_: object) -> None:
        raise TruthUnavailable("Truth is away.")

    monkeypatch.setattr(type(platform.store), "note_dead_letters", away)
    with pytest.raises(TruthUnavailable):
        box.take(0)
    assert cloud.waiting() == 1


def test_records_of_dead_letters_are_bounded(platform: Platform) -> None:
    for n in range(MOST_SOURCES + 3):
        letter = DeadLetter(source=f"bucket-{n}", reason="no tenant", body="{}")
        record_dead(platform.store, [letter], platform.clock())
    kept = platform.store.dead_letters()
    assert len(kept) == MOST_SOURCES + 1
    assert kept[OTHERS].messages == 3


def test_a_tenants_key_in_another_ones_bucket_is_that_buckets(
    cloud: Cloud, box: Mailbox, platform: Platform
) -> None:
    cloud.upload(cloud.bolt, "acme/a.jpg")
    take(box)
    assert rows(platform) == []
    assert [row.tenant for row in rows(platform, "bolt")] == ["bolt"]


def test_what_lies_outside_of_uploads_is_nobodys_arrival(
    cloud: Cloud, box: Mailbox, platform: Platform
) -> None:
    for key in ("previews/a.jpg", "incoming/", "incoming/folder/", "Incoming/a.jpg"):
        cloud.s3.put_object(Bucket=cloud.acme, Key=key, Body=b"x")
    assert take(box).dead_letters == []
    assert rows(platform) == []
    assert cloud.waiting() == 0


def test_the_first_object_of_a_bucket_that_is_named_so_registers_its_tenant(
    cloud: Cloud, box: Mailbox, platform: Platform, aws: MotoServer
) -> None:
    bucket = cloud.bucket(aws.name("newcomer"))
    named = replace(box, names=BucketNames("{tenant}"))
    cloud.queue.send(message(record("incoming/none.jpg", bucket)))  # nothing lies there
    take(named)
    assert platform.store.tenant(bucket) is None
    cloud.upload(bucket, "a.jpg")
    assert take(named).tenants == [bucket]
    assert len(rows(platform, bucket)) == 1


def test_a_bucket_cannot_take_the_name_of_a_tenant_that_has_another(
    cloud: Cloud, box: Mailbox, platform: Platform, aws: MotoServer
) -> None:
    bucket = cloud.bucket(aws.name("x") + "-uploads")
    platform.sweeper.add_tenant(bucket.removesuffix("-uploads"), "its-own-bucket")
    cloud.upload(bucket, "a.jpg")
    take(replace(box, names=BucketNames("{tenant}-uploads")))
    ((_, reason),) = cloud.dead_letters()
    assert "its-own-bucket" in reason
    assert platform.store.find("incoming/a.jpg") == []


def test_a_suspended_tenants_messages_are_let_go(
    cloud: Cloud, box: Mailbox, platform: Platform, aws: MotoServer
) -> None:
    tenant = platform.store.tenant("acme")
    assert tenant is not None
    bucket = cloud.bucket(aws.name("sleeper"))
    platform.store.put_tenant(replace(tenant, slug="sleeper", bucket=bucket, status="suspended"))
    cloud.upload(bucket, "a.jpg")
    assert take(box).dead_letters == []
    assert platform.store.find("incoming/a.jpg") == []


class Dying:
    """A queue whose reader dies at a call."""

    def __init__(self, queue: SqsQueue, at: str) -> None:
        self._queue, self._at = queue, at

    def __getattr__(self, name: str) -> Any:
        if name == self._at:
            raise Died
        return getattr(self._queue, name)


class Died(BaseException):
    """The process ended here."""


def test_a_crash_between_truth_and_the_queue_repeats_a_registration_that_changes_nothing(
    cloud: Cloud, box: Mailbox, platform: Platform
) -> None:
    take(box)
    cloud.sqs.set_queue_attributes(
        QueueUrl=cloud.queue.url(), Attributes={"VisibilityTimeout": "0"}
    )
    cloud.upload(cloud.acme, "a.jpg")
    with pytest.raises(Died):
        replace(box, queue=Dying(cloud.queue, "delete")).take(0)
    (row,) = rows(platform)
    assert len(platform.store.history(row.image_id)) == 1
    again = box.take(0)
    assert again.registered == {}
    assert rows(platform) == [row]
    assert len(platform.store.history(row.image_id)) == 1
    assert cloud.waiting() == 0


def test_while_truth_is_away_no_message_is_received(cloud: Cloud, box: Mailbox) -> None:
    cloud.upload(cloud.acme, "a.jpg")

    class Away:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            raise TruthUnavailable

    with pytest.raises(TruthUnavailable):
        replace(box, store=Away()).take(0)  # type: ignore[arg-type]
    found = [one for _ in range(3) for one in cloud.queue.receive(10, 0)]
    assert {one.received for one in found} == {1}


def test_a_bucket_that_does_not_answer_keeps_its_messages_and_stops_no_other(
    cloud: Cloud, box: Mailbox, platform: Platform
) -> None:
    take(box)
    cloud.upload(cloud.acme, "a.jpg")
    cloud.upload(cloud.bolt, "b.jpg")

    class Half(S3Objects):
        def head(self, bucket: str, key: str) -> ObjectInfo:
            if bucket == cloud.acme:
                raise StorageUnavailable
            return super().head(bucket, key)

    taken = take(replace(box, objects=Half()))
    assert (taken.unanswered, len(rows(platform)), len(rows(platform, "bolt"))) == (1, 0, 1)
    state = cloud.queue.state()
    assert (state.hidden, state.waiting) == (1, 0)
    assert cloud.dead_letters() == []


class Full:
    """A queue that takes nothing more."""

    name = "full"

    def __init__(self, queue: SqsQueue) -> None:
        self._queue = queue

    def send(self, body: str, reason: str = "") -> None:
        raise CloudUnavailable("full")

    def receive(self, most: int, wait: float) -> list[Message]:
        raise NotImplementedError

    def delete(self, messages: Sequence[Message]) -> None:
        raise NotImplementedError

    def hide(self, message: Message, seconds: float) -> None:
        raise NotImplementedError

    def state(self) -> QueueState:
        return self._queue.state()

    def create(self) -> None:
        raise NotImplementedError


def test_dead_letters_that_cannot_be_sent_stay_and_the_others_go_on(
    cloud: Cloud, box: Mailbox, platform: Platform
) -> None:
    take(box)
    cloud.queue.send("no event")
    cloud.upload(cloud.acme, "a.jpg")
    with pytest.raises(CloudUnavailable):
        take(replace(box, dead_letters=Full(cloud.dead)))
    assert len(rows(platform)) == 1
    assert cloud.queue.state().messages == 1


def test_how_late_the_oldest_event_is_is_known(
    cloud: Cloud, box: Mailbox, platform: Platform, clock: Clock
) -> None:
    take(box)
    said = record("incoming/a.jpg", cloud.acme, eventTime="2025-10-09T11:00:00.000Z")
    cloud.queue.send(json.dumps({"Records": [said]}))
    assert box.take(0).late == pytest.approx(3600.0)


def test_a_key_of_that_many_bytes_is_no_trouble_for_the_dead_letters(
    cloud: Cloud, box: Mailbox
) -> None:
    take(box)
    body = json.dumps({"Records": [{"s3": {}, "padding": "é" * 100_000}]})
    cloud.queue.send(body)
    take(box)
    ((found, _),) = cloud.dead_letters()
    assert body.startswith(found[:1000])
