"""A site on AWS in one process, over moto's emulator: a tenant, its bucket and queue, both lanes.

Engines answer for the first pictures and repeat these answers, which changes no request.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

from bench.aws_meter import TABLE, Meter
from parjanya_dagster.belief.snapshot import Seen
from parjanya_dagster.execution.engines import engine_of
from parjanya_dagster.execution.previews import Previews
from parjanya_dagster.execution.stage_run import StageRunner
from parjanya_dagster.execution.stages.build import stage_work
from parjanya_dagster.execution.stages.infer import Enrich, Score
from parjanya_dagster.execution.worker import StageWork
from parjanya_dagster.intent.plan import Request
from parjanya_dagster.platform import Platform, open_platform
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.models import Arrival, Evidence, ImageRow
from parjanya_dagster.truth.outcomes import Claim, Completed, Outcome
from parjanya_dagster.truth.records import StagePace
from parjanya_dagster.truth.requests import ClaimRequest
from parjanya_dagster.truth.stages import STAGES, following
from tests.support.pictures import picture

OWN = 4  # pictures that an engine really looks at
TENANT = "acme"
STEP = 0.0005  # seconds from one look at the time to the next
RUN = 10.0  # seconds that a run takes at least: looks of before and after it share nothing
TAKES = {"validated": 0.1, "enriched": 0.3, "scored": 0.1, "curated": 0.001}
"""Seconds that an image takes in a stage, on the clock of the site: runs are sized by them."""


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

    def score(self, images: Sequence[Any], *more: Any) -> list[dict[str, Any]]:
        return self._repeat(self._engine.score, images, *more)

    def _repeat(self, ask: Any, images: Sequence[Any], *more: Any, **options: Any) -> Any:
        if self._again is None:
            answers = ask(images, *more, **options)
            self._answers += answers
            if len(self._answers) >= OWN:
                self._again = cycle(self._answers)
            return answers
        return [dict(next(self._again)) for _ in images]


class Moving:
    """The time, which moves by pauses and a little with each look at it. How busy this machine is
    changes nothing: the reconciler looks as often as on an idle one."""

    def __init__(self) -> None:
        self.began, self.ahead = time.time(), 0.0

    def __call__(self) -> float:
        self.ahead += STEP
        return self.began + self.ahead

    def pass_by(self, seconds: float) -> None:
        self.ahead += seconds


class Taking:
    """The work of a stage, which takes its time on the clock of the site."""

    def __init__(self, work: StageWork, clock: Moving) -> None:
        self.stage, self._work, self._clock = work.stage, work, clock

    @property
    def load_seconds(self) -> float:
        return self._work.load_seconds

    def prepare(self) -> None:
        self._work.prepare()

    def work(self, claims: Sequence[Claim]) -> Iterator[tuple[Claim, Outcome]]:
        for done in self._work.work(claims):
            self._clock.pass_by(TAKES[self.stage])
            yield done


class Nothing:
    """Dagster, in which nothing runs. Keys that were added are there."""

    def __init__(self) -> None:
        self.keys: tuple[str, ...] = ()

    def read(self, now: float) -> Seen:
        return Seen(keys=self.keys, runs=(), failed=())

    def expire(self, run_id: str, reason: str) -> bool:
        return False


class Site:
    """A site on AWS in one process: a tenant, its bucket and queue, the lanes of a layout."""

    def __init__(self, home: Path, meter: Meter, layout: str = "split") -> None:
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
            lanes={"layout": layout},
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
        self.previews = Previews(self.platform.objects)
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

    def know_paces(self) -> None:
        """What a site knows that has worked before: how long an image takes."""
        for stage, seconds in TAKES.items():
            pace = StagePace(stage=stage, seconds_per_row=seconds, rows=100, at=self.clock())
            self.platform.store.note_pace(pace)

    def take_in(self) -> None:
        mailbox = self.platform.mailbox
        assert mailbox is not None
        while mailbox.take(0.0).messages:
            pass

    def reconcile(self) -> list[Request]:
        """One tick. Returns the runs that it asks for."""
        asked: list[Request] = []
        for emission in self.platform.loop(self.dagster).tick():
            self.dagster.keys += emission.add_keys
            asked += emission.runs
            if not emission.add_keys:
                break  # it would go on looking: what that costs is not for an image
        return asked

    def settle(self) -> int:
        """Do all work that is asked for. Returns the number of runs."""
        runs = 0
        while asked := self.reconcile():
            for request in asked:
                self.run(request)
                runs += 1
        return runs

    def look(self) -> None:
        mailbox = self.platform.mailbox
        assert mailbox is not None
        mailbox.take(0.0)

    def tick(self) -> None:
        for emission in self.platform.loop(self.dagster).tick():
            assert not emission.asks_for_work

    def run(self, request: Request) -> None:
        lane, stages = request.lane, request.stages
        name = f"run-{time.time_ns()}"
        self.previews = Previews(self.platform.objects)  # of a process: each run is one
        runner = StageRunner.begin(
            self.platform, lane, run_id=name, ledger_id=name, job=lane.job, work=self._work
        )
        for stage in stages:
            then, most = following(stage, stages), request.most(stage)
            runner.run(stage, request.keys, then=then, most=most)
        self.clock.pass_by(RUN)

    def _work(self, stage: str, run_id: str) -> StageWork:
        if stage not in self.engines:
            return Taking(stage_work(self.platform, stage, run_id), self.clock)
        kind = Enrich if stage == "enriched" else Score
        inferring = kind(
            self.engines[stage],  # type: ignore[arg-type]
            self.previews,
            self.platform.store,
            run_id=run_id,
            clock=self.platform.clock,
        )
        return Taking(inferring, self.clock)

    def burst(self, count: int) -> int:
        """Land images and bring them to their decisions. Returns the number of runs."""
        self.meter.on, on = False, self.meter.on
        self.land(count)
        self.meter.on = on
        self.meter.bill.units["sqs_requests"] += count  # what S3 sends is charged too
        self.take_in()
        runs = self.settle()
        self.meter.on = False
        done = self.platform.store.counts(TENANT)[0].by_status
        self.meter.on = on
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
