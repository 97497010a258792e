"""`parjanya worker`: a process that works from a lane's queue."""

from __future__ import annotations

from typing import Annotated

import typer

from parjanya_dagster.cli.options import Home, platform_of
from parjanya_dagster.errors import SettingsInvalid


def worker(
    queue: Annotated[str, typer.Option("--queue", help="As in PARJANYA_LANES__<LANE>__QUEUE.")],
    home: Home = None,
    until_empty: Annotated[
        bool, typer.Option("--until-empty", help="End where there is nothing to take.")
    ] = False,
) -> None:
    """Work off what a lane's queue asks for. SIGTERM ends it: what it has in hand is handed back.

    Refuses to start where the queue keeps messages for less than the longest dormancy.
    """
    from parjanya_dagster.execution.notice import Notice
    from parjanya_dagster.execution.queue_worker import Worker
    from parjanya_dagster.queues.retention import require_retention
    from parjanya_dagster.truth.transitions import HOUR

    platform = platform_of(home)
    settings = platform.settings
    lanes = [lane for lane in platform.lanes if settings.lanes.queues.get(lane.name) == queue]
    if not lanes:
        known = ", ".join(settings.lanes.queues.values()) or "none"
        raise SettingsInvalid(
            f"PARJANYA_LANES__<LANE>__QUEUE gives the queue {queue!r} to no lane. It has: {known}."
        )
    lane = lanes[0]
    messages = platform.queues[lane.name]
    require_retention(lane.name, messages, settings.arrivals.longest_dormancy_hours * HOUR)
    typer.echo(f"Working from {queue} for the lane {lane.name}: {', '.join(lane.stages)}.")
    dead_letters = platform.all_queues.get("dead letters")
    notice = Notice(settings.runs.stop_timeout)
    serving = Worker(platform, lane, messages, dead_letters=dead_letters, notice=notice)
    with notice.listening(passed_on=False):
        if until_empty:
            done = serving.drain(notice.given)
        else:
            done = serving.serve(notice.given, notice.wait)
    typer.echo(f"{done} messages are done.")
