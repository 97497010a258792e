"""Due work on DynamoDB: a look costs by batches, and knows about how many rows wait in each."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from parjanya_dagster.truth.dynamo import DynamoStore, keys, queue
from parjanya_dagster.truth.dynamo.wire import Wire

NOW = 5e8
Row = tuple[str, str, bool, float]
"""A status, a batch, whether it was in a crash, and when it is due."""


class Backlog:
    """Answers queries of the index `queue` over rows, and what tallies count of them."""

    meta = SimpleNamespace(endpoint_url="nowhere")

    def __init__(self, rows: Sequence[Row]) -> None:
        self.asked, self.sent = 0, 0
        self._lines: dict[str, list[str]] = {group: [] for group in keys.groups()}
        self._tallies: dict[str, dict[str, int]] = {}
        for status, batch, suspect, due_at in rows:
            place = keys.line(status, batch, suspect) + keys.moment(due_at)
            self._lines[keys.group(batch)].append(place)
            tally = self._tallies.setdefault(keys.tally(batch)[0], {})
            tally[f"status:{status}"] = tally.get(f"status:{status}", 0) + 1
        for places in self._lines.values():
            places.sort()

    def query(self, **asked: Any) -> dict[str, Any]:
        self.asked += 1
        values = asked["ExpressionAttributeValues"]
        if asked["IndexName"] == "leased":
            return {"Items": []}
        places = self._lines[values[":p"]["S"]]
        start = bisect_right(places, values[":s"]["S"]) if ":s" in values else 0
        start = asked.get("ExclusiveStartKey", {"n": start})["n"]
        end = start + asked.get("Limit", len(places))
        found = places[start:end]
        self.sent += len(found)
        image = {"S": "image#" + "0" * 24}
        more = {"LastEvaluatedKey": {"n": end}} if end < len(places) else {}
        return {"Items": [{"queue_sk": {"S": sk}, "pk": image} for sk in found], **more}

    def get_item(self, **_: Any) -> dict[str, Any]:
        return {}

    def batch_get_item(self, RequestItems: Any) -> dict[str, Any]:
        wanted = [key for one in RequestItems.values() for key in one["Keys"]]
        tallies = [
            {**key, **{n: {"N": str(v)} for n, v in self._tallies[key["pk"]["S"]].items()}}
            for key in wanted
        ]
        return {"Responses": {"table": tallies}}


def looked(rows: Sequence[Row], **options: Any) -> tuple[dict[tuple[str, str], Any], Backlog]:
    backlog = Backlog(rows)
    due = DynamoStore(Wire(backlog, "table")).due(NOW, **options)
    return {(one.stage, one.batch): one for one in due}, backlog


def batch(number: int, tenant: str = "acme") -> str:
    return f"{tenant}/2025-10-09/{number:03d}"


def waiting(number: int, rows: int, *, since: Callable[[int], float] = float) -> list[Row]:
    return [("pending_validation", batch(number), False, since(n)) for n in range(rows)]


def test_a_look_at_many_rows_reads_the_head_of_each_batch() -> None:
    rows = [row for number in range(1, 51) for row in waiting(number, 400)]
    due, backlog = looked(rows)
    assert len(due) == 50
    assert sum(one.rows for one in due.values()) == pytest.approx(len(rows), rel=0.01)
    assert {one.oldest for one in due.values()} == {0.0}
    assert backlog.sent <= 50 * queue.HEAD
    assert backlog.asked <= 50 + 2 * keys.GROUPS


def test_every_row_is_read_where_it_must_be_exact() -> None:
    rows = [*waiting(1, 100), *waiting(2, 400), *waiting(17, 33)]  # 1 and 17 share a partition
    due, backlog = looked(rows, exact=True)
    assert [due["validated", batch(n)].rows for n in (1, 2, 17)] == [100, 400, 33]
    assert backlog.sent == len(rows)


def test_short_lines_are_counted_exactly_wherever_a_page_ends() -> None:
    numbers = [1, 17, 33, 49, 65, 81]  # all in one partition
    assert len({keys.group(batch(number)) for number in numbers}) == 1
    sizes = [20, 31, 1, queue.HEAD - 1, 3, 30]
    rows = [
        row for number, size in zip(numbers, sizes, strict=True) for row in waiting(number, size)
    ]
    due, _ = looked(rows)
    assert [due["validated", batch(number)].rows for number in numbers] == sizes


def test_what_is_due_later_is_not_counted() -> None:
    due, _ = looked(
        [
            *waiting(1, 40, since=lambda n: NOW - 10 if n < 5 else NOW + n),
            *waiting(2, 40, since=lambda n: NOW + 1 + n),
        ]
    )
    assert {key: (one.rows, one.oldest) for key, one in due.items()} == {
        ("validated", batch(1)): (5, NOW - 10)
    }


def test_batches_whose_names_begin_alike_and_stages_are_told_apart() -> None:
    rows: list[Row] = [
        ("pending_validation", batch(100), False, 1.0),
        *[("pending_iqa", batch(100), False, 3.0)] * (queue.HEAD + 1),
        ("pending_iqa", batch(100), True, 2.0),
        ("pending_iqa", batch(1028), True, 4.0),
        ("pending_curation", batch(1028), False, 5.0),
    ]
    assert keys.group(batch(100)) == keys.group(batch(1028))
    due, _ = looked(rows)
    assert {key: (one.rows, one.oldest) for key, one in due.items()} == {
        ("validated", batch(100)): (1, 1.0),
        ("scored", batch(100)): (queue.HEAD + 2, 2.0),
        ("scored", batch(1028)): (1, 4.0),
        ("curated", batch(1028)): (1, 5.0),
    }
    only, _ = looked(rows, stages=["curated"])
    assert list(only) == [("curated", batch(1028))]


def test_batches_that_follow_each_other_are_in_different_partitions() -> None:
    groups = {keys.group(batch(number)) for number in range(1, keys.GROUPS + 1)}
    assert groups == set(keys.groups())


def test_rows_due_too_late_are_found_behind_those_that_are_not() -> None:
    rows = [*waiting(1, 100, since=lambda n: 1.0 + n), *waiting(17, 3, since=lambda n: 1e9 + n)]
    wire = Wire(Backlog(rows), "table")
    group = keys.group(batch(1))
    assert len(queue.later(wire, group, 50.5, 500)) == 50 + 3
    assert len(queue.later(wire, group, 50.5, 7)) == 7
    assert len(queue.later(wire, group, 1e9 + 1, 500)) == 1
