"""The emulator's direct way to moto's DynamoDB answers what the long way answers."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.servers import MotoServer

SIGNED = "AWS4-HMAC-SHA256 Credential=testing/{day}/us-east-1/dynamodb/aws4_request, Signature=0"
DAYS = {True: "20260101", False: "undated"}
"""A credential that names no day goes the long way."""
Post = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def post(moto: MotoServer) -> Post:
    def send(operation: str, direct: bool, **asked: Any) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(
            moto.url,
            json.dumps(asked).encode(),
            {
                "X-Amz-Target": f"DynamoDB_20120810.{operation}",
                "Content-Type": "application/x-amz-json-1.0",
                "Authorization": SIGNED.format(day=DAYS[direct]),
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)

    return send


def test_both_ways_write_read_and_refuse_alike(moto: MotoServer, post: Post) -> None:
    tables = [moto.name("direct"), moto.name("long")]
    said: list[list[Any]] = []
    for table, direct in zip(tables, (True, False), strict=True):
        keys = [{"AttributeName": f"{one}k", "KeyType": kind} for one, kind in KEYS.items()]
        post(
            "CreateTable",
            False,
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=keys,
            AttributeDefinitions=[{"AttributeName": f"{n}k", "AttributeType": "S"} for n in "ps"]
            + [{"AttributeName": "ik", "AttributeType": "N"}],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by",
                    "KeySchema": [
                        {"AttributeName": "pk", "KeyType": "HASH"},
                        {"AttributeName": "ik", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
        answers = [post(name, direct, **asked) for name, asked in requests(table)]
        said.append(json.loads(json.dumps(answers).replace(table, "TABLE")))
    assert [status for status, _ in said[0]] == [200] * 12 + [400] * 3
    for (_, one), (_, other), (name, _) in zip(*said, requests(""), strict=True):
        for answer in (one, other):  # boto3 reads none of these
            for ignored in ("CapacityUnits", "ConsumedCapacityUnits", "ConsumedCapacity"):
                answer.pop(ignored, None)
        assert one == other, name


KEYS = {"p": "HASH", "s": "RANGE"}


def requests(table: str) -> list[tuple[str, dict[str, Any]]]:
    """Each operation of the direct way, with every type that the store writes; then refusals."""

    def key(sort: str) -> dict[str, Any]:
        return {"pk": {"S": "a"}, "sk": {"S": sort}}

    def item(sort: str, number: int) -> dict[str, Any]:
        return {
            **key(sort),
            "ik": {"N": str(number)},
            "packed": {"B": "eJwAAQ=="},
            "flag": {"BOOL": True},
            "none": {"NULL": True},
            "many": {"L": [{"S": "x"}, {"M": {"B": {"S": "a name"}, "raw": {"B": "AAE="}}}]},
        }

    absent = {
        "ConditionExpression": "attribute_not_exists(#p)",
        "ExpressionAttributeNames": {"#p": "pk"},
    }
    named: dict[str, Any] = {"TableName": table}
    of_a = {
        "KeyConditionExpression": "#p = :p AND #i > :i",
        "ExpressionAttributeNames": {"#p": "pk", "#i": "ik"},
        "ExpressionAttributeValues": {":p": {"S": "a"}, ":i": {"N": "0"}},
    }
    add = {
        "Key": key("1"),
        "UpdateExpression": "SET #x = if_not_exists(#x, :x) ADD #i :one",
        "ExpressionAttributeNames": {"#x": "extra", "#i": "ik"},
        "ExpressionAttributeValues": {":x": {"S": "x"}, ":one": {"N": "10"}},
    }
    writes = [{"PutRequest": {"Item": item(sort, n)}} for n, sort in enumerate("345", start=3)]
    return [
        ("PutItem", {**named, "Item": item("1", 1), **absent}),
        ("UpdateItem", {**named, **add}),
        ("BatchWriteItem", {"RequestItems": {table: writes}}),
        (
            "TransactWriteItems",
            {
                "TransactItems": [
                    {"Put": {**named, "Item": item("2", 2), **absent}},
                    {"Update": {**named, **add, "Key": key("3")}},
                    {"Delete": {**named, "Key": key("5")}},
                ]
            },
        ),
        ("GetItem", {**named, "Key": key("1"), "ConsistentRead": True}),
        ("GetItem", {**named, "Key": key("9")}),
        ("BatchGetItem", {"RequestItems": {table: {"Keys": [key("2"), key("3"), key("9")]}}}),
        ("Query", {**named, **of_a, "IndexName": "by", "Limit": 2}),
        ("Query", {**named, **of_a, "IndexName": "by", "ScanIndexForward": False}),
        ("Scan", {**named, "ProjectionExpression": "pk, sk, packed"}),
        ("DeleteItem", {**named, "Key": key("4")}),
        ("Scan", named),
        (
            "PutItem",
            {
                **named,
                "Item": item("1", 7),
                **absent,
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            },
        ),
        (
            "TransactWriteItems",
            {"TransactItems": [{"Put": {**named, "Item": item("1", 1), **absent}}]},
        ),
        ("GetItem", {"TableName": f"{table}-missing", "Key": key("1")}),
    ]
