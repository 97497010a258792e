"""What a bucket's notification says: pure, from the text of a message to places worth a look.

An event is a reason to look at a key and nothing more: what lies there now decides (`mailbox`). So
created or removed, first or second, early or late makes no difference, and neither does the
order that their `sequencer` tells.
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
class Place:
    """Something happened to a key of a bucket, as its sender says."""

    bucket: str
    keys: tuple[str, ...]  # the key; two where it cannot be told whether it was encoded
    at: float | None = None  # when, by the bucket's clock


@dataclass(frozen=True, slots=True)
class Said:
    """All that a message says. What can be read of it counts, whatever the rest is."""

    places: tuple[Place, ...]
    unreadable: str = ""  # why some of it, or all, cannot be read


def read(body: str) -> Said:
    """Understand a message: S3's own form, through SNS, through EventBridge, or S3's test event."""
    try:
        records = list(_records(_parsed(body)))
    except MessageUnreadable as error:
        return Said((), str(error))
    places: list[Place] = []
    wrong: list[str] = []
    for number, record in enumerate(records, 1):
        try:
            places.append(_place(record))
        except MessageUnreadable as error:
            wrong.append(f"record {number} of {len(records)}: {error}")
    return Said(tuple(places), "; ".join(wrong)[:500])


def _parsed(body: str) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MessageUnreadable(f"it is no JSON ({type(error).__name__}: {error})") from None
    if not isinstance(found, dict):
        raise MessageUnreadable(f"it is a JSON {type(found).__name__}, and no object")
    return found


def _records(said: Mapping[str, Any], wrapped: bool = False) -> Iterator[Any]:
    if isinstance(said.get("Records"), list):
        yield from said["Records"]
    elif said.get("Event") == "s3:TestEvent":
        return
    elif said.get("Type") == "Notification" and isinstance(said.get("Message"), str):
        if wrapped:
            raise MessageUnreadable("it is wrapped by SNS twice")
        yield from _records(_parsed(said["Message"]), wrapped=True)
    elif isinstance(said.get("detail"), dict):
        yield said
    else:
        known = "no Records, no EventBridge detail, no SNS message"
        raise MessageUnreadable(f"it is no notification of a bucket: {known}")


def _place(record: Any) -> Place:
    if not isinstance(record, dict):
        raise MessageUnreadable("it is no JSON object")
    bridged = "detail" in record
    inner = record.get("detail" if bridged else "s3")
    bucket = _text(inner, "bucket", "name")
    key = _text(inner, "object", "key")
    sender = record.get("eventSource")
    decoded = None if bridged else _decoded(key)
    wanted = (decoded, key) if sender not in RAW_SENDERS else (key, decoded)
    keys = tuple(dict.fromkeys(one for one in wanted if one is not None))
    return Place(bucket, keys, _time(record.get("time" if bridged else "eventTime")))


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


def _time(said: Any) -> float | None:
    try:
        return datetime.fromisoformat(said).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
