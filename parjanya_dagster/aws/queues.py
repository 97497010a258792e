"""Queues of SQS."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from parjanya_dagster.aws.clients import LONG_POLL, calling, client
from parjanya_dagster.errors import CloudUnavailable, QueueMissing
from parjanya_dagster.queues.messages import Message, QueueState

TWELVE_HOURS = 12 * 3600  # the longest that SQS hides a message
LONGEST_BODY = 256_000  # bytes; every SQS takes so much with its attributes
FORTNIGHT = 14 * 86_400  # seconds, the longest retention that SQS has
REASON = "reason"


@dataclass(frozen=True)
class SqsQueue:
    """A queue, by its name or its URL. See `queues.messages.Queue`."""

    where: str

    @property
    def name(self) -> str:
        return self.where.rstrip("/").rpartition("/")[2]

    def receive(self, most: int, wait: float) -> list[Message]:
        with self._calling("sqs:ReceiveMessage"):
            answer = client("sqs").receive_message(
                QueueUrl=self.url(),
                MaxNumberOfMessages=max(1, min(most, 10)),
                WaitTimeSeconds=int(max(0.0, min(wait, LONG_POLL))),
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        return [
            Message(
                message["Body"],
                message["ReceiptHandle"],
                int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1)),
            )
            for message in answer.get("Messages", [])
        ]

    def delete(self, messages: Sequence[Message]) -> None:
        for start in range(0, len(messages), 10):
            entries = [
                {"Id": str(at), "ReceiptHandle": message.handle}
                for at, message in enumerate(messages[start : start + 10])
            ]
            with self._calling("sqs:DeleteMessage"):
                done = client("sqs").delete_message_batch(QueueUrl=self.url(), Entries=entries)
            if failed := done.get("Failed"):  # they come again, which is harmless
                raise CloudUnavailable(f"{len(failed)} messages of {self.name} were not deleted.")

    def hide(self, message: Message, seconds: float) -> None:
        with self._calling("sqs:ChangeMessageVisibility"):
            client("sqs").change_message_visibility(
                QueueUrl=self.url(),
                ReceiptHandle=message.handle,
                VisibilityTimeout=int(max(0, min(seconds, TWELVE_HOURS))),
            )

    def send(self, body: str, reason: str = "") -> None:
        data = body.encode()
        if len(data) + len(reason) > LONGEST_BODY:  # its beginning is better than nothing
            body = data[: LONGEST_BODY - 4 * len(reason)].decode(errors="ignore")
        attributes = {REASON: {"DataType": "String", "StringValue": reason}} if reason else {}
        with self._calling("sqs:SendMessage"):
            client("sqs").send_message(
                QueueUrl=self.url(), MessageBody=body, MessageAttributes=attributes
            )

    def state(self) -> QueueState:
        with self._calling("sqs:GetQueueAttributes"):
            attributes = client("sqs").get_queue_attributes(
                QueueUrl=self.url(), AttributeNames=["All"]
            )["Attributes"]
        redrive = json.loads(attributes.get("RedrivePolicy") or "{}")
        receives = redrive.get("maxReceiveCount")
        return QueueState(
            self.name,
            int(attributes["ApproximateNumberOfMessages"]),
            int(attributes["ApproximateNumberOfMessagesNotVisible"]),
            float(attributes["MessageRetentionPeriod"]),
            int(receives) if receives is not None else None,
            int(attributes.get("ApproximateNumberOfMessagesDelayed", 0)),
        )

    def create(self) -> None:
        """Create the queue if there is none. It keeps messages for as long as SQS allows."""
        with self._calling("sqs:CreateQueue"):
            client("sqs").create_queue(
                QueueName=self.name, Attributes={"MessageRetentionPeriod": str(FORTNIGHT)}
            )
        _url.cache_clear()

    def arn(self) -> str:
        """The queue's ARN, which notifications of buckets and policies use."""
        with self._calling("sqs:GetQueueAttributes"):
            answer = client("sqs").get_queue_attributes(
                QueueUrl=self.url(), AttributeNames=["QueueArn"]
            )
        return str(answer["Attributes"]["QueueArn"])

    def url(self) -> str:
        if "://" in self.where:
            return self.where
        with self._calling("sqs:GetQueueUrl"):
            return _url(self.where, client("sqs"))

    @contextmanager
    def _calling(self, permission: str) -> Iterator[None]:
        from botocore.exceptions import ClientError

        with calling(permission, f"the queue {self.name}"):
            try:
                yield
            except ClientError as error:
                if _is_missing(error):
                    _url.cache_clear()  # it may come back with another URL
                    raise QueueMissing(f"There is no queue {self.name}.") from error
                raise


@cache
def _url(name: str, sqs: Any) -> str:
    return str(sqs.get_queue_url(QueueName=name)["QueueUrl"])


def _is_missing(error: Any) -> bool:
    details = error.response.get("Error", {})
    return "NonExistentQueue" in details.get("Code", "") or "QueueDoesNotExist" in (
        details.get("Code", ""),
        details.get("QueryErrorCode", ""),
    )
