"""The preflight of a stage, before any of its rows is claimed.

What was found last is kept in Truth, by stage: the doctor reads it, and the reconciler asks for one
run at a time while it is bad. The next preflight that passes clears it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from parjanya_dagster.errors import PreflightFailed
from parjanya_dagster.execution.engines import KIND, detectors_of, name_of, options_of
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.records import PreflightVerdict
from parjanya_dagster.truth.store import Measurements, Store, WorkQueue

if TYPE_CHECKING:
    from gpu_ops.preflight import Report

STAGES = tuple(KIND)
CANNOT = "Execution cannot realize Intent"
SHIPPED = frozenset({"embedded", "embedded-tags", "embedded-full"})
"""Engines whose models lie inside packages: nothing about them changes from run to run."""

Examine = Callable[..., "Report"]


def examine(settings: Settings, stage: str, smoke: bool = True) -> Report:
    """Check the engine that the settings choose for a stage. Raises nothing."""
    from gpu_ops.preflight import preflight

    options: Any
    try:
        options = options_of(settings, stage)
    except ValueError as error:
        options = error
    return preflight(
        KIND[stage],
        name_of(settings, stage),
        options,
        detectors=detectors_of(settings, stage),
        memory_gib=settings.engines.gpu_memory_gib,
        smoke=smoke,
    )


def require_fit(
    settings: Settings,
    store: Store,
    stage: str,
    run_id: str,
    clock: Callable[[], float],
    look: Examine = examine,
) -> None:
    """Raise PreflightFailed unless the stage's engine has what it needs. Records what was found.

    An engine that ships with us loads its models when the first image needs them, as ever.
    """
    if stage not in STAGES:
        return
    if ships(settings, stage):
        clear(store, stage)
        return
    report = look(settings, stage)
    record(store, stage, report, run_id, clock())
    if not report.ok:
        raise PreflightFailed(
            f"{CANNOT}: {stage} with the engine {report.engine}: {report.problem}"
        )


def ships(settings: Settings, stage: str) -> bool:
    """Whether a default installation has all that the stage needs. Detectors may lack a package."""
    return name_of(settings, stage) in SHIPPED and not detectors_of(settings, stage)


def passed_last(settings: Settings, store: Measurements, stage: str) -> bool:
    """Whether nothing is known against a stage: no row is claimed for one that may not begin.

    A stage whose engine was never examined may not.
    """
    if stage not in STAGES or ships(settings, stage):
        return True
    last = store.preflights().get(stage)
    return last is not None and last.ok


def record(store: Measurements, stage: str, report: Report, run_id: str, now: float) -> None:
    """Keep what was found, since when it is bad, and how often in a row."""
    last = store.preflights().get(stage)
    since, times = None, 0
    if not report.ok:  # of the same row of failures, where the last one failed too
        before = last if last is not None and not last.ok else None
        since = before.since if before is not None else now
        times = (before.times if before is not None else 0) + 1
    store.note_preflight(
        PreflightVerdict(
            stage=stage,
            ok=report.ok,
            engine=report.engine,
            problem=report.problem[:1000],
            identity=dict(report.identity),
            run_id=run_id,
            host=socket.gethostname(),
            at=now,
            since=since,
            times=times,
        )
    )


def clear(store: Measurements, stage: str) -> None:
    """Forget the last preflight of a stage: it was of an engine that is not used any more."""
    if stage in store.preflights():
        store.drop_preflight(stage)


def anything_to_do(
    settings: Settings, store: WorkQueue, stage: str, keys: Sequence[str], now: float
) -> bool:
    """Whether a run that works on what is due needs the stage's engine for these batches.

    Where it does not, no model is loaded to look at nothing. True for stages without an engine.
    """
    if stage not in STAGES or ships(settings, stage):
        return True
    return bool(store.due_rows(keys, [stage], now, limit=1))
