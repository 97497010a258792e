"""Hints from the table's stream: exactly what changed, in micro-batches; else look at the index.

The ordinary course runs on moto's emulator. It has one shard that never closes, so closed and
trimmed shards, which DynamoDB has every few hours, are told by a scripted client.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from parjanya_dagster.truth import open_hints, open_store
from parjanya_dagster.truth.dynamo import DynamoStore, open_wire, schema
from parjanya_dagster.truth.dynamo.stream import LOOK_AGAIN, MicroBatch, Stream
from parjanya_dagster.truth.requests import Reset
from tests.support.aws_manners.answers import unhurried
from tests.support.aws_manners.chance import Chance
from tests.support.aws_manners.streams import StreamManners
from tests.support.backends import dynamo_table
from tests.support.clock import Clock
from tests.support.servers import MotoServer
from tests.support.world import NOON, arrive, carry, claim, commit

ACME, ZETA = "acme/2025-10-09/001", "zeta/2025-10-09/001"


@pytest.fixture
def table(aws: MotoServer) -> Iterator[str]:
    with dynamo_table(aws) as url:
        yield url


@pytest.fixture
def store(table: str) -> Iterator[Any]:
    store = open_store(table, batch_size=100)
    yield store
    store.close()


def hints(table: str, clock: Clock) -> Any:
    """Hints that read from this moment on."""
    found = open_hints(table, clock)
    assert found is not None
    assert found.poll() is None  # what was before is for the index
    return found


def test_the_batches_that_came_to_have_work_are_named_after_five_seconds(
    table: str, store: DynamoStore
) -> None:
    clock = Clock()
    arrive(store, 1, slug="zeta")
    stream = hints(table, clock)
    arrive(store, 3)
    assert stream.poll() == frozenset()
    clock.pass_by(4.9)
    assert stream.poll() == frozenset()
    clock.pass_by(0.1)
    assert stream.poll() == {ACME}
    clock.pass_by(60)
    assert stream.poll() == frozenset()


def test_fifty_records_do_not_wait(table: str, store: DynamoStore) -> None:
    stream = hints(table, Clock())
    arrive(store, 49)
    assert stream.poll() == frozenset()
    arrive(store, 1, slug="zeta")
    assert stream.poll() == {ACME, ZETA}


def test_only_rows_that_cross_into_another_pending_status_count(
    table: str, store: DynamoStore
) -> None:
    clock = Clock()
    arrive(store, 2)
    carry(store, through="scored")
    stream = hints(table, clock)
    held = claim(store, "curated")  # a lease, heartbeats, the manifest's count: no new work
    store.extend(held, 60.0, NOON)
    store.release(held[:1], NOON, "drain", "")
    commit(store, held[1:])
    store.beat("pending_rows", NOON, {})
    stream.poll()
    clock.pass_by(60)
    assert stream.poll() == frozenset()
    store.reset(store.batches(), Reset(stage="validated", reason="again"), NOON, "r-1")
    stream.poll()
    clock.pass_by(60)
    assert stream.poll() == {ACME}


def test_no_stream_means_look_and_one_that_is_switched_on_is_found(aws: MotoServer) -> None:
    url, clock = f"dynamodb://{aws.name('truth')}", Clock()
    wire = open_wire(url)
    asked = schema.table(wire.table)
    del asked["StreamSpecification"]
    wire.create(asked)
    store = open_store(url, migrating=True)
    stream = open_hints(url, clock)
    assert stream is not None
    arrive(store, 1)
    assert stream.poll() is None
    assert stream.poll() is None
    assert sum(batch.rows for batch in store.due(NOON)) == 1  # nothing is lost by that
    on = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    wire.call("update_table", StreamSpecification=on)
    clock.pass_by(LOOK_AGAIN)
    assert stream.poll() is None
    arrive(store, 1, slug="zeta")
    stream.poll()
    clock.pass_by(5)
    assert stream.poll() == {ZETA}
    store.close()
    wire.close()


@pytest.mark.parametrize("seed", range(2))
def test_whatever_a_stream_does_each_change_is_named_or_means_look(
    table: str, store: DynamoStore, seed: int
) -> None:
    """Places expire, records are trimmed, requests refused: nothing is passed over in silence."""
    clock, chance, rng = Clock(), Chance(f"stream {seed}"), random.Random(seed)
    stream = hints(table, clock)
    StreamManners(clock, chance).follow(stream._client)
    unseen: set[str] = set()
    looks = 0
    with unhurried():
        for n in range(25):
            if n < 20 and rng.random() < 0.5:
                arrive(store, 1, slug=f"tenant-{n}")
                unseen.add(f"tenant-{n}/2025-10-09/001")
            clock.pass_by(rng.choice((1.0, 6.0, 16 * 60.0, 25 * 3600.0)) if n < 20 else 6.0)
            told = stream.poll()
            looks += told is None
            unseen = set() if told is None else unseen - told
    assert unseen == set()
    assert 0 < looks < 20
    assert chance.counted["stream throttled"] > 0


def test_other_stores_give_no_hints() -> None:
    assert open_hints("sqlite:////nowhere/truth.db", Clock()) is None


def test_a_micro_batch_names_each_batch_once_and_starts_anew() -> None:
    collected = MicroBatch(most=3, seconds=5.0)
    for _ in range(3):
        collected.add(ACME, NOON)
    assert collected.take(NOON) == {ACME}
    collected.add(ZETA, NOON + 1)
    assert collected.take(NOON + 5.9) == frozenset()
    assert collected.take(NOON + 6) == {ZETA}


# --- what the emulator never does ---


def record(batch: str, number: int) -> dict[str, Any]:
    image = {"pipeline_status": {"S": "pending_iqa"}, "batch": {"S": batch}}
    keys = {"pk": {"S": f"image#{number}"}, "sk": {"S": "row"}}
    return {"dynamodb": {"Keys": keys, "NewImage": image, "SequenceNumber": str(number)}}


class Scripted:
    """A streams client: shards with records, some closed; the next errors, if any."""

    def __init__(self, shards: dict[str, list[dict[str, Any]]], parents: dict[str, str]) -> None:
        self.shards, self.parents = shards, parents
        self.closed: set[str] = set()
        self.errors: list[str] = []
        self.trimmed: set[str] = set()  # sequence numbers
        self.opened: list[tuple[str, str, str]] = []

    def describe(self) -> dict[str, Any]:
        return {"StreamSpecification": {"StreamEnabled": True}, "LatestStreamArn": "arn"}

    def describe_stream(self, **_: Any) -> dict[str, Any]:
        shards = [
            {
                "ShardId": name,
                "SequenceNumberRange": {"EndingSequenceNumber": "9"} if name in self.closed else {},
                **({"ParentShardId": self.parents[name]} if name in self.parents else {}),
            }
            for name in self.shards
        ]
        return {"StreamDescription": {"Shards": shards}}

    def get_shard_iterator(self, **asked: Any) -> dict[str, Any]:
        name, where = asked["ShardId"], asked["ShardIteratorType"]
        after = asked.get("SequenceNumber", "")
        self.opened.append((name, where, after))
        if after in self.trimmed:
            code = "TrimmedDataAccessException"
            raise ClientError({"Error": {"Code": code, "Message": "old"}}, "GetShardIterator")
        start = {"LATEST": len(self.shards[name]), "TRIM_HORIZON": 0}.get(where)
        if start is None:
            numbers = [one["dynamodb"]["SequenceNumber"] for one in self.shards[name]]
            start = numbers.index(after) + 1
        return {"ShardIterator": f"{name}:{start}"}

    def get_records(self, **asked: Any) -> dict[str, Any]:
        if self.errors:
            code = self.errors.pop(0)
            raise ClientError({"Error": {"Code": code, "Message": "scripted"}}, "GetRecords")
        name, _, start = asked["ShardIterator"].partition(":")
        found = self.shards[name][int(start) :]
        if name in self.closed:
            return {"Records": found}
        return {"Records": found, "NextShardIterator": f"{name}:{int(start) + len(found)}"}


def scripted(parents: dict[str, str] | None = None) -> tuple[Scripted, Any, Clock]:
    script, clock = Scripted({"old": []}, parents or {}), Clock()
    stream = Stream(script, script, clock, MicroBatch(seconds=0.0))  # type: ignore[arg-type]
    assert stream.poll() is None
    return script, stream, clock


def test_a_shard_that_closes_is_read_to_its_end_and_its_children_from_their_beginning() -> None:
    script, stream, _ = scripted({"left": "old", "right": "old", "grandchild": "left"})
    script.shards["old"].append(record(ACME, 1))
    script.closed.add("old")
    script.shards |= {"left": [record(ZETA, 2)], "right": [], "grandchild": []}
    assert stream.poll() == {ACME}
    assert stream.poll() == {ZETA}
    assert [one[:2] for one in script.opened[1:]] == [
        ("left", "TRIM_HORIZON"),
        ("right", "TRIM_HORIZON"),
    ]
    script.closed.add("left")
    script.shards["grandchild"].append(record(ACME, 3))
    stream.poll()
    assert stream.poll() == {ACME}


def test_a_stream_whose_last_shard_closed_is_opened_anew() -> None:
    script, stream, clock = scripted()
    script.closed.add("old")
    assert stream.poll() is None
    script.shards["new"] = []
    clock.pass_by(LOOK_AGAIN)
    assert stream.poll() is None
    script.shards["new"].append(record(ACME, 1))
    assert stream.poll() == {ACME}


def test_records_that_were_trimmed_before_they_were_read_mean_look() -> None:
    script, stream, _ = scripted()
    script.errors = ["TrimmedDataAccessException"]
    assert stream.poll() is None
    script.shards["old"].append(record(ACME, 7))
    assert stream.poll() == {ACME}


def test_an_expired_place_is_taken_up_again_where_it_was() -> None:
    script, stream, _ = scripted()
    script.shards["old"].append(record(ACME, 1))
    assert stream.poll() == {ACME}
    script.shards["old"].append(record(ZETA, 2))
    script.errors = ["ExpiredIteratorException"]
    assert stream.poll() == frozenset()
    assert script.opened[-1] == ("old", "AFTER_SEQUENCE_NUMBER", "1")
    assert stream.poll() == {ZETA}


def test_an_expired_place_whose_record_was_trimmed_is_given_up_once_and_not_for_ever() -> None:
    """A process that slept for minutes, over a table that was quiet for a day."""
    script, stream, _ = scripted()
    script.shards["old"].append(record(ACME, 1))
    assert stream.poll() == {ACME}
    script.shards["old"] = []
    script.trimmed = {"1"}
    script.errors = ["ExpiredIteratorException"]
    assert stream.poll() is None
    script.shards["old"].append(record(ZETA, 2))
    script.errors = ["ExpiredIteratorException"] * ("1" in script.opened[-1])
    assert stream.poll() == {ZETA}


def test_an_expired_place_in_a_shard_that_was_never_read_means_look() -> None:
    script, stream, _ = scripted()
    script.errors = ["ExpiredIteratorException"]
    assert stream.poll() is None


@pytest.mark.parametrize("code", ["LimitExceededException", "InternalServerError", "AccessDenied"])
def test_a_stream_that_cannot_be_read_at_present_means_look(code: str) -> None:
    script, stream, _ = scripted()
    script.shards["old"].append(record(ACME, 1))
    script.errors = [code]
    assert stream.poll() is None
    assert stream.poll() == {ACME}


def test_a_stream_that_is_gone_means_look_until_there_is_another() -> None:
    script, stream, clock = scripted()
    script.errors = ["ResourceNotFoundException"]
    assert stream.poll() is None
    assert stream.poll() is None
    clock.pass_by(LOOK_AGAIN)
    assert stream.poll() is None
    script.shards["old"].append(record(ACME, 1))
    assert stream.poll() == {ACME}
