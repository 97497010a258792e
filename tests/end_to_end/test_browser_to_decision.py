"""From a browser to a decision: Chromium → radosgw → notification → SQS → Dagster → DynamoDB.

Real here: the browser, the application (`parjanya web --only uploads`), the S3 server (Ceph's
radosgw) with its CORS rules, signatures and notifications, the whole instance with its daemon and
runs.
Emulated: SQS and DynamoDB (moto), and the last step of a notification (`bridge`).
Then half the events are dropped, the stream is disabled and the queue is deleted, and everything
still ends curated.
"""

from __future__ import annotations

import signal
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from parjanya_dagster.instance.home import free_port
from tests.end_to_end.bridge import bridge, notify
from tests.support.browser import PATIENCE
from tests.support.instance import Instance
from tests.support.pictures import picture
from tests.support.radosgw import Radosgw
from tests.support.servers import MotoServer
from tests.support.upload_site import ALLOWING, allow
from tests.support.waiting import tail, wait_for_end

VERDICTS = ("Accepted", "Rejected", "For review")
HOURLY, OFTEN = "3600", "2"  # seconds between sweeps


@pytest.fixture
def cloud(radosgw: Radosgw, moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The AWS variables: S3 is radosgw, all else the emulator."""
    both = {**moto.environment, **radosgw.environment(), "AWS_ENDPOINT_URL": moto.url}
    for name, value in both.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 900, "height": 1000})
    page.set_default_timeout(PATIENCE)
    yield page
    page.close()


@contextmanager
def uploads_served(instance: Instance) -> Iterator[str]:
    """`parjanya web --only uploads` over an instance."""
    port = free_port()
    process = instance.begun("web", "--only", "uploads", "--port", str(port), log="uploads.log")
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        wait_for_end(process, "the application ends", lambda: tail(instance.home / "uploads.log"))


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def choose(page: Any, folder: Path, *numbers: int) -> list[str]:
    """Pick pictures of these numbers in the page. Returns their names."""
    names = [f"picture {n} ä+.jpg" for n in numbers]
    for n, name in zip(numbers, names, strict=True):
        (folder / name).write_bytes(picture(n, 900, 600))
    page.locator("#files").set_input_files([str(folder / name) for name in names])
    return names


def stored(page: Any, names: list[str]) -> None:
    for name in names:
        item = page.locator(".item.stored").filter(has=page.get_by_text(name, exact=True))
        item.wait_for()


def decided(page: Any, name: str) -> bool:
    item = page.locator(".item").filter(has=page.get_by_text(name, exact=True))
    return item.locator(".badge").text_content() in VERDICTS


@pytest.mark.usefixtures("cloud")
def test_what_a_browser_uploads_is_decided_whatever_breaks_on_the_way(
    radosgw: Radosgw, moto: MotoServer, page: Any, tmp_path: Path
) -> None:
    bucket = f"acme-{uuid.uuid4().hex[:12]}"
    radosgw.client().create_bucket(Bucket=bucket)
    sqs = boto3.client("sqs")
    queue = moto.name("arrivals")
    queue_url = sqs.create_queue(QueueName=queue)["QueueUrl"]
    dead_url = sqs.create_queue(QueueName=(dead := moto.name("dead")))["QueueUrl"]
    table = moto.name("truth")
    instance = Instance(
        tmp_path / "home",
        truth__url=f"dynamodb://{table}",
        objects__url="s3://",
        arrivals__queue=queue,
        arrivals__dead_letters=dead,
        arrivals__sweep_seconds=HOURLY,
    )
    try:
        instance.platform.sweeper.add_tenant("acme", bucket)
        made = instance.parjanya("uploads", "token", "add", "acme", "--name", "test")
        assert made.returncode == 0, made.stderr
        instance.start()
        with bridge(queue_url) as notifications, uploads_served(instance) as url:
            instance.until(lambda: answers(url), "the application answers")
            allow(radosgw, bucket, {**ALLOWING, "AllowedOrigins": [url]})
            notify(radosgw, bucket, notifications.url)
            # The first tick sweeps; from then on only messages tell for an hour.
            instance.until(lambda: "arrivals" in beats(instance), "a sweep has completed")
            page.goto(url)
            page.get_by_label("Your upload token").fill(made.stdout.strip())
            page.get_by_role("button", name="Continue").click()

            told = choose(page, tmp_path, 1, 2, 3)
            stored(page, told)
            instance.until(lambda: all(decided(page, one) for one in told), "all are decided")
            assert notifications.delivered == 3
            assert visible(sqs, dead_url) == 0

            # Half of the events are lost, the stream ends, and then the queue goes.
            instance.stop()
            instance.environment["PARJANYA_ARRIVALS__SWEEP_SECONDS"] = OFTEN
            instance.start()
            disabled = {"StreamEnabled": False}
            boto3.client("dynamodb").update_table(TableName=table, StreamSpecification=disabled)
            notifications.drop_half = True
            lost = choose(page, tmp_path, 4, 5, 6, 7)
            stored(page, lost)
            assert notifications.dropped == 2
            sqs.delete_queue(QueueUrl=queue_url)
            untold = choose(page, tmp_path, 8, 9)
            stored(page, untold)
            every = [*told, *lost, *untold]
            instance.until(lambda: all(decided(page, one) for one in every), "all are decided")
            assert notifications.failed == 1

        instance.until(lambda: instance.settled({"acme": 9}), "Truth has settled")
        rows = instance.rows("acme").values()
        assert {row.pipeline_status for row in rows} == {"curated"}
        assert {row.key for row in rows} == {
            one.key for one in instance.platform.objects.listing(bucket, "incoming/")
        }
        assert len({row.image_id for row in rows}) == 9  # each once, however often it was told
    finally:
        instance.close()


def beats(instance: Instance) -> set[str]:
    return set(instance.platform.store.heartbeats())


def visible(sqs: Any, url: str) -> int:
    name = "ApproximateNumberOfMessages"
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    return int(found["Attributes"][name])
