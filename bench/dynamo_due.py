"""What a look at due work costs on DynamoDB: requests, units, processor time and memory.

    python -m bench.dynamo_due [--rows 100000] [--batches 50] [--looks 3]

The client is the real one, down to botocore's parsing. Its answers come from a list of keys, in
pages of 1 MB as DynamoDB makes them, and their texts are made before the clock starts or are kept.
`every row` is what a look was before there was an index by batch: all entries of all due rows,
each with its batch and its time. It is what `exact` still does.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from bisect import bisect_right
from typing import Any

from botocore.awsrequest import AWSResponse

from bench import dynamo_units
from parjanya_dagster.truth.dynamo import DynamoStore, client, keys
from parjanya_dagster.truth.dynamo.wire import Wire

PAGE = 1 << 20  # bytes of a page of a Query
STATUS = "pending_validation"


class Backlog:
    """Rows that wait for validation, in a number of batches, as the index has them."""

    def __init__(self, rows: int, batches: int) -> None:
        self.rows, self.requests, self.units = rows, 0, 0.0
        self._places: dict[str, list[dict[str, Any]]] = {group: [] for group in keys.groups()}
        self._tallies: dict[str, int] = {}
        for n in range(rows):
            batch = f"acme/2026-11-{n % batches // 20 + 1:02d}/{n % batches % 20 + 1:03d}"
            sk = keys.line(STATUS, batch, suspect=False) + keys.moment(1.7e9 + n)
            entry = {"pk": f"image#{n:024x}", "sk": "row", "queue_pk": keys.group(batch)}
            self._places[entry["queue_pk"]].append(
                {name: {"S": value} for name, value in {**entry, "queue_sk": sk}.items()}
            )
            tally = keys.tally(batch)[0]
            self._tallies[tally] = self._tallies.get(tally, 0) + 1
        for entries in self._places.values():
            entries.sort(key=lambda entry: entry["queue_sk"]["S"])
        self._names = {g: [one["queue_sk"]["S"] for one in e] for g, e in self._places.items()}
        self._texts: dict[str, tuple[bytes, float]] = {}

    def serve(self, request: Any, event_name: str, **_: Any) -> AWSResponse:
        asked = json.loads(request.body)
        if request.body not in self._texts:
            answer, units = self._answer(asked)
            self._texts[request.body] = json.dumps(answer).encode(), units
        text, units = self._texts[request.body]
        self.requests, self.units = self.requests + 1, self.units + units
        made = AWSResponse(request.url, 200, {"content-type": "application/x-amz-json-1.0"}, None)
        made._content = text
        return made

    def _answer(self, asked: dict[str, Any]) -> tuple[dict[str, Any], float]:
        if "RequestItems" in asked:
            wanted = [key for one in asked["RequestItems"].values() for key in one["Keys"]]
            number = f"status:{STATUS}"
            tallies = [{**k, number: {"N": str(self._tallies[k["pk"]["S"]])}} for k in wanted]
            return {"Responses": {"truth": tallies}}, float(len(wanted))
        if asked.get("IndexName") != "queue":
            return {"Items": []}, 0.5
        values = asked["ExpressionAttributeValues"]
        group = values[":p"]["S"]
        start = bisect_right(self._names[group], values[":s"]["S"]) if ":s" in values else 0
        if last := asked.get("ExclusiveStartKey"):
            start = bisect_right(self._names[group], last["queue_sk"]["S"])
        most = min(asked.get("Limit", PAGE), PAGE // 130)
        found = self._places[group][start : start + most]
        more = start + most < len(self._names[group])
        return (
            {"Items": found, **({"LastEvaluatedKey": found[-1]} if more else {})},
            dynamo_units.queried(found, "queue"),
        )


def measure(rows: int, batches: int, looks: int, *, exact: bool) -> dict[str, Any]:
    backlog = Backlog(rows, batches)
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "x")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "x")
    of_aws = client("dynamodb", {"region": "us-east-1", "endpoint": "http://127.0.0.1:1"})
    of_aws.meta.events.register("before-send.dynamodb", backlog.serve)
    store = DynamoStore(Wire(of_aws, "truth"), batch_size=-(-rows // batches))
    store._adopts = False
    due = store.due(4e9, exact=exact)  # texts are kept from now on
    assert len(due) == batches
    backlog.requests, backlog.units = 0, 0.0
    times = []
    for _ in range(looks):
        began = time.process_time()
        store.due(4e9, exact=exact)
        times.append(time.process_time() - began)
    return {
        "rows_told": sum(one.rows for one in due),
        "requests": backlog.requests / looks,
        "read_units": backlog.units / looks,
        "cpu_seconds": round(sorted(times)[looks // 2], 3),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--batches", type=int, default=50)
    parser.add_argument("--looks", type=int, default=3)
    parser.add_argument("--one", choices=["heads", "every row", "nothing"])
    options = parser.parse_args()
    if options.one:
        if options.one == "nothing":  # what the backlog itself takes, which is not the look's
            Backlog(options.rows, options.batches)
            found = {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}
        else:
            found = measure(
                options.rows, options.batches, options.looks, exact=options.one == "every row"
            )
        print(json.dumps(found))
        return
    for kind in ("nothing", "every row", "heads"):
        asked = [f"--rows={options.rows}", f"--batches={options.batches}"]
        asked += [f"--looks={options.looks}", "--one", kind]
        said = subprocess.run(
            [sys.executable, "-m", "bench.dynamo_due", *asked], check=True, capture_output=True
        )
        print(f"{kind:10}", said.stdout.decode().strip())


if __name__ == "__main__":
    main()
