"""What an image costs on AWS: requests, units and dollars of DynamoDB, S3 and SQS.

    python -m bench.aws_cost [--json FILE] [--bursts 1,50,1000]

The chain is the real one: notification, mailbox, reconciler, both lanes' stages, manifest. Engines
answer for the first pictures and repeat these answers, which changes no request. DynamoDB, S3 and
SQS are moto's emulator; `bench.dynamo_units` counts by AWS's rules, and prices are data
(`aws_prices.yaml`). Not in it: machines, Dagster's PostgreSQL, storage, traffic, logs, what the
uploader pays for its own PUT.

Bursts land in a batch that has 500 decided images already, the middle of its growth. Two single
images come, five minutes apart: with the pause of the stack, one of them finds its manifest due.
Between bursts the platform looks for work: that is the idle hour, apart.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import structlog
import yaml

from bench import dynamo_units
from parjanya_dagster.belief.snapshot import Seen
from parjanya_dagster.execution.engines import engine_of
from parjanya_dagster.execution.previews import Previews
from parjanya_dagster.execution.stage_run import StageRunner
from parjanya_dagster.execution.stages.build import stage_work
from parjanya_dagster.execution.stages.infer import Enrich, Score
from parjanya_dagster.execution.worker import StageWork
from parjanya_dagster.platform import Platform, open_platform
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.models import Arrival, Evidence, ImageRow
from parjanya_dagster.truth.outcomes import Claim, Completed
from parjanya_dagster.truth.requests import ClaimRequest
from parjanya_dagster.truth.stages import STAGES
from tests.support.pictures import picture
from tests.support.servers import MotoServer

PRICES = Path(__file__).with_name("aws_prices.yaml")
BEFORE = 500  # decided images in the batch that bursts come into
TIMES = {1: 2}  # how often a burst of this size is measured; others once
GAP = 300.0  # seconds between bursts
LOOK, TICK, HOUR = 5.0, 20.0, 3600.0  # seconds: of a long poll, of a tick of the reconciler
OWN = 4  # pictures that an engine really looks at
TENANT, TABLE = "acme", "truth"


@dataclass
class Bill:
    """What was asked of AWS."""

    requests: Counter[str] = field(default_factory=Counter)  # by service and operation
    units: Counter[str] = field(default_factory=Counter)  # by the names of `aws_prices.yaml`
    writes: Counter[str] = field(default_factory=Counter)  # write units by kind of item, or index
    reads: Counter[str] = field(default_factory=Counter)  # read units by kind of item, or index

    def dollars(self, prices: dict[str, float]) -> float:
        return sum(prices[name] * units for name, units in self.units.items()) / 1e6


class Meter:
    """Counts the calls of all boto3 clients of this process while it is on.

    It knows every item that this process wrote, so that what a write replaces costs no request.
    """

    def __init__(self) -> None:
        self.bill = Bill()
        self.on = False
        self._items: dict[str, Any] = {}  # by name
        self._mine = threading.local()  # whether a call is the meter's own
        self._lock = threading.Lock()

    @contextmanager
    def counting(self) -> Iterator[Bill]:
        self.bill, self.on = Bill(), True
        try:
            yield self.bill
        finally:
            self.on = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        from botocore.client import BaseClient

        call = BaseClient._make_api_call

        def metered(client: Any, operation: str, asked: dict[str, Any]) -> Any:
            if getattr(self._mine, "call", False):
                return call(client, operation, asked)
            return self._metered(client, operation, asked, call)

        BaseClient._make_api_call = metered
        try:
            yield
        finally:
            BaseClient._make_api_call = call

    def _metered(self, client: Any, operation: str, asked: dict[str, Any], call: Any) -> Any:
        service = client.meta.service_model.service_name
        changed = _changed(operation, asked) if service == "dynamodb" else []
        answer, done = {}, False
        try:
            answer = call(client, operation, asked)
            done = True
        finally:
            writes = self._written(client, operation, changed, done)
            if self.on:
                reads = self._read(client, operation, asked, answer)
                with self._lock:
                    self._charge(service, operation, writes, reads)
        return answer

    def _written(
        self, client: Any, operation: str, changed: Sequence[tuple[str, Any]], done: bool
    ) -> Counter[str]:
        """Write units by kind of item or index. A refused write costs what is there."""
        units: Counter[str] = Counter()
        for kind, item in changed:
            name = _name(item)
            was = self._items.get(name)
            after = item if kind == "Put" else None
            if not done:
                after = was
            elif kind == "Update":
                after = self._present(client, item)
            cost = dynamo_units.written(was, after, transaction="Transact" in operation)
            for index, number in cost.items():
                units[f"index {index}" if index else _kind(name)] += number
            if after is None:
                self._items.pop(name, None)
            else:
                self._items[name] = after
        return units

    def _read(
        self, client: Any, operation: str, asked: dict[str, Any], answer: Any
    ) -> Counter[str]:
        """Read units by kind of item or index."""
        units: Counter[str] = Counter()
        if operation == "Query":
            index = asked.get("IndexName", "")
            found = [self._items.get(_name(i), i) for i in answer.get("Items", []) if "pk" in i]
            if "ProjectionExpression" in asked:  # what is not sent is read all the same
                found = self._whole(client, asked)
            pk = asked["ExpressionAttributeValues"][":p"]["S"]
            kind = f"index {index}" if index else pk.partition("#")[0]
            units[kind] += dynamo_units.queried(found, index)
        elif operation == "GetItem":
            there = [answer["Item"]] if answer.get("Item") else []
            units[_kind(_name(asked["Key"]))] += dynamo_units.got(there, 1)
        elif operation == "BatchGetItem":
            for table, of_table in asked["RequestItems"].items():
                items = {_name(item): item for item in answer.get("Responses", {}).get(table, [])}
                for name in map(_name, of_table["Keys"]):
                    one = [items[name]] if name in items else []
                    units[_kind(name)] += dynamo_units.got(one, 1)
        return units

    def _charge(
        self, service: str, operation: str, writes: Counter[str], reads: Counter[str]
    ) -> None:
        bill = self.bill
        bill.requests[f"{service}.{operation}"] += 1
        bill.writes.update(writes)
        bill.reads.update(reads)
        bill.units["write_units"] += sum(writes.values())
        bill.units["read_units"] += sum(reads.values())
        if service == "s3":
            bill.units[_s3_class(operation)] += 1
        elif service == "sqs":
            bill.units["sqs_requests"] += 1
        elif operation == "GetRecords":
            bill.units["stream_reads"] += 1

    def _present(self, client: Any, key: dict[str, Any]) -> Any:
        self._mine.call = True
        try:
            return client.get_item(TableName=TABLE, Key=_key(key), ConsistentRead=True).get("Item")
        finally:
            self._mine.call = False

    def _whole(self, client: Any, asked: dict[str, Any]) -> list[Any]:
        names = {k: v for k, v in asked["ExpressionAttributeNames"].items() if k in ("#p", "#s")}
        whole = {k: v for k, v in asked.items() if k != "ProjectionExpression"}
        self._mine.call = True
        try:
            found: list[Any] = client.query(**{**whole, "ExpressionAttributeNames": names})["Items"]
        finally:
            self._mine.call = False
        return found


def _s3_class(operation: str) -> str:
    """The price of a request to S3."""
    if operation.startswith("Delete"):
        return "s3_deletes"
    listed = ("Put", "Copy", "Create", "Upload", "Complete", "List")
    return "s3_writes" if operation.startswith(listed) else "s3_reads"


def _changed(operation: str, asked: dict[str, Any]) -> list[tuple[str, Any]]:
    """What a request may write: the kind of write, and the item or its key."""
    if operation == "TransactWriteItems":
        pairs = [pair for item in asked["TransactItems"] for pair in item.items()]
        return [(kind, one.get("Item") or one["Key"]) for kind, one in pairs]
    if operation == "BatchWriteItem":
        requests = [one for of_table in asked["RequestItems"].values() for one in of_table]
        puts = [one["PutRequest"]["Item"] for one in requests if "PutRequest" in one]
        deletes = [one["DeleteRequest"]["Key"] for one in requests if "DeleteRequest" in one]
        return [("Put", item) for item in puts] + [("Delete", key) for key in deletes]
    if operation in ("PutItem", "UpdateItem", "DeleteItem"):
        return [(operation.removesuffix("Item"), asked.get("Item") or asked["Key"])]
    return []


def _key(item: dict[str, Any]) -> dict[str, Any]:
    return {"pk": item["pk"], "sk": item["sk"]}


def _name(item: dict[str, Any]) -> str:
    return f"{item['pk']['S']} {item['sk']['S']}"


def _kind(name: str) -> str:
    """What an item is, of its name: `image#… event#…` is an event."""
    pk, _, sk = name.partition(" ")
    return sk.partition("#")[0] if pk.startswith("image#") else pk.partition("#")[0]


class Repeating:
    """An engine that looks at a few pictures, and gives their answers for all others."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._answers: list[dict[str, Any]] = []
        self._again: Iterator[dict[str, Any]] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def describe(self, images: Sequence[Any], *more: Any, **options: Any) -> list[dict[str, Any]]:
        return self._repeat(self._engine.describe, images, *more, **options)

    def score(self, images: Sequence[Any]) -> list[dict[str, Any]]:
        return self._repeat(self._engine.score, images)

    def _repeat(self, ask: Any, images: Sequence[Any], *more: Any, **options: Any) -> Any:
        if self._again is None:
            answers = ask(images, *more, **options)
            self._answers += answers
            if len(self._answers) >= OWN:
                self._again = cycle(self._answers)
            return answers
        return [dict(next(self._again)) for _ in images]


