"""What notifications say, in every form that is sent: only where to look is taken from them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.ingest.events import Notification, ObjectEvent, parse
from tests.support.s3_events import message, record

AT = 1_795_406_749.042


def keys(body: str) -> list[tuple[str, ...]]:
    said = parse(body)
    assert said.unreadable == ""
    return [place.keys for place in said.events]


def test_a_notification_names_bucket_key_and_time() -> None:
    assert parse(message(record("incoming/a.jpg"))) == Notification(
        (ObjectEvent("acme-uploads", ("incoming/a.jpg",), AT),)
    )


def test_a_key_of_aws_is_decoded_and_the_raw_one_is_looked_at_too() -> None:
    ((first, raw),) = keys(message(record("incoming/a+b%2Bc.jpg")))
    assert (first, raw) == ("incoming/a b+c.jpg", "incoming/a+b%2Bc.jpg")


def test_a_slash_that_was_encoded_is_a_slash() -> None:
    ((first, _),) = keys(message(record("incoming%2Fa.jpg")))
    assert first == "incoming/a.jpg"


def test_radosgw_sends_the_key_as_it_is() -> None:
    ((first, second),) = keys(message(record("incoming/100%25.jpg", eventSource="ceph:s3")))
    assert (first, second) == ("incoming/100%25.jpg", "incoming/100%.jpg")


def test_the_test_event_says_nothing_and_is_no_mistake() -> None:
    body = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "acme-uploads"}
    assert parse(json.dumps(body)) == Notification(())


def test_what_sns_wraps_is_unwrapped_once() -> None:
    wrapped = json.dumps({"Type": "Notification", "Message": message(record("incoming/a.jpg"))})
    assert keys(wrapped) == [("incoming/a.jpg",)]
    again = json.dumps({"Type": "Notification", "Message": wrapped})
    assert "twice" in parse(again).unreadable


def test_eventbridge_sends_the_key_as_it_is() -> None:
    body = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "time": "2026-11-23T04:05:49Z",
        "detail": {"bucket": {"name": "b"}, "object": {"key": "incoming/a+b.jpg"}},
    }
    assert keys(json.dumps(body)) == [("incoming/a+b.jpg",)]


@pytest.mark.parametrize(
    "name", ["ObjectCreated:CompleteMultipartUpload", "ObjectRemoved:Delete", "ObjectRestore:Post"]
)
def test_whatever_happened_to_a_key_is_a_reason_to_look(name: str) -> None:
    assert keys(message(record("incoming/a.jpg", eventName=name))) == [("incoming/a.jpg",)]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no object"),
        ("null", "no object"),
        ("{}", "no notification"),
        ('{"Records": "x"}', "no notification"),
        (message("x"), "no JSON object"),
        (message({"s3": None}), "names no bucket name"),
        (message({"s3": {"bucket": {"name": "b"}}}), "names no object key"),
        (message(record("")), "names no object key"),
        ('{"Records":[{"s3":{"bucket":{"name":"\\ud800"},"object":{"key":"k"}}}]}', "no Unicode"),
    ],
)
def test_what_cannot_be_read_says_why(body: str, why: str) -> None:
    said = parse(body)
    assert said.events == ()
    assert why in said.unreadable


def test_one_bad_record_does_not_hide_the_others() -> None:
    said = parse(message(record("incoming/a.jpg"), {"s3": {}}, record("incoming/b.jpg")))
    assert [place.keys[0] for place in said.events] == ["incoming/a.jpg", "incoming/b.jpg"]
    assert said.unreadable.startswith("record 2 of 3")


def test_bytes_that_are_no_utf8_leave_the_key_as_it_was_sent() -> None:
    assert keys(message(record("incoming/%FF.jpg"))) == [("incoming/%FF.jpg",)]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_every_key_is_found_again_however_it_was_sent(key: str) -> None:
    for sent in (key, quote_plus(key), quote_plus(key, safe="/")):
        for source in ("aws:s3", "ceph:s3", "minio:s3"):
            ((*found,),) = keys(message(record(sent, eventSource=source)))
            assert key in found


@given(st.text())
def test_no_text_raises(body: str) -> None:
    parse(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ("Records", "s3", "detail", "bucket", "object", "name", "key", "Type", "Message")
            ),
            inner,
            max_size=4,
        )
    ),
)


@given(JSON)
def test_no_json_raises(said: Any) -> None:
    found = parse(json.dumps(said))
    assert all(place.bucket and place.keys for place in found.events)
