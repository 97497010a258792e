"""The short way to DynamoDB's emulator says what botocore's own way says."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import boto3
import pytest
from botocore.endpoint import Endpoint
from botocore.exceptions import ClientError, EndpointConnectionError

from tests.support.direct import Lines, directly
from tests.support.servers import MotoServer, free_port

KEY = {"pk": {"S": "a"}}
ITEM = {**KEY, "n": {"N": "1"}, "b": {"B": b"\x00\xff"}, "l": {"L": [{"M": {"x": {"BOOL": True}}}]}}


@pytest.fixture
def client(aws: MotoServer) -> Iterator[Any]:
    client = boto3.client("dynamodb")
    client.table = aws.name("table")
    client.create_table(
        TableName=client.table,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield client
    client.delete_table(TableName=client.table)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests that went botocore's own way."""
    went: list[str] = []
    create = Endpoint.create_request

    def noting(self: Any, params: Any, operation_model: Any = None) -> Any:
        went.append(operation_model.name)
        return create(self, params, operation_model)

    monkeypatch.setattr(Endpoint, "create_request", noting)
    return went


def test_it_writes_and_reads_what_botocore_would(client: Any, slow: list[str]) -> None:
    client.put_item(TableName=client.table, Item=ITEM)
    direct = client.get_item(TableName=client.table, Key=KEY)
    client.describe_table(TableName=client.table)
    assert slow == []
    client.meta.events.register("before-send.dynamodb", lambda **_: None)
    usual = client.get_item(TableName=client.table, Key=KEY)
    assert slow == ["GetItem"]
    assert direct["Item"] == usual["Item"] == ITEM
    for answer in (direct, usual):
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert answer["ResponseMetadata"]["RetryAttempts"] == 0
        assert "date" in answer["ResponseMetadata"]["HTTPHeaders"]
    assert direct.keys() == usual.keys()


def test_what_is_refused_is_refused_in_botocores_words(client: Any, slow: list[str]) -> None:
    client.put_item(TableName=client.table, Item=ITEM)
    with pytest.raises(client.exceptions.ConditionalCheckFailedException) as refused:
        client.put_item(
            TableName=client.table,
            Item=KEY,
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert refused.value.response["Item"] == ITEM
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client.get_item(TableName="none", Key=KEY)
    assert slow == ["PutItem", "GetItem"]


def test_what_is_hooked_in_below_the_retries_is_asked(client: Any, slow: list[str]) -> None:
    heard: list[str] = []
    client.meta.events.register(
        "before-send.dynamodb", lambda event_name, **_: heard.append(event_name)
    )
    client.put_item(TableName=client.table, Item=ITEM)
    assert heard == ["before-send.dynamodb.PutItem"]


def test_of_a_server_that_is_gone_botocore_tells(
    aws: MotoServer, slow: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", gone)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with directly(gone), pytest.raises(EndpointConnectionError):
        boto3.client("dynamodb").get_item(TableName="none", Key=KEY)
    assert slow == ["GetItem"]


def test_a_connection_that_the_server_closes_is_not_used_again() -> None:
    class Closing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Closing) as server:
        thread = Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        lines = Lines(f"http://127.0.0.1:{server.server_port}")
        try:
            asked = [lines.answer("DynamoDB_20120810.GetItem", "r", body) for body in (b"1", b"2")]
        finally:
            lines.close()
            server.shutdown()
            thread.join()
    assert [found and found[1] for found in asked] == [b"1", b"2"]
