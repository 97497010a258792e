"""Bucket notifications: from the text of a message to the keys that are worth a look. Pure.

An event is a reason to look at a key and nothing more: what lies there now decides (`mailbox`). So
it makes no difference whether an event tells of a creation or a removal, nor whether it comes
twice, late or out of order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from parjanya_dagster.errors import MessageUnreadable

RAW_SENDERS = ("ceph:s3",)
"""Event sources that send keys as they are. AWS and most others encode them for a URL."""


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """Something happened to a key of a bucket, as its sender says."""

    bucket: str
    keys: tuple[str, ...]  # the key; two where it cannot be told whether it was encoded
    at: float | None = None  # when, by the bucket's clock


@dataclass(frozen=True, slots=True)
class Notification:
    """All events of a message. What can be read of it counts, whatever the rest is."""

    events: tuple[ObjectEvent, ...]
    unreadable: str = ""  # why some of it, or all, cannot be read


def parse(body: str) -> Notification:
    """Parse a message: S3's own form, through SNS, through EventBridge, or S3's test event."""
    try:
        records = list(_records(_parsed(body)))
    except MessageUnreadable as error:
        return Notification((), str(error))
    events: list[ObjectEvent] = []
    wrong: list[str] = []
    for number, record in enumerate(records, 1):
        try:
            events.append(_event(record))
        except MessageUnreadable as error:
            wrong.append(f"record {number} of {len(records)}: {error}")
    return Notification(tuple(events), "; ".join(wrong)[:500])


def _parsed(body: str) -> Mapping[str, Any]:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MessageUnreadable(f"it is no JSON ({type(error).__name__}: {error})") from None
    if not isinstance(parsed, dict):
        raise MessageUnreadable(f"it is a JSON {type(parsed).__name__}, and no object")
    return parsed


def _records(message: Mapping[str, Any], wrapped: bool = False) -> Iterator[Any]:
    if isinstance(message.get("Records"), list):
        yield from message["Records"]
    elif message.get("Event") == "s3:TestEvent":
        return
    elif message.get("Type") == "Notification" and isinstance(message.get("Message"), str):
        if wrapped:
            raise MessageUnreadable("it is wrapped by SNS twice")
        yield from _records(_parsed(message["Message"]), wrapped=True)
    elif isinstance(message.get("detail"), dict):
        yield message
    else:
        known = "no Records, no EventBridge detail, no SNS message"
        raise MessageUnreadable(f"it is no notification of a bucket: {known}")


def _event(record: Any) -> ObjectEvent:
    if not isinstance(record, dict):
        raise MessageUnreadable("it is no JSON object")
    bridged = "detail" in record  # through EventBridge
    inner = record.get("detail" if bridged else "s3")
    bucket = _text(inner, "bucket", "name")
    key = _text(inner, "object", "key")
    sender = record.get("eventSource")
    decoded = None if bridged else _decoded(key)
    candidates = (decoded, key) if sender not in RAW_SENDERS else (key, decoded)
    keys = tuple(dict.fromkeys(key for key in candidates if key is not None))
    return ObjectEvent(bucket, keys, _time(record.get("time" if bridged else "eventTime")))


def _text(inner: Any, *path: str) -> str:
    for step in path:
        inner = inner.get(step) if isinstance(inner, dict) else None
    if not isinstance(inner, str) or not inner:
        raise MessageUnreadable(f"it names no {' '.join(path)}")
    try:
        inner.encode()
    except UnicodeEncodeError:
        raise MessageUnreadable(f"its {' '.join(path)} is no Unicode text") from None
    return inner


def _decoded(key: str) -> str | None:
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError:
        return None


def _time(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
