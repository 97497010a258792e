"""Is a bucket fit? The rules on what S3 answers, pure; then real answers of moto (an emulator).

The preflight is proved on radosgw (`tests/…/test_tenant_check_on_radosgw.py`): moto answers any
origin alike.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import boto3
import pytest

from parjanya_dagster.aws.bucket_check import Mark, Seen, Wanted, judge, look, reachable
from parjanya_dagster.aws.queues import SqsQueue
from parjanya_dagster.uploads.cors import objections
from tests.support.servers import MotoServer

ARN = "arn:aws:sqs:us-east-1:1:q"
WANTED = Wanted("acme", "incoming/", ARN, 4 * 86_400.0, ("https://app.example",))
EVERYTHING = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]


def notifying(events: list[str], **more: Any) -> dict[str, Any]:
    return {"QueueConfigurations": [{"QueueArn": ARN, "Events": events, **more}]}


def expiring(days: int, status: str = "Enabled", **more: Any) -> dict[str, Any]:
    return {"Rules": [{"ID": "r", "Status": status, "Expiration": {"Days": days}, **more}]}


FIT = Seen(
    notifying(EVERYTHING),
    None,
    {
        "ServerSideEncryptionConfiguration": {
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]
        }
    },
    {
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        }
    },
    {
        "CORSRules": [
            {
                "AllowedOrigins": ["https://app.example"],
                "AllowedMethods": ["PUT"],
                "AllowedHeaders": ["*"],
            }
        ]
    },
)


def marks(seen: Seen, wanted: Wanted = WANTED) -> dict[str, str]:
    return {
        one.name: one.mark for one in judge(seen, wanted, objections) if one.mark is not Mark.OK
    }


def test_a_bucket_that_is_as_it_should_be_is_ok_throughout() -> None:
    assert marks(FIT) == {}
    assert {one.name for one in judge(FIT, WANTED, objections)} == {
        "notification", "retention", "encryption", "public access", "cors"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("said", "mark"),
    [
        (None, "error"),
        ({}, "error"),
        ({"EventBridgeConfiguration": {}}, "warning"),
        (notifying(["s3:ObjectRemoved:*"]), "error"),
        (notifying(["s3:ObjectCreated:Put"]), "warning"),
        (notifying(["s3:ObjectCreated:*"]), "warning"),
        ({"QueueConfigurations": [{"QueueArn": ARN + "2", "Events": EVERYTHING}]}, "error"),
        (
            notifying(
                EVERYTHING, Filter={"Key": {"FilterRules": [{"Name": "suffix", "Value": ".jpg"}]}}
            ),
            "error",
        ),
        (
            notifying(
                EVERYTHING, Filter={"Key": {"FilterRules": [{"Name": "Prefix", "Value": "other/"}]}}
            ),
            "error",
        ),
    ],
)
def test_what_is_not_told_to_our_queue_is_found(said: Any, mark: str) -> None:
    assert marks(replace(FIT, notifications=said)) == {"notification": mark}


def test_a_filter_that_lets_uploads_pass_is_fine() -> None:
    rules = [{"Name": "Prefix", "Value": "incoming/"}]
    said = notifying(EVERYTHING, Filter={"Key": {"FilterRules": rules}})
    assert marks(replace(FIT, notifications=said)) == {}


def test_without_an_arrivals_queue_no_notification_is_expected() -> None:
    assert marks(replace(FIT, notifications=None), replace(WANTED, queue_arn="")) == {}


@pytest.mark.parametrize(
    ("said", "bad"),
    [
        (expiring(1), True),
        (expiring(1, Filter={"Prefix": "incoming/old/"}), True),
        (expiring(1, Filter={"Prefix": "inc"}), True),
        (expiring(1, Prefix=""), True),
        (expiring(30), False),
        (expiring(1, "Disabled"), False),
        (expiring(1, Filter={"Prefix": "previews/"}), False),
        (expiring(1, Filter={"Tag": {"Key": "a", "Value": "b"}}), False),
        ({"Rules": [{"Status": "Enabled", "AbortIncompleteMultipartUpload": {}}]}, False),
        ({"Rules": [{"Status": "Enabled", "Expiration": {"Date": "2030-01-01"}}]}, True),
    ],
)
def test_a_rule_that_deletes_uploads_too_soon_is_found(said: Any, bad: bool) -> None:
    assert marks(replace(FIT, lifecycle=said)) == ({"retention": "error"} if bad else {})


def test_a_bucket_that_is_open_or_plain_is_found() -> None:
    half = {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True}}
    found = marks(replace(FIT, encryption=None, public_access=half))
    assert found == {"encryption": "error", "public access": "error"}


def test_an_impossible_wildcard_is_found() -> None:
    rule = {**FIT.cors["CORSRules"][0], "AllowedOrigins": ["https://*.*.example"]}  # type: ignore[index]
    assert marks(replace(FIT, cors={"CORSRules": [rule]})) == {"cors": "error"}


def test_what_may_not_be_asked_is_named_and_not_taken_for_fit() -> None:
    assert marks(replace(FIT, refused={"cors": "denied"})) == {"cors": "warning"}


def test_a_real_bucket_is_asked_for_everything(aws: MotoServer) -> None:
    s3, queue, bucket = boto3.client("s3"), SqsQueue(aws.name("queue")), aws.name("checked")
    assert reachable(bucket).mark is Mark.ERROR
    s3.create_bucket(Bucket=bucket)
    queue.create()
    wanted = replace(WANTED, bucket=bucket, queue_arn=queue.arn())
    assert reachable(bucket).mark is Mark.OK
    bare = marks(look(bucket), wanted)
    assert bare.keys() >= {"notification", "public access", "cors"}
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": queue.arn(), "Events": EVERYTHING}]
        },
    )
    s3.put_public_access_block(Bucket=bucket, **FIT.public_access)
    s3.put_bucket_encryption(Bucket=bucket, **FIT.encryption)
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=FIT.cors)
    assert marks(look(bucket), wanted) == {}
