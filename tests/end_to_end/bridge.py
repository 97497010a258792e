"""A bridge from radosgw's notifications to SQS, for tests: radosgw pushes to HTTP, and not to SQS.

It stands where AWS has nothing: there, a bucket notifies its queue by itself. Bodies are handed on
as they are.
"""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config

from tests.support.radosgw import Radosgw


@dataclass
class Bridge:
    """Hands notifications on. Where `drop_half`, every other one is lost."""

    queue_url: str
    url: str = ""
    drop_half: bool = False
    delivered: int = 0
    dropped: int = 0
    failed: int = 0  # the queue was not there
    _seen: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, body: str, sqs: Any) -> None:
        with self._lock:
            self._seen += 1
            if self.drop_half and self._seen % 2:
                self.dropped += 1
                return
            try:
                sqs.send_message(QueueUrl=self.queue_url, MessageBody=body)
                self.delivered += 1
            except Exception:
                self.failed += 1


@contextmanager
def bridge(queue_url: str) -> Iterator[Bridge]:
    """A running bridge into a queue."""
    made, sqs = Bridge(queue_url), boto3.client("sqs")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.take(self.rfile.read(int(self.headers["Content-Length"])).decode(), sqs)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        made.url = f"http://127.0.0.1:{server.server_port}"
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def notify(radosgw: Radosgw, bucket: str, url: str) -> None:
    """Have a bucket push what happens to it to a URL."""
    topics = boto3.client(
        "sns",
        endpoint_url=radosgw.endpoint,
        aws_access_key_id=radosgw.user.access_key,
        aws_secret_access_key=radosgw.user.secret_key,
        region_name="us-east-1",
        config=Config(signature_version="v4"),
    )
    arn = topics.create_topic(Name=f"to-{bucket}", Attributes={"push-endpoint": url})["TopicArn"]
    events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
    ours = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "incoming/"}]}}  # not results
    wanted = {
        "TopicConfigurations": [{"Id": "all", "TopicArn": arn, "Events": events, "Filter": ours}]
    }
    radosgw.client().put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration=wanted
    )
