"""What a sweep of a large bucket costs on AWS: LISTs, read units, dollars, memory and time.

    python -m bench.aws_sweep [--objects 100000]

The sweep is the real one. Below it, DynamoDB's client and the bucket answer from a list: nothing
has changed since the last sweep. It goes on in slices, as beside messages. Units are counted by
AWS's rules (`bench.dynamo_units`), prices are data (`aws_prices.yaml`), and what 10 million objects
cost is that multiplied. Processor time has no XML of S3 and no JSON of DynamoDB in it.
"""

from __future__ import annotations

import argparse
import json
import time
import tracemalloc
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

from bench import dynamo_units
from parjanya_dagster.ingest.arrivals import Sweeper
from parjanya_dagster.ingest.pacing import PAID, Pacing
from parjanya_dagster.objects.store import LeftOut, ObjectInfo
from parjanya_dagster.truth.dynamo import DynamoStore, codec, keys
from parjanya_dagster.truth.dynamo.wire import Wire
from parjanya_dagster.truth.models import Tenant, image_id
from parjanya_dagster.truth.records import KnownBucket

PRICES = Path(__file__).with_name("aws_prices.yaml")
AIM, LISTED, SLICE = 10_000_000, 1000, 2.0  # objects; keys of a LIST; seconds of a slice
PACE = 3000  # objects a second that are assumed, for where slices end
TENANT = Tenant(slug="acme", bucket="acme-uploads", prefix="incoming/", policy="default@3")


class Site:
    """A bucket and a table that agree, as an S3 and as a client of DynamoDB."""

    def __init__(self, objects: int) -> None:
        self.names = [f"incoming/2026/11/{n // 1000:05d}/IMG_{n:08d}.jpg" for n in range(objects)]
        self.lists, self.units, self.writes, self.now = 0, 0.0, 0, 1.8e9
        self.meta = SimpleNamespace(endpoint_url="a list")
        self._parts: dict[str, list[int]] = {}
        for n, key in enumerate(self.names):
            pk = keys.listed(TENANT.slug, image_id(TENANT.bucket, key, _etag(n)))
            self._parts.setdefault(pk, []).append(n)

    def clock(self) -> float:
        return self.now

    def identity(self, bucket: str) -> str:
        return f"s3:{bucket}"

    def listing(
        self, bucket: str, prefix: str, after: str = "", left_out: LeftOut | None = None
    ) -> Iterator[ObjectInfo]:
        for place, n in enumerate(range(bisect_right(self.names, after), len(self.names))):
            self.lists += place % LISTED == 0
            self.now += 1 / PACE
            yield ObjectInfo(self.names[n], _etag(n), 3_000_000, 1.7e9)

    def query(self, **asked: Any) -> dict[str, Any]:
        values, index = asked["ExpressionAttributeValues"], asked.get("IndexName", "")
        pk, kept = values[":p"]["S"], {"tenants": TENANT, "known_buckets": _BUCKET}
        if index != "by_key":
            items = [{**codec.pack(kept[pk])}] if pk in kept else []
            self.units += dynamo_units.queried(items, index)
            return {"Items": items}
        part = self._parts.get(pk, [])
        key = self.names.__getitem__
        if last := asked.get("ExclusiveStartKey"):
            start = bisect_right(part, last["key"]["S"], key=key)
        elif ">=" in asked["KeyConditionExpression"]:
            start = bisect_left(part, values[":s"]["S"], key=key)
        else:
            start = bisect_right(part, values[":s"]["S"], key=key)
        items = [self._entry(pk, n) for n in part[start : start + asked["Limit"]]]
        self.units += dynamo_units.queried(items, index)
        more = {"LastEvaluatedKey": items[-1]} if len(items) == asked["Limit"] else {}
        return {"Items": items, **more}

    def put_item(self, Item: Any, **_: Any) -> dict[str, Any]:
        self.writes += -(-dynamo_units.size(Item) // dynamo_units.WRITE)
        return {}

    def delete_item(self, **_: Any) -> dict[str, Any]:
        self.writes += 1
        return {}

    def _entry(self, pk: str, n: int) -> dict[str, Any]:
        own = image_id(TENANT.bucket, self.names[n], _etag(n))
        entry = {"list_pk": pk, "key": self.names[n], "pk": f"image#{own}", "sk": "row"}
        return {name: {"S": value} for name, value in entry.items()}


_BUCKET = KnownBucket(bucket=TENANT.bucket, identity=f"s3:{TENANT.bucket}", adopted_at=0.0)


def _etag(n: int) -> str:
    return f"{n:032x}"


def measure(objects: int) -> dict[str, Any]:
    """A whole sweep of a bucket with so many objects, and what one of 10 million costs."""
    prices = yaml.safe_load(PRICES.read_text())["per_million"]
    site: Any = Site(objects)
    store = DynamoStore(Wire(site, "truth"))
    sweeper = Sweeper(store, site, site.clock, lambda: "default@3", candidates=lambda: ())
    pacing = Pacing(rate=PAID, slice=SLICE)
    tracemalloc.start()
    began, slices, seen = time.process_time(), 0, 0
    swept = sweeper.sweep(site.now + SLICE, pacing=pacing)
    while swept.stopped:
        seen, slices = seen + swept.seen, slices + 1
        swept = sweeper.sweep(site.now + SLICE, start=swept.stopped, everyone=False, pacing=pacing)
    seconds = time.process_time() - began
    _, peak = tracemalloc.get_traced_memory()
    assert (seen + swept.seen, swept.departed, swept.registered) == (objects, 0, {})
    times = AIM / objects
    dollars = (
        site.lists * prices["s3_writes"]
        + site.units * prices["read_units"]
        + site.writes * prices["write_units"]
    ) / 1e6
    most = 86_400 / (AIM / PAID)  # sweeps a day, were they done at once
    return {
        "objects": objects,
        "slices": slices + 1,
        "lists": site.lists,
        "read_units": site.units,
        "write_units": site.writes,
        "peak_mb": round(peak / 1e6, 1),
        "cpu_seconds_traced": round(seconds, 1),
        "of_10_million": {
            "lists": round(site.lists * times),
            "read_units": round(site.units * times),
            "dollars": round(dollars * times, 3),
            "dollars_a_day_at_most": round(dollars * times * most, 2),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--objects", type=int, default=100_000)
    print(json.dumps(measure(parser.parse_args().objects), indent=2))


if __name__ == "__main__":
    main()