class Moving:
    """The time, in which pauses are skipped."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead

    def pass_by(self, seconds: float) -> None:
        self.ahead += seconds


class Nothing:
    """Dagster, in which nothing runs. Keys that were added are there."""

    def __init__(self) -> None:
        self.keys: tuple[str, ...] = ()

    def read(self, now: float) -> Seen:
        return Seen(keys=self.keys, runs=(), failed=())

    def expire(self, run_id: str, reason: str) -> bool:
        return False


class Site:
    """A site on AWS in one process: a tenant, its bucket and queue, both lanes."""

    def __init__(self, moto: MotoServer, home: Path, meter: Meter) -> None:
        import boto3

        from parjanya_dagster.aws.queues import SqsQueue

        self.meter, self.s3 = meter, boto3.client("s3")
        self.queue, self.dead = SqsQueue("arrivals"), SqsQueue("dead")
        self.queue.create()
        self.dead.create()
        self.s3.create_bucket(Bucket=f"{TENANT}-uploads")
        events = {"QueueArn": self.queue.arn(), "Events": ["s3:ObjectCreated:*"]}
        events["Filter"] = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "incoming/"}]}}
        self.s3.put_bucket_notification_configuration(
            Bucket=f"{TENANT}-uploads", NotificationConfiguration={"QueueConfigurations": [events]}
        )
        settings = Settings(
            home=home,
            truth={"url": f"dynamodb://{TABLE}"},
            objects={"url": "s3://"},
            tenants={"buckets": "{tenant}-uploads"},
            arrivals={"queue": "arrivals", "dead_letters": "dead"},
            lanes={"layout": "split"},
            runs={"manifest_pause": 600.0},  # as in the stack
            media={"workers": 2},
        )
        self.clock = Moving()
        opened = open_platform(settings, migrating=True)
        self.platform: Platform = replace(opened, clock=self.clock, pause=self.clock.pass_by)
        self.dagster = Nothing()
        self.engines = {
            stage: Repeating(engine_of(settings, stage)) for stage in ("enriched", "scored")
        }
        self.landed = 0

    def land(self, count: int) -> None:
        """Images in the bucket, as an uploader puts them: each sends one message."""
        for _ in range(count):
            self.s3.put_object(
                Bucket=f"{TENANT}-uploads",
                Key=f"incoming/{self.landed:06d}.jpg",
                Body=picture(self.landed),
            )
            self.landed += 1

    def fill(self, count: int) -> None:
        """More decided images like one that is there, put into Truth alone."""
        store, now = self.platform.store, self.clock()
        (like,) = store.present(TENANT, limit=1)
        evidence = store.evidence([like])[like.image_id]
        store.register([_another(like, n) for n in range(count)], now)
        for stage in STAGES:
            ask = ClaimRequest(
                stage=stage, batches=store.batches(), limit=50, owner="fill", lease=600.0
            )
            while claims := store.claim(ask, now):
                store.commit([(one, _same(one, like, evidence[stage])) for one in claims], now, "f")
        self.landed += count

    def take_in(self) -> None:
        mailbox = self.platform.mailbox
        assert mailbox is not None
        while mailbox.take(0.0).messages:
            pass

    def reconcile(self) -> list[tuple[str, tuple[str, ...]]]:
        """One tick. Returns the lanes and batches of the runs that it asks for."""
        asked = []
        for emission in self.platform.loop(self.dagster).tick():
            self.dagster.keys += emission.add_keys
            asked += [(request.lane.name, request.keys) for request in emission.runs]
            if not emission.add_keys:
                break  # it would go on looking: what that costs is not for an image
        return asked

    def settle(self) -> int:
        """Do all work that is asked for. Returns the number of runs."""
        runs = 0
        while asked := self.reconcile():
            for lane, batches in asked:
                self.run(lane, batches)
                runs += 1
        return runs

    def look(self) -> None:
        mailbox = self.platform.mailbox
        assert mailbox is not None
        mailbox.take(0.0)

    def tick(self) -> None:
        for emission in self.platform.loop(self.dagster).tick():
            assert not emission.asks_for_work

    def run(self, lane_name: str, batches: Sequence[str]) -> None:
        lane = next(one for one in self.platform.lanes if one.name == lane_name)
        name = f"run-{time.time_ns()}"
        runner = StageRunner.begin(
            self.platform, lane, run_id=name, ledger_id=name, job=lane.job, work=self._work
        )
        for stage in lane.stages:
            runner.run(stage, batches)

    def _work(self, stage: str, run_id: str) -> StageWork:
        if stage not in self.engines:
            return stage_work(self.platform, stage, run_id)
        kind = Enrich if stage == "enriched" else Score
        return kind(
            self.engines[stage],  # type: ignore[arg-type]
            Previews(self.platform.objects),
            self.platform.store,
            run_id=run_id,
            clock=self.platform.clock,
        )

    def burst(self, count: int) -> int:
        """Land images and bring them to their decisions. Returns the number of runs."""
        self.meter.on, on = False, self.meter.on
        self.land(count)
        self.meter.on = on
        self.meter.bill.units["sqs_requests"] += count  # what S3 sends is charged too
        self.take_in()
        runs = self.settle()
        done = self.platform.store.counts(TENANT)[0].by_status
        assert done == {"curated": self.landed}, done
        return runs


def _another(like: ImageRow, number: int) -> Arrival:
    """The arrival of another image."""
    return Arrival(
        tenant=like.tenant,
        bucket=like.bucket,
        key=f"incoming/filled-{number:06d}.jpg",
        version=f"{number:032x}",
        size=like.size,
        landed_at=like.landed_at,
    )


def _same(claim: Claim, like: ImageRow, evidence: Evidence) -> Completed:
    """The outcome that another image had, but for its bytes."""
    columns: dict[str, Any] = {}
    if claim.stage == "validated":
        columns = {
            "preview_bucket": like.preview_bucket,
            "preview_key": f"previews/{claim.image_id}.jpg",
            "thumbnail_key": f"thumbnails/{claim.image_id}.jpg",
            "sha256": hashlib.sha256(claim.image_id.encode()).hexdigest(),
            "phash": like.phash,
        }
    elif claim.stage == "curated":
        columns = {"verdict": like.verdict, "reasons": like.reasons, "policy": like.policy}
    return Completed(replace(evidence, image_id=claim.image_id), columns)


def measure(bursts: Sequence[int], before: int = BEFORE) -> dict[str, Any]:
    """The bill of each size of burst, per image, and of an idle hour."""
    prices = yaml.safe_load(PRICES.read_text())["per_million"]
    meter, figures = Meter(), {}
    moto = MotoServer()
    moto.start()
    os.environ.update(moto.environment)
    try:
        with tempfile.TemporaryDirectory(prefix="parjanya-bench-") as folder, meter.listening():
            site = Site(moto, Path(folder) / "home", meter)
            site.burst(OWN)
            site.fill(before - OWN)
            for count in bursts:
                times = TIMES.get(count, 1)
                runs = 0
                with meter.counting() as bill:
                    for _ in range(times):
                        runs += site.burst(count)
                        site.clock.pass_by(GAP)
                figures[f"burst of {count}"] = _per_image(bill, count * times, runs, prices)
            site.clock.pass_by(HOUR)
            site.settle()
            figures["idle hour"] = _idle(site, prices)
    finally:
        moto.remove()
    return figures


def _idle(site: Site, prices: dict[str, float]) -> dict[str, Any]:
    """What an hour costs in which nothing arrives: the mailbox and the reconciler look."""
    with site.meter.counting() as of_looks:
        site.look()
    with site.meter.counting() as of_ticks:
        site.tick()
    looks, ticks = HOUR / LOOK, HOUR / TICK
    dollars = of_looks.dollars(prices) * looks + of_ticks.dollars(prices) * ticks
    return {
        "dollars_per_month": round(dollars * 730, 2),
        "requests": round(
            sum(of_looks.requests.values()) * looks + sum(of_ticks.requests.values()) * ticks
        ),
        "of_a_look": dict(of_looks.requests),
        "of_a_tick": dict(of_ticks.requests),
    }


def _per_image(bill: Bill, images: int, runs: int, prices: dict[str, float]) -> dict[str, Any]:
    def each(counted: Counter[str]) -> dict[str, float]:
        return {name: round(n / images, 3) for name, n in counted.most_common() if n}

    of_dynamo = sum(n for name, n in bill.requests.items() if name.startswith("dynamodb."))
    return {
        "images": images,
        "runs": runs,
        "dollars_per_million": round(bill.dollars(prices) / images * 1e6, 2),
        "requests": round(sum(bill.requests.values()) / images, 2),
        "dynamodb_requests": round(of_dynamo / images, 2),
        **each(bill.units),
        "by_operation": each(bill.requests),
        "writes_by_item": each(bill.writes),
        "reads_by_item": each(bill.reads),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--bursts", default="1,50,1000", help="sizes, one after the other")
    parser.add_argument("--before", type=int, default=BEFORE, help="decided images of the batch")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    figures = measure([int(size) for size in options.bursts.split(",")], options.before)
    print(json.dumps(figures, indent=2))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
