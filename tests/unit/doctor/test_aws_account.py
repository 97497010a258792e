"""`parjanya aws verify`, over an emulator of AWS: what it says where something is wrong.

moto checks no signatures, so the checks of signed uploads fail on it: that is seen, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner

from parjanya_dagster.aws.bucket_check import Finding, Mark
from parjanya_dagster.aws.queues import SqsQueue
from parjanya_dagster.cli import aws as command
from parjanya_dagster.cli.main import app
from parjanya_dagster.doctor.aws_account import verify
from parjanya_dagster.objects.s3 import S3Objects
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth import open_store
from parjanya_dagster.truth.dynamo.wire import Wire
from tests.contract.dynamo import answer
from tests.support.printed import printed
from tests.support.servers import MotoServer

pytestmark = pytest.mark.server


@pytest.fixture
def site(aws: MotoServer, shared_table: str, platform: Platform) -> Iterator[Platform]:
    """A platform on DynamoDB, S3 and SQS, with one tenant."""
    queue, bucket = SqsQueue(aws.name("arrivals")), aws.name("acme-uploads")
    queue.create()
    boto3.client("s3").create_bucket(Bucket=bucket)
    changes = {
        "truth": platform.settings.truth.model_copy(update={"url": shared_table}),
        "objects": platform.settings.objects.model_copy(update={"url": "s3://"}),
        "arrivals": platform.settings.arrivals.model_copy(update={"queue": queue.name}),
    }
    store = open_store(shared_table)
    placed = replace(
        platform,
        settings=platform.settings.model_copy(update=changes),
        store=store,
        objects=S3Objects(),
        pause=platform.clock.pass_by,  # type: ignore[attr-defined]
    )
    placed.registry.publish_builtin()
    placed.sweeper.add_tenant("acme", bucket)
    yield placed
    store.close()


def looked(site: Platform) -> dict[str, Finding]:
    return {finding.name: finding for finding in verify(site)}


def test_the_command_prints_what_it_found_and_ends_with_1_for_an_error(
    site: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "platform_of", lambda home: site)
    done = CliRunner().invoke(app, ["aws", "verify", "--json"])
    marks = {one["name"]: one["mark"] for one in printed("aws verify", done.stdout)}
    assert (marks["acme: signed uploads"], done.exit_code) == ("error", 1)


def test_each_check_says_what_it_found_and_leaves_nothing_behind(site: Platform) -> None:
    wire: Any = site.store.wire  # type: ignore[attr-defined]
    seen = looked(site)
    good = ("indexes", "capacity", "stream", "point-in-time recovery", "conditions", "index lag")
    assert {name: seen[name].mark for name in good} == dict.fromkeys(good, Mark.OK)
    assert seen["queue of arrivals"].mark is Mark.OK
    assert seen["deletion protection"].mark is Mark.WARNING  # the stack turns it on
    assert "acme: signed uploads" in seen
    keys = [one["pk"]["S"] for one in wire.client.scan(TableName=wire.table)["Items"]]
    assert not [key for key in keys if key.startswith("verify#")]
    bucket = next(iter(site.store.tenants())).bucket
    assert "Contents" not in boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix="verify/")


def test_an_emulator_that_checks_no_signature_is_told_from_s3(site: Platform) -> None:
    signed = looked(site)["acme: signed uploads"]
    assert signed.mark is Mark.ERROR
    assert "Another size: 200" in signed.said


def test_a_queue_that_gives_messages_up_is_an_error(site: Platform, aws: MotoServer) -> None:
    dead = SqsQueue(aws.name("dead"))
    dead.create()
    redrive = f'{{"deadLetterTargetArn": "{dead.arn()}", "maxReceiveCount": 5}}'
    queue = SqsQueue(site.settings.arrivals.queue)
    boto3.client("sqs").set_queue_attributes(
        QueueUrl=queue.url(), Attributes={"RedrivePolicy": redrive}
    )
    assert looked(site)["queue of arrivals"].mark is Mark.ERROR


def test_what_is_refused_is_unknown_and_the_rest_is_looked_at(
    site: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    import parjanya_dagster.doctor.aws_account as account

    opened = account.open_wire

    def refusing(url: str) -> Any:
        wire = opened(url)
        answer(wire, "DescribeContinuousBackups", "AccessDeniedException", 1)
        return wire

    monkeypatch.setattr(account, "open_wire", refusing)
    seen = looked(site)
    assert seen["point-in-time recovery"].mark is Mark.UNKNOWN
    assert "AccessDenied" in seen["point-in-time recovery"].said
    assert seen["conditions"].mark is Mark.OK


def test_a_table_without_indexes_is_an_error_and_the_rest_is_looked_at(
    site: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(wire: Wire) -> dict[str, Any]:
        described = whole(wire) or {}
        return {name: said for name, said in described.items() if name != "GlobalSecondaryIndexes"}

    whole = Wire.describe
    monkeypatch.setattr(Wire, "describe", without)
    seen = looked(site)
    assert seen["indexes"].mark is Mark.ERROR
    assert seen["conditions"].mark is Mark.OK


def test_a_connection_that_is_lost_leaves_no_probe_in_the_bucket(
    site: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    import parjanya_dagster.doctor.aws_account as account

    def lost_after_it_arrived(*request: Any) -> int:
        put(*request)
        raise ConnectionResetError("reset by peer")

    put = account._put
    monkeypatch.setattr(account, "_put", lost_after_it_arrived)
    assert looked(site)["acme: signed uploads"].mark is Mark.UNKNOWN
    (tenant,) = site.store.tenants()
    assert boto3.client("s3").list_objects_v2(Bucket=tenant.bucket)["KeyCount"] == 0
