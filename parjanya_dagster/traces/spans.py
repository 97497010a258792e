"""Spans of a run: what its process did, since when, for which tenants.

    run ─ stage ─┬─ claim
                 ├─ decode, infer, decide
                 └─ commit

A span carries identifiers and counts. It never carries the key, name or address of a file, nor the
text of an error, which may repeat one.

Where traces are off there is no run to be within, so `span` does nothing and nothing is imported.
What goes wrong with traces costs traces, never work.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache

from parjanya_dagster.lines import get_logger
from parjanya_dagster.traces.recorder import Attributes, Recorder, Span, Unsupported, Value

log = get_logger(__name__)


@dataclass(slots=True)
class Opened:
    """A span, and what all below it carry too. Without a span nothing is recorded."""

    span: Span | None
    shared: Attributes

    def note(self, **attributes: Value) -> None:
        """Add what is known only now."""
        if self.span is not None:
            self.span.set(_named(attributes))


_NOTHING = Opened(None, {})
_runs: dict[str, Opened] = {}
_within: ContextVar[Opened] = ContextVar("within", default=_NOTHING)


def begin_run(run_id: str, lane: str) -> None:
    """This process begins to work for a run. Does nothing where it has begun already."""
    recorder = of_this_process()
    if recorder is None or run_id in _runs:
        return
    shared = _named({"run": run_id, "lane": lane})
    _runs[run_id] = Opened(recorder.run(run_id, shared), shared)


def end_run(run_id: str, error: BaseException | None = None) -> None:
    """This process works for the run no more."""
    run = _runs.pop(run_id, _NOTHING)
    if run.span is not None:
        run.span.end(error)


def end_all() -> None:
    """The process ends."""
    for run_id in list(_runs):
        end_run(run_id)


@contextmanager
def stage_of(run_id: str, stage: str) -> Iterator[Opened]:
    """A stage of a run. What begins within the block, in its thread, is below it."""
    with _below(_runs.get(run_id, _NOTHING), stage, {"stage": stage}, inherited=True) as opened:
        token = _within.set(opened)
        try:
            yield opened
        finally:
            _within.reset(token)


@contextmanager
def span(name: str, **attributes: Value) -> Iterator[Opened]:
    """A part of the stage that goes on here. Nothing begins below it.

    So a generator may be suspended within the block. Whoever passes work to a thread runs it in a
    copy of this context.
    """
    with _below(_within.get(), name, attributes, inherited=False) as opened:
        yield opened


def active() -> bool:
    """Whether what begins here is recorded: ask before computing what is only for spans."""
    return _within.get().span is not None


@contextmanager
def _below(
    parent: Opened, name: str, attributes: Attributes, *, inherited: bool
) -> Iterator[Opened]:
    if parent.span is None:
        yield _NOTHING
        return
    own = {**parent.shared, **_named(attributes)}
    begun = parent.span.child(name, own)
    error: BaseException | None = None
    try:
        yield Opened(begun, own if inherited else parent.shared)
    except BaseException as raised:
        error = raised
        raise
    finally:
        begun.end(None if isinstance(error, GeneratorExit) else error)


def _named(attributes: Attributes) -> dict[str, Value]:
    return {f"parjanya.{name}": value for name, value in attributes.items()}


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's own variables ask for traces: an exporter or an endpoint is named."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporter:
        return exporter != "none"
    endpoints = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
    return any(environment.get(name, "").strip() for name in endpoints)


@cache
def of_this_process() -> Recorder | None:
    """Where this process's spans go. None: nowhere, and the log says why if they were asked for."""
    if not wanted(os.environ):
        return None
    try:
        from parjanya_dagster.traces.export import open_recorder

        return open_recorder(os.environ, closing=end_all)
    except ImportError:
        why = "OpenTelemetry is not installed: pip install 'parjanya[otel]'"
    except Unsupported as error:
        why = str(error)
    except Exception as error:  # its text may repeat a header, which may be a secret
        why = f"OpenTelemetry does not take its variables (OTEL_…): {type(error).__name__}"
    log.warning("traces_off", why=why)
    return None
