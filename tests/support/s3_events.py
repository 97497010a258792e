"""Notifications of S3, as a bucket sends them."""

from __future__ import annotations

import json
from typing import Any


def record(key: str, bucket: str = "acme-uploads", **more: Any) -> dict[str, Any]:
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventTime": "2026-11-23T04:05:49.042Z",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
            "object": {"key": key, "size": 1, "eTag": "e", "sequencer": "0055AED6DCD90281E5"},
        },
        **more,
    }


def message(*records: Any) -> str:
    return json.dumps({"Records": list(records)})
