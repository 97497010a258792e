"""Queues: one suite for SQS as moto emulates it (not AWS), and for the model of the simulation."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import boto3
import pytest

from parjanya_dagster.aws.queues import FORTNIGHT, SqsQueue
from parjanya_dagster.errors import QueueMissing
from parjanya_dagster.queues.messages import Queue
from tests.simulation.queue_model import QueueModel
from tests.support.clock import Clock
from tests.support.servers import MotoServer


@dataclass
class Case:
    """A queue, and what is done to it from outside."""

    queue: Queue
    drop: Callable[[], None]


@pytest.fixture(params=[pytest.param("moto", marks=pytest.mark.server), "model"])
def case(request: pytest.FixtureRequest) -> Case:
    if request.param == "model":
        model = QueueModel(Clock())
        return Case(model, model.drop)
    moto: MotoServer = request.getfixturevalue("aws")
    sqs = boto3.client("sqs")
    queue = SqsQueue(moto.name("queue"))
    sqs.create_queue(QueueName=queue.name)
    return Case(queue, lambda: sqs.delete_queue(QueueUrl=queue.url()))


def test_a_message_is_received_once_while_it_is_hidden(case: Case) -> None:
    case.queue.send("a")
    (message,) = case.queue.receive(10, 0)
    assert (message.body, message.received) == ("a", 1)
    assert case.queue.receive(10, 0) == []
    state = case.queue.state()
    assert (state.waiting, state.hidden, state.messages) == (0, 1, 1)


def test_a_message_that_is_hidden_for_no_time_comes_again(case: Case) -> None:
    case.queue.send("a")
    (message,) = case.queue.receive(1, 0)
    case.queue.hide(message, 0)
    (again,) = case.queue.receive(1, 0)
    assert again.received == 2


def test_a_deleted_message_is_gone(case: Case) -> None:
    for number in range(12):
        case.queue.send(str(number))
    messages = case.queue.receive(10, 0) + case.queue.receive(10, 0)
    assert len(messages) == 12
    case.queue.delete(messages)
    assert case.queue.state().messages == 0
    case.queue.delete([])


@pytest.mark.parametrize("call", ["send", "receive", "state"])
def test_a_queue_that_is_gone_is_missing_until_it_is_made_again(case: Case, call: str) -> None:
    case.queue.state()
    case.drop()
    arguments = {"send": ("a",), "receive": (1, 0), "state": ()}[call]
    with pytest.raises(QueueMissing):
        getattr(case.queue, call)(*arguments)
    case.queue.create()
    case.queue.send("b")
    assert [one.body for one in case.queue.receive(1, 0)] == ["b"]
    assert case.queue.state().retention == FORTNIGHT


def test_by_default_a_message_is_kept_for_four_days(case: Case) -> None:
    assert case.queue.state().retention == 4 * 86_400


def test_a_queue_is_known_by_its_url_too(aws: MotoServer) -> None:
    by_name = SqsQueue(aws.name("queue"))
    by_name.create()
    by_url = SqsQueue(by_name.url())
    by_url.send("a")
    assert by_url.name == by_name.name
    assert by_name.state().messages == 1


def test_how_often_a_message_may_be_received_is_read(aws: MotoServer) -> None:
    dead, queue = SqsQueue(aws.name("dead")), SqsQueue(aws.name("queue"))
    dead.create()
    queue.create()
    assert queue.state().receives is None
    redrive = json.dumps({"deadLetterTargetArn": dead.arn(), "maxReceiveCount": 3})
    boto3.client("sqs").set_queue_attributes(
        QueueUrl=queue.url(), Attributes={"RedrivePolicy": redrive}
    )
    assert queue.state().receives == 3
