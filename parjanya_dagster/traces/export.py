"""Spans through OpenTelemetry's SDK, to whom its standard variables name.

A thread of the SDK delivers what has ended; a queue that is full drops. The process waits for a
delivery once, when it ends, and no longer than `PATIENCE`: its run is recorded as ended by then.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from multiprocessing.util import Finalize

from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Span, Status, StatusCode, Tracer, set_span_in_context

from parjanya_dagster.lines import get_logger
from parjanya_dagster.traces.recorder import Attributes, Unsupported

log = get_logger(__name__)

PATIENCE = 2.0
"""Seconds that a process which ends waits for whoever takes its spans."""
PROTOCOL = "http/protobuf"


def open_recorder(environment: Mapping[str, str], closing: Callable[[], None]) -> SdkRecorder:
    """Spans of this process, from now on. `closing` is called before the last are delivered.

    Raises Unsupported, and what the SDK raises where its variables make no sense.
    """
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)  # `Delivery` tells
    recorder = SdkRecorder([Delivery(exporter) for exporter in exporters(environment)])

    def close() -> None:
        closing()
        recorder.close()

    # Unlike atexit, it is called in a process that multiprocessing forked, too.
    Finalize(None, close, exitpriority=100)
    return recorder


def exporters(environment: Mapping[str, str]) -> list[SpanExporter]:
    """As OTEL_TRACES_EXPORTER names them. Raises Unsupported."""
    named = environment.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    found: list[SpanExporter] = []
    for name in (part.strip().lower() for part in named.split(",")):
        if name == "otlp":
            found.append(_otlp(environment))
        elif name == "console":
            found.append(ConsoleSpanExporter())
        else:
            raise Unsupported("OTEL_TRACES_EXPORTER: only otlp, console and none are supported")
    return found


def _otlp(environment: Mapping[str, str]) -> SpanExporter:
    names = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"
    protocol = next((environment[name] for name in names if environment.get(name)), PROTOCOL)
    if protocol.strip().lower() != PROTOCOL:
        raise Unsupported(f"OTEL_EXPORTER_OTLP_PROTOCOL: only {PROTOCOL} is supported (port 4318)")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


class SdkRecorder:
    """A `Recorder` over a provider of its own: it changes nothing that is global."""

    def __init__(self, deliveries: Sequence[SpanExporter]) -> None:
        self._ids, self._lock = RunIds(), threading.Lock()
        self._provider = TracerProvider(
            resource=_resource(), id_generator=self._ids, shutdown_on_exit=False
        )
        for delivery in deliveries:
            self._provider.add_span_processor(BatchSpanProcessor(delivery))
        self._tracer = self._provider.get_tracer("parjanya", version("parjanya"))
        self._ending, self._delivered = threading.Event(), threading.Event()
        # Begun now: a process that ends may begin no thread.
        threading.Thread(target=self._deliver, name="last spans", daemon=True).start()

    def run(self, run_id: str, attributes: Attributes) -> SdkSpan:
        """As `Recorder.run`."""
        with self._lock:
            self._ids.run_id = run_id
            begun = self._tracer.start_span("run", Context(), attributes=attributes)
        trace = format(begun.get_span_context().trace_id, "032x")
        log.info("run_traced", run=run_id, trace=trace)
        return SdkSpan(self._tracer, begun)

    def close(self, patience: float = PATIENCE) -> bool:
        """Deliver what has ended. Returns whether that was done in `patience` seconds."""
        self._ending.set()
        return self._delivered.wait(patience)

    def _deliver(self) -> None:
        self._ending.wait()
        self._provider.shutdown()
        self._delivered.set()


def _resource() -> Resource:
    """OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, and what they leave open."""
    ours = Resource({SERVICE_NAME: "parjanya", SERVICE_VERSION: version("parjanya")})
    given = Resource.create()
    unnamed = str(given.attributes.get(SERVICE_NAME, "")).startswith("unknown_service")
    return given.merge(ours) if unnamed else ours.merge(given)


class SdkSpan:
    """A `spans.Span`."""

    def __init__(self, tracer: Tracer, span: Span) -> None:
        self._tracer, self._span = tracer, span

    def child(self, name: str, attributes: Attributes) -> SdkSpan:
        below = set_span_in_context(self._span, Context())
        return SdkSpan(self._tracer, self._tracer.start_span(name, below, attributes=attributes))

    def set(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)

    def end(self, error: BaseException | None = None) -> None:
        """Of an error only the type is told: its text may name files."""
        if error is not None:
            self._span.set_attribute("error.type", type(error).__name__)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class RunIds(RandomIdGenerator):
    """The trace of a run follows from the run's id: all its processes tell of one trace.

    It is a hash, since samplers take the digits of a trace for random, and those of a UUID are not.
    """

    run_id = ""  # of the span that begins now; all others have a parent

    def generate_trace_id(self) -> int:
        return trace_of(self.run_id)


def trace_of(run_id: str) -> int:
    """The id of the trace of a run, of 128 bits."""
    return int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:16]) or 1


class Delivery(SpanExporter):
    """Delivers through another exporter, and says once where that begins to fail."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._failed = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._exporter.export(spans)
        except Exception:
            result = SpanExportResult.FAILURE
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._failed:
            log.warning("traces_not_delivered", spans=len(spans))
        self._failed = failed
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()
