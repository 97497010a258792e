"""An instance from its start to its end: what `parjanya up` does."""

from __future__ import annotations

import threading
from typing import Protocol

from parjanya_dagster.execution.declaration import declare_lanes
from parjanya_dagster.instance.home import DESK_PORT, alone, choose_port
from parjanya_dagster.instance.prefork import preforked
from parjanya_dagster.instance.supervisor import SERVICES, Supervisor
from parjanya_dagster.platform import Platform, open_platform
from parjanya_dagster.queues.retention import check_retention
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.transitions import HOUR

LOOK_EVERY = 0.5  # seconds between two looks at the processes


class Reporter(Protocol):
    """Hears how far the instance is."""

    def queue_unknown(self, reason: str) -> None: ...
    def starting(self, settings: Settings) -> None: ...
    def ready(self, settings: Settings, url: str, desk_url: str) -> None: ...
    def stopping(self) -> None: ...


def run(
    settings: Settings,
    port: int | None,
    desk_port: int | None,
    stopping: threading.Event,
    reporter: Reporter,
) -> None:
    """Run the instance of a home until `stopping` is set. No other process may run over that home.

    Truth is migrated first. Raises SettingsInvalid if a queue keeps messages for too short a time.
    """
    with alone(settings):
        chosen, for_desk = choose_port(port), choose_port(desk_port, default=DESK_PORT)
        reporter.starting(settings)
        with preforked(settings, SERVICES) as prefork:
            platform = open_platform(settings, migrating=True)
            _prepare(platform, reporter)
            platform.store.close()
            supervisor = Supervisor(settings, chosen, for_desk, prefork=prefork)
            _supervise(supervisor, stopping, reporter)


def _prepare(platform: Platform, reporter: Reporter) -> None:
    # On one machine, the code that starts the platform is the code that should run.
    declare_lanes(platform, platform.lanes)
    dormancy = platform.settings.arrivals.longest_dormancy_hours * HOUR
    for error in check_retention(platform.all_queues, dormancy):
        reporter.queue_unknown(str(error))


def _supervise(supervisor: Supervisor, stopping: threading.Event, reporter: Reporter) -> None:
    try:
        supervisor.start()
        announced = False
        while not stopping.wait(LOOK_EVERY):
            supervisor.restart_dead()
            if not announced and supervisor.ready():
                announced = True
                reporter.ready(supervisor.settings, supervisor.url, supervisor.desk_url)
    finally:
        try:
            reporter.stopping()
        finally:  # even where nobody reads our output any more
            supervisor.stop()
