"""Somebody tidies IAM policies, and the reconciler may not count its queue's messages any more.

On moto's emulator of SQS and IAM (not AWS), which refuses for real once it is told to.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from parjanya_dagster.aws.clients import client
from parjanya_dagster.aws.queues import SqsQueue
from parjanya_dagster.doctor.case import Case
from parjanya_dagster.doctor.examine import Examiner
from parjanya_dagster.doctor.findings import Finding
from parjanya_dagster.doctor.rules import diagnose
from parjanya_dagster.errors import BeliefUnreadable
from tests.incidents.steps import upload
from tests.simulation.house import LIMITS, House
from tests.support.servers import MotoServer

ALLOWED = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}
TIDIED = {"Effect": "Deny", "Action": "sqs:GetQueueAttributes", "Resource": "*"}


@dataclass
class Account:
    """An account of its own, since what is refused there is refused to everybody."""

    server: MotoServer
    user: str = "reconciler"

    def permit(self, *statements: object) -> None:
        policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        self.authorize(False)
        client("iam").put_user_policy(UserName=self.user, PolicyName="p", PolicyDocument=policy)
        self.authorize(True)

    def authorize(self, on: bool) -> None:
        body = b"0" if on else b"1000000"
        request = urllib.request.Request(
            f"{self.server.url}/moto-api/reset-auth",
            data=body,
            headers={"Content-Type": "text/plain"},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=60):
            pass


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    server = MotoServer()
    try:
        server.start({"INITIAL_NO_AUTH_ACTION_COUNT": "1000000"})
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        made = Account(server)
        iam = client("iam")
        iam.create_user(UserName=made.user)
        key = iam.create_access_key(UserName=made.user)["AccessKey"]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        yield made
    finally:
        server.remove()


@pytest.fixture
def queue(account: Account) -> SqsQueue:
    queue = SqsQueue("lane")
    queue.create()
    account.permit(ALLOWED)
    return queue


def ask_doctor(house: House, **queues: SqsQueue) -> tuple[dict[str, Finding], dict[str, str]]:
    examiner = Examiner(
        store=house.store,
        objects=house.buckets,
        belief=house.dagster,
        sensors=lambda: (),
        clock=house.clock,
        queues=queues,
    )
    facts = examiner.examine()
    found = {one.code: one for one in diagnose(Case(facts=facts, lanes=house.lanes, limits=LIMITS))}
    return found, dict(facts.unread)


def test_nothing_is_sent_blindly_and_the_doctor_says_why_within_a_minute(
    account: Account, queue: SqsQueue, house: House
) -> None:
    house.queues = {house.lanes[0].name: queue}
    upload(house, "acme", 4)
    house.sweep()
    house.store.beat("arrivals", house.clock(), {})
    house.tick()
    sent = queue.state().messages
    assert sent > 0
    account.permit(ALLOWED, TIDIED)
    began = house.clock()
    upload(house, "bolt", 4)
    house.sweep()
    for _ in range(6):
        house.clock.pass_by(10.0)
        with pytest.raises(BeliefUnreadable, match="sqs:GetQueueAttributes"):
            house.tick(hurried=True)
    assert house.clock() - began == 60.0
    found, unread = ask_doctor(house)  # whose own permissions may be others
    assert found["loop_blind"].boundary == "Belief"
    assert found["loop_blind"].since == began + 10.0
    assert "sqs:GetQueueAttributes" in found["loop_blind"].summary
    assert unread == {}
    assert "reconciler_blind" not in found  # its silence alone would have told a minute later
    account.permit(ALLOWED)
    assert queue.state().messages == sent
    house.tick()
    found, _ = ask_doctor(house)
    assert "loop_blind" not in found
    assert queue.state().messages > sent


def test_a_doctor_without_the_permission_says_that_it_cannot_tell(
    account: Account, queue: SqsQueue, house: House
) -> None:
    account.permit(ALLOWED, TIDIED)
    found, unread = ask_doctor(house, lane=queue)
    ((what, why),) = unread.items()
    assert queue.name in what
    assert "sqs:GetQueueAttributes" in why
    assert "queue_missing" not in found
