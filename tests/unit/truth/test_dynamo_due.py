"""Due work on DynamoDB is counted page by page: a backlog must not fill the memory of a tick."""

from __future__ import annotations

import tracemalloc
from types import SimpleNamespace
from typing import Any

from parjanya_dagster.truth.dynamo import DynamoStore, keys
from parjanya_dagster.truth.dynamo.wire import Wire

ROWS, PAGE = 100_000, 5_000
MOST_BYTES = 40 << 20  # one page is 3 MB; all rows are 130


class Backlog:
    """Answers queries of the index `due` with pages of rows that wait for validation."""

    meta = SimpleNamespace(endpoint_url="nowhere")

    def query(self, **asked: Any) -> dict[str, Any]:
        partition = asked["ExpressionAttributeValues"][":p"]["S"]
        if not partition.startswith("pending_validation"):
            return {"Items": []}
        names = asked["ExpressionAttributeNames"]
        sent = [names[one] for one in asked["ProjectionExpression"].split(", ")]
        assert sent == ["batch", "due_at"]
        start = asked.get("ExclusiveStartKey", {"n": 0})["n"]
        end = min(start + PAGE, ROWS // keys.SHARDS)
        items = [
            {"batch": {"S": f"acme/2025-10-09/{n // 250:03d}"}, "due_at": {"N": str(n)}}
            for n in range(start, end)
        ]
        return {"Items": items, **({"LastEvaluatedKey": {"n": end}} if end - start == PAGE else {})}


def test_due_rows_are_counted_and_not_kept() -> None:
    store = DynamoStore(Wire(Backlog(), "table"))
    tracemalloc.start()
    try:
        due = store.due(1e9)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(one.rows for one in due) == ROWS
    assert (due[0].batch, due[0].rows, due[0].oldest) == ("acme/2025-10-09/000", 1000, 0.0)
    assert peak < MOST_BYTES
