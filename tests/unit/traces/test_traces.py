"""Traces of a run, as a collector receives them: what they tell, and what they never tell.

The collector is a real server over HTTP. The stages are real but for the engines.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress

import pytest
from dagster import DagsterInstance, materialize

from gpu_ops.interface import EngineLost
from parjanya_dagster.defs import assets, resources
from parjanya_dagster.execution.previews import Previews
from parjanya_dagster.execution.queue_worker import Worker
from parjanya_dagster.execution.stage_run import StageRunner, Work
from parjanya_dagster.execution.stages.curate import Curate
from parjanya_dagster.execution.stages.infer import Enrich, Score
from parjanya_dagster.execution.stages.validate import Validate
from parjanya_dagster.execution.worker import StageWork
from parjanya_dagster.platform import Platform
from parjanya_dagster.queues.assignments import Assignment
from parjanya_dagster.traces import spans
from parjanya_dagster.traces.export import SdkRecorder, trace_of
from parjanya_dagster.truth.stages import Status
from tests.simulation.queue_model import QueueModel
from tests.support.clock import Clock
from tests.support.collector import Collector, collecting
from tests.support.pictures import picture
from tests.support.stages import Engine, House

RUN = "5f0c1f8e-7b2a-4a51-9d2c-3f6f0a4d9b11"
NAME = "anna-at-the-lake"  # of a file


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture
def tracing(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Traces of this process begin anew within the test, and end with it."""
    spans.of_this_process.cache_clear()
    yield monkeypatch
    spans.end_all()
    recorder = _recorder()
    if recorder is not None:
        recorder.close(0.0)
    spans.of_this_process.cache_clear()


def _recorder() -> SdkRecorder | None:
    recorder = spans.of_this_process()
    assert recorder is None or isinstance(recorder, SdkRecorder)
    return recorder


def _to(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)


def _work(house: House, engine: Engine) -> Work:
    """The stages' own work, with this engine."""
    platform, clock = house.platform, house.clock

    def infer(kind: type[Enrich] | type[Score], run_id: str) -> StageWork:
        previews = Previews(platform.objects)
        return kind(engine, previews, platform.store, run_id=run_id, clock=clock)

    def work(stage: str, run_id: str) -> StageWork:
        if stage == "validated":
            return Validate(platform.objects, run_id=run_id, clock=clock)
        if stage == "curated":
            return Curate(platform.store, platform.policy_of, run_id=run_id, clock=clock)
        return infer(Enrich if stage == "enriched" else Score, run_id)

    return work


def _run_all(house: House, engine: Engine) -> None:
    """A run over all stages, by the code that every run goes through."""
    platform = house.platform
    lane = platform.lanes[0]
    spans.begin_run(RUN, lane.name)
    runner = StageRunner.begin(
        platform, lane, run_id=RUN, ledger_id=RUN, job=lane.job, work=_work(house, engine)
    )
    for stage in lane.stages:
        runner.run(stage, platform.store.batches())
    spans.end_run(RUN)


@pytest.fixture
def house(platform: Platform, clock: Clock) -> House:
    house = House(platform, clock)
    for tenant in ("acme", "bolt"):
        house.drop(f"{NAME}.jpg", picture(1), tenant)
    house.sweep()
    return house


def test_a_run_is_one_trace_of_its_stages_and_their_claims_decodes_inferences_and_commits(
    house: House, collector: Collector, tracing: pytest.MonkeyPatch
) -> None:
    _to(tracing, collector.url)
    tracing.setenv("OTEL_SERVICE_NAME", "curation")
    _run_all(house, Engine())
    recorder = _recorder()
    assert recorder is not None
    assert recorder.close(30.0)

    (run,) = collector.named("run")
    assert run.attributes == {"parjanya.run": RUN, "parjanya.lane": "embedded"}
    assert {span.trace for span in collector.spans} == {format(trace_of(RUN), "032x")}
    assert {span.service for span in collector.spans} == {"curation"}
    below = {
        stage: {span.name for span in collector.spans if span.parent == begun.id}
        for stage in ("validated", "enriched", "scored", "curated")
        for begun in collector.named(stage)
        if begun.parent == run.id and begun.attributes["parjanya.images"] == 2
    }
    assert below == {
        "validated": {"claim", "decode", "commit"},
        "enriched": {"claim", "decode", "infer", "commit"},
        "scored": {"claim", "decode", "infer", "commit"},
        "curated": {"claim", "decide", "commit"},
    }
    for span in collector.named("commit"):
        stage = span.attributes["parjanya.stage"]
        assert span.attributes == {
            "parjanya.run": RUN,
            "parjanya.lane": "embedded",
            "parjanya.stage": stage,
            "parjanya.tenants": ["acme", "bolt"],
            "parjanya.images": 2,
            "parjanya.lost": 0,
        }
    assert not any(span.failed for span in collector.spans)


def test_an_error_is_told_by_its_type_and_nothing_tells_of_a_file(
    house: House, collector: Collector, tracing: pytest.MonkeyPatch
) -> None:
    _to(tracing, collector.url)
    row = house.row(f"{NAME}.jpg")
    _run_all(house, Engine(lambda _: ValueError(f"incoming/{NAME}.jpg cannot be looked at")))
    recorder = _recorder()
    assert recorder is not None
    assert recorder.close(30.0)

    failed = [span for span in collector.spans if span.failed]
    assert {span.name for span in failed} == {"infer"}
    assert {span.attributes["error.type"] for span in failed} == {"ValueError"}
    assert not any(span.message for span in collector.spans)
    sent = b"".join(collector.bodies)
    told = {what for what in (NAME, row.bucket + "/", row.image_id) if what.encode() in sent}
    assert told == set()


