"""What a process says when a run begins in it: what it is, and how long it took to get there.

A run is one of Dagster's, or a message that a queue's worker took.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import psutil

from parjanya_dagster.belief.drift import Identity, declared, differences, note_running
from parjanya_dagster.errors import Drifted
from parjanya_dagster.execution.identity import identity_of
from parjanya_dagster.execution.resources import StageResources
from parjanya_dagster.execution.run_ledger import Book
from parjanya_dagster.lanes import Lane
from parjanya_dagster.lines import get_logger

log = get_logger(__name__)

Announce = Callable[[Identity], None]
"""Is told what this process is."""


_taken: list[float] = []


def taken_over() -> None:
    """This process stood by until now. What it loaded before is no cost of the run it has got."""
    _taken[:] = [time.time()]


def process_began() -> float:
    """When this process was created for its run, or taken for it, in Unix seconds."""
    return _taken[0] if _taken else float(psutil.Process().create_time())


def report_identity(
    resources: StageResources, lane: Lane, run_id: str, announce: Announce = lambda _: None
) -> None:
    """Record that a run of the lane begins in this process, and what the process is.

    What cannot be recorded costs knowledge, not work. Raises Drifted where drifted lanes are held
    and this process is not what was declared. Where they are held, it also raises what kept the
    identity from being known.
    """
    hold = resources.settings.identity.hold_drifted
    try:
        identity = identity_of(resources.settings, lane)
        note_running(resources.store, lane.name, identity, run_id, resources.clock())
        announce(identity)
    except Exception as error:
        if hold:
            raise
        log.warning("start_not_reported", run=run_id, error=f"{type(error).__name__}: {error}")
        return
    if hold:
        _stop_where_drifted(resources, lane, identity)


def _stop_where_drifted(resources: StageResources, lane: Lane, identity: Identity) -> None:
    differs = differences(declared(resources.store).get(lane.name, {}), identity)
    if differs:
        parts = "; ".join(
            f"{part}: {ran!r}, declared {want!r}" for part, (want, ran) in differs.items()
        )
        raise Drifted(
            f"This process is not what was declared for the lane {lane.name!r} ({parts}). Nothing "
            "was changed. Deploy what was declared, or `parjanya declare` what is deployed."
        )


def report_cold_start(
    resources: StageResources, *, ledger_id: str, job: str, phases: Mapping[str, float]
) -> None:
    """Count how long the process took to be ready: seconds by phase, under the lane's job."""
    book = Book(resources.store, ledger_id, resources.clock, gpu=False)
    book.at("start")
    book.started(job, phases)
    book.write(closed=True)
