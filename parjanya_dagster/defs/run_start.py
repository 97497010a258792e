"""What a run says when its process begins: what it is, and how long it took to get there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import structlog

from parjanya_dagster.belief.drift import declared, differences, note_running
from parjanya_dagster.errors import Drifted
from parjanya_dagster.execution.identity import identity_of
from parjanya_dagster.execution.run_ledger import Book
from parjanya_dagster.lanes import Lane
from parjanya_dagster.platform import Platform

if TYPE_CHECKING:
    from dagster import AssetExecutionContext

log = structlog.get_logger(__name__)
_begun: set[str] = set()
"""Runs that have begun in this process: one, but for tests."""


def report_start(context: AssetExecutionContext, place: Platform) -> None:
    """Record the identity of a run's process and how long its start took. Once per process.

    What cannot be recorded costs knowledge, not work. Raises Drifted where drifted lanes are held
    and this process is not what was declared: nothing has been claimed then.
    """
    run = context.run
    if run.run_id in _begun:
        return
    _begun.add(run.run_id)
    lane = next((one for one in place.lanes if one.job == run.job_name), place.lanes[0])
    try:
        identity = identity_of(place, lane)
        note_running(place.store, lane.name, identity, run.run_id, place.clock())
        context.instance.add_run_tags(
            run.run_id, {f"parjanya/{part}": value for part, value in identity.items()}
        )
        _note_clocks(context, place)
    except Exception as error:
        if place.settings.identity.hold_drifted:
            raise
        log.warning("start_not_reported", run=run.run_id, error=f"{type(error).__name__}: {error}")
        return
    if place.settings.identity.hold_drifted:
        _stop_where_drifted(place, lane, identity)


def _stop_where_drifted(place: Platform, lane: Lane, identity: dict[str, str]) -> None:
    differs = differences(declared(place.store).get(lane.name, {}), identity)
    if differs:
        _begun.clear()  # whoever tries again in this process is told again
        said = "; ".join(
            f"{part}: {ran!r}, declared {want!r}" for part, (want, ran) in differs.items()
        )
        raise Drifted(
            f"This process is not what was declared for the lane {lane.name!r} ({said}). Nothing "
            "was changed. Deploy what was declared, or `parjanya declare` what is deployed."
        )


def _note_clocks(context: AssetExecutionContext, place: Platform) -> None:
    record = context.instance.get_run_record_by_id(context.run.run_id)
    if record is None:
        return
    process = psutil.Process().create_time()
    book = Book(place.store, context.run.run_id, "start", place.clock, gpu=False)
    book.started(
        context.run.job_name,
        {
            "launching": process - record.create_timestamp.timestamp(),  # queue, node, process
            "importing": place.clock() - process,
        },
    )
    book.write(closed=True)
