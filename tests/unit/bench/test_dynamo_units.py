"""Units of DynamoDB, worked out by hand from AWS's rules."""

from __future__ import annotations

import pytest

from bench.dynamo_units import got, queried, size, written

KEY = {"pk": {"S": "image#1"}, "sk": {"S": "row"}}  # 2 + 7 + 2 + 3 = 14 bytes


def item(more: int = 0, **columns: dict[str, str]) -> dict[str, dict[str, str]]:
    return {**KEY, **columns, **({"x": {"S": "x" * (more - 15)}} if more else {})}


@pytest.mark.parametrize(
    ("typed", "bytes_"),
    [
        ({"S": "é"}, 2),
        ({"N": "7"}, 2),
        ({"N": "1795821749.0"}, 6),  # ten digits
        ({"N": "1e-07"}, 2),
        ({"B": b"123"}, 3),
        ({"BOOL": True}, 1),
    ],
)
def test_a_value_has_the_size_that_is_published(typed: dict[str, object], bytes_: int) -> None:
    assert size({"a": typed}) == 1 + bytes_


def test_a_write_costs_by_the_larger_of_before_and_after() -> None:
    assert written(None, item(1024), transaction=False) == {"": 1}
    assert written(None, item(1025), transaction=False) == {"": 2}
    assert written(item(3000), item(), transaction=False) == {"": 3}
    assert written(item(3000), None, transaction=False) == {"": 3}


def test_a_transaction_doubles_the_table_and_not_its_indexes() -> None:
    waits = item(due_pk={"S": "p#1"}, due_at={"N": "5"}, batch={"S": "b"})
    assert written(None, waits, transaction=False) == {"": 1, "due": 1}
    assert written(None, waits, transaction=True) == {"": 2, "due": 1}


def test_an_index_costs_what_changes_in_it() -> None:
    waits = item(due_pk={"S": "p#1"}, due_at={"N": "5"}, batch={"S": "b"})
    moved = waits | {"due_at": {"N": "6"}}
    renamed = waits | {"batch": {"S": "c"}}
    other = waits | {"reasons": {"S": "it is in no index"}}
    assert written(waits, moved, transaction=False)["due"] == 2
    assert written(waits, renamed, transaction=False)["due"] == 1
    assert written(waits, item(), transaction=False)["due"] == 1
    assert "due" not in written(waits, other, transaction=False)


def test_reads_are_rounded_up_item_by_item_and_queries_once() -> None:
    assert got([item(4096), item(4097)], asked=4) == 1 + 2 + 1 + 1
    assert queried([item(3000), item(3000)], "") == 2
    assert queried([], "") == 1
    assert queried([], "work") == 0.5
