"""The layer of AWS's manners itself, and what it showed. No server: its answers are enough."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from parjanya_dagster.errors import TruthUnavailable
from parjanya_dagster.truth.dynamo import client
from parjanya_dagster.truth.dynamo.codec import attributes
from parjanya_dagster.truth.dynamo.wire import ABSENT, Put, Wire
from tests.support.aws_manners.answers import hook, refused, said, unhurried
from tests.support.aws_manners.chance import Chance
from tests.support.aws_manners.dynamo import (
    LARGEST_ITEM,
    MOST_REFUSALS,
    DynamoManners,
    invalid,
    item_size,
)
from tests.support.aws_manners.replica import Replica
from tests.support.aws_manners.rights import NewRights
from tests.support.clock import Clock

KEY = ("image#1", "row")


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """A table that nobody serves."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    options = {"region": "us-east-1", "endpoint": "http://127.0.0.1:9"}
    return Wire(client("dynamodb", options), "truth", pause=lambda _: None)


def answers(wire: Wire, *given: Callable[[Any], Any]) -> list[str]:
    """Let the next attempts be answered so. Returns the operations that were asked."""
    waiting, asked = list(given), []

    def serve(operation: str, request: Any) -> Any:
        asked.append(operation)
        return waiting.pop(0)(request)

    hook(wire.client, serve)
    return asked


def failed(request: Any) -> Any:
    return refused(request, "InternalServerError", 500)


def taken_by(item: dict[str, Any]) -> Callable[[Any], Any]:
    return lambda request: refused(request, "ConditionalCheckFailedException", Item=item)


def there(**values: Any) -> dict[str, Any]:
    return attributes({"pk": KEY[0], "sk": KEY[1], **values})


def test_a_write_whose_answer_was_lost_was_done(wire: Wire) -> None:
    """Here a token was revoked, and its owner was told that there is no such token."""
    item = attributes({"at": 7.0, "who": "ann"})
    present = there(who="ann") | {"at": {"N": "7"}}  # in DynamoDB's spelling
    asked = answers(wire, failed, taken_by(present))
    with unhurried():
        assert wire.write(Put(KEY, item, ABSENT)) is None
    assert asked == ["PutItem", "PutItem"]


def test_what_another_wrote_meanwhile_is_not_ours(wire: Wire) -> None:
    item = attributes({"who": "ann"})
    answers(wire, failed, taken_by(there(who="bob")), taken_by(there(who="ann")))
    with unhurried():
        assert wire.write(Put(KEY, item, ABSENT)) == there(who="bob")
        assert wire.write(Put(KEY, item, ABSENT)) == there(who="ann")  # it was not sent again


def some(count: int, of: int) -> Callable[[Any], Any]:
    """The first keys of a BatchGetItem are read, the others are not processed."""

    def serve(request: Any) -> Any:
        keys = json.loads(request.body)["RequestItems"]["truth"]["Keys"]
        left = {"truth": {"Keys": keys[count:]}} if keys[count:] else {}
        assert len(keys) <= of
        return said(request, {"Responses": {"truth": keys[:count]}, "UnprocessedKeys": left})

    return serve


def test_a_batch_that_is_answered_key_by_key_is_read_to_its_end(wire: Wire) -> None:
    """A hot partition: as long as something comes, it is not given up."""
    keys = [(f"image#{n}", "row") for n in range(30)]
    answers(wire, *[some(1, 30)] * 30)
    assert set(wire.get_all(keys)) == set(keys)


def test_a_batch_of_which_nothing_comes_is_given_up(wire: Wire) -> None:
    answers(wire, *[some(0, 30)] * 30)
    with pytest.raises(TruthUnavailable, match="too busy"):
        wire.get_all([KEY, ("image#2", "row")])


def test_rights_that_were_just_given_are_waited_for(wire: Wire) -> None:
    clock = Clock()
    rights = NewRights(clock)
    rights.follow(wire.client)
    with pytest.raises(TruthUnavailable, match="refuses us"):
        wire.get(KEY)
    clock.pass_by(60.0)
    answers(wire, lambda request: said(request, {}))
    assert wire.get(KEY) is None
    assert rights.denied == 1


def test_chance_is_the_same_for_a_seed_and_ends_after_a_few() -> None:
    def drawn(seed: int) -> list[bool]:
        chance = Chance(seed, rate=0.5)
        return [chance.happens("throttled", "image#1") for _ in range(40)]

    assert drawn(1) == drawn(1) != drawn(2)
    always = Chance(1, rate=1.0, in_a_row=2)
    assert [always.happens("throttled") for _ in range(6)] == [True, True, False] * 2


def test_a_request_is_answered_before_botocore_gives_up(wire: Wire) -> None:
    """However often a partition's faults are interleaved with those of others' requests."""
    always = Chance("always", rate=1.0, in_a_row=1_000)
    DynamoManners(Clock(), always).follow(wire.client, wire.table)
    asked = answers(wire, *[lambda request: said(request, {})] * 6)  # where the manners say nothing
    with unhurried():
        assert wire.get(KEY) is None
    assert len(asked) == MOST_REFUSALS + 1
    assert always.counted == {"throttled": MOST_REFUSALS}


def test_an_item_follows_late_and_in_the_order_of_its_writes() -> None:
    clock, delays = Clock(), iter([5.0, 1.0])
    replica = Replica(clock, lambda: next(delays))
    first, second = there(n=1), there(n=2)
    replica.wrote({KEY: first})
    assert replica.get(KEY) is None
    replica.wrote({KEY: second})
    clock.pass_by(4.9)
    assert replica.get(KEY) is None
    clock.pass_by(0.1)
    assert replica.get(KEY) == second


@pytest.mark.parametrize(
    ("operation", "asked", "why"),
    [
        ("PutItem", {"Item": there(body="x" * LARGEST_ITEM)}, "an item of"),
        ("TransactWriteItems", {"TransactItems": [{"Put": {"Item": there()}}] * 2}, "twice"),
        ("BatchGetItem", {"RequestItems": {"truth": {"Keys": [there()] * 101}}}, "101 keys"),
    ],
)
def test_requests_that_dynamodb_refuses_are_refused(
    operation: str, asked: dict[str, Any], why: str
) -> None:
    assert why in invalid(operation, asked)
    assert invalid("PutItem", {"Item": there()}) == ""
    assert item_size(there(body="ab")) == 2 + 7 + 2 + 3 + 4 + 2