def test_a_collector_that_never_answers_delays_no_row(
    house: House, collector: Collector, tracing: pytest.MonkeyPatch
) -> None:
    collector.silent = True
    _to(tracing, collector.url)
    tracing.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
    _run_all(house, Engine())
    assert collector.asked.wait(60)  # it holds a request
    assert house.row(f"{NAME}.jpg").pipeline_status == Status.CURATED
    recorder = _recorder()
    assert recorder is not None
    assert not recorder.close(0.0)  # what it has not taken is not waited for


def test_nobody_listens_and_rows_are_done(house: House, tracing: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # and does not listen
        _to(tracing, f"http://127.0.0.1:{free.getsockname()[1]}")
        tracing.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.1")
        _run_all(house, Engine())
        recorder = _recorder()
        assert recorder is not None
        assert recorder.close(30.0)  # it has given up
    assert house.row(f"{NAME}.jpg").pipeline_status == Status.CURATED


def test_each_delivery_of_a_message_tells_of_one_trace(
    house: House, collector: Collector, tracing: pytest.MonkeyPatch
) -> None:
    _to(tracing, collector.url)
    tracing.setattr("parjanya_dagster.execution.queue_worker.preload", lambda *_: {})
    platform, queue = house.platform, QueueModel(house.clock)
    lane, batches = platform.lanes[0], tuple(platform.store.batches())
    queue.send(Assignment("asked-1", lane.name, lane.stages, batches).body())

    def lost(_: object) -> Exception:
        return EngineLost("the engine is gone")

    for engine in (Engine(lost), Engine()):
        worker = Worker(platform, lane, queue, work=_work(house, engine))
        with suppress(EngineLost):
            worker.drain(stop=lambda: False, wait=0.0)
        house.clock.pass_by(1000.0)  # the message comes again
    recorder = _recorder()
    assert recorder is not None
    assert recorder.close(30.0)
    assert {span.trace for span in collector.spans} == {format(trace_of("asked-1"), "032x")}
    assert [span.failed for span in collector.named("run")] == [True, False]


def test_a_run_of_dagster_is_a_span_that_ends_with_the_run(
    house: House, collector: Collector, tracing: pytest.MonkeyPatch
) -> None:
    house.all()
    _to(tracing, collector.url)
    tracing.setattr(resources, "shared_platform", lambda: house.platform)
    with DagsterInstance.ephemeral() as dagster:
        batches = list(house.platform.store.batches())
        dagster.add_dynamic_partitions("image_batches", batches)
        run_id = materialize(
            [assets.curated],
            partition_key=batches[0],
            instance=dagster,
            resources={"platform": resources.PlatformResource()},
        ).run_id
    recorder = _recorder()
    assert recorder is not None
    assert recorder.close(30.0)
    (run,) = collector.named("run")
    assert run.attributes["parjanya.run"] == run_id
    assert [span.parent for span in collector.named("curated")] == [run.id]


ENDING = """
import multiprocessing, sys
from parjanya_dagster.traces import spans

def work(run):
    spans.begin_run(run, "cpu")
    with spans.stage_of(run, "validated"), spans.span("claim", images=3):
        pass

forked = multiprocessing.get_context("fork").Process(target=work, args=("forked",))
forked.start()
forked.join()
work("own")
"""


def test_spans_are_delivered_when_a_process_ends_forked_or_not(collector: Collector) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDING],
        env={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = {(span.attributes["parjanya.run"], span.name) for span in collector.spans}
    names = "run", "validated", "claim"
    assert told == {(run, name) for run in ("forked", "own") for name in names}
    assert {span.service for span in collector.spans} == {"parjanya"}


OFF = """
import sys
import parjanya_dagster.execution.stage_run, parjanya_dagster.execution.queue_worker
from parjanya_dagster.traces import spans
spans.begin_run("run-1", "cpu")
with spans.stage_of("run-1", "validated") as stage, spans.span("claim") as claim:
    stage.note(images=1)
    claim.note(images=1)
    assert not spans.active()
spans.end_run("run-1")
found = sorted(module for module in sys.modules if module.startswith("opentelemetry"))
assert not found, found
"""


def test_where_traces_are_off_nothing_of_opentelemetry_is_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", OFF],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "curation"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_traces_are_on_where_an_exporter_or_an_endpoint_is_named(
    environment: Mapping[str, str], asked: bool
) -> None:
    assert spans.wanted(environment) is asked


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "otlp, console and none"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-1", "ValueError"),
    ],
)
def test_what_cannot_be_exported_is_said_and_the_run_goes_on(
    name: str, value: str, why: str, tracing: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _to(tracing, "http://127.0.0.1:9")
    tracing.setenv(name, value)
    spans.begin_run(RUN, "cpu")
    assert spans.of_this_process() is None
    told = capsys.readouterr()
    assert why in told.out + told.err


def test_without_the_extra_a_line_says_how_to_install_it(
    tracing: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _to(tracing, "http://127.0.0.1:9")
    tracing.delitem(sys.modules, "parjanya_dagster.traces.export", raising=False)
    tracing.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    assert spans.of_this_process() is None
    told = capsys.readouterr()
    assert "parjanya[otel]" in told.out + told.err
