"""`parjanya worker`: a process that works from a lane's queue. Thin."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from parjanya_dagster.platform import Platform
    from parjanya_dagster.queues.messages import Queue


def worker(
    queue: Annotated[str, typer.Option("--queue", help="As in PARJANYA_LANES__<LANE>__QUEUE.")],
    home: Annotated[Path | None, typer.Option("--home", help="Where the instance lives.")] = None,
    until_empty: Annotated[
        bool, typer.Option("--until-empty", help="End where there is nothing to take.")
    ] = False,
) -> None:
    """Work off what a lane's queue asks for. SIGTERM ends it after what it has in hand.

    Refuses to start where the queue forgets messages sooner than anybody may look at it.
    """
    from parjanya_dagster.errors import SettingsInvalid
    from parjanya_dagster.execution.queue_worker import Worker
    from parjanya_dagster.platform import open_platform
    from parjanya_dagster.settings import load

    platform = open_platform(load(home))
    lanes = [
        lane for lane in platform.lanes if platform.settings.lanes.queues.get(lane.name) == queue
    ]
    if not lanes:
        known = ", ".join(platform.settings.lanes.queues.values()) or "none"
        raise SettingsInvalid(
            f"PARJANYA_LANES__<LANE>__QUEUE gives the queue {queue!r} to no lane. It has: {known}."
        )
    lane = lanes[0]
    refuse_short_memory(platform, {lane.name: platform.queues[lane.name]})
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    typer.echo(f"Working from {queue} for the lane {lane.name}: {', '.join(lane.stages)}.")
    dead_letters = platform.all_queues.get("dead letters")
    served = Worker(platform, lane, platform.queues[lane.name], dead_letters=dead_letters)
    if until_empty:
        done = served.drain(stopping.is_set)
    else:
        done = served.serve(stopping.is_set, stopping.wait)
    typer.echo(f"{done} messages are done.")


def check_queues(platform: Platform) -> None:
    """Refuse to start over queues that forget. One that does not answer is no reason to stay away:

    the sweep finds what it would tell, and the doctor names it. Raises SettingsInvalid.
    """
    from parjanya_dagster.errors import CloudUnavailable

    for role, queue in platform.all_queues.items():
        try:
            refuse_short_memory(platform, {role: queue})
        except CloudUnavailable as error:
            typer.secho(f"Not known: {error}", fg=typer.colors.YELLOW, err=True)


def refuse_short_memory(platform: Platform, queues: dict[str, Queue]) -> None:
    """Raises SettingsInvalid where a queue forgets messages too soon; CloudUnavailable."""
    from parjanya_dagster.errors import QueueMissing, SettingsInvalid
    from parjanya_dagster.truth.transitions import HOUR

    dormancy = platform.settings.arrivals.longest_dormancy_hours * HOUR
    for role, queue in queues.items():
        try:
            retention = queue.state().retention
        except QueueMissing:  # it is made, with a long memory, when there is something to send
            continue
        if retention < dormancy:
            raise SettingsInvalid(
                f"The queue {queue.name} ({role}) keeps messages for {retention / 3600:.0f} h, "
                f"less than PARJANYA_ARRIVALS__LONGEST_DORMANCY_HOURS ({dormancy / 3600:.0f}). "
                "Set its MessageRetentionPeriod to 1209600."
            )
