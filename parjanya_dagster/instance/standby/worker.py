"""The life of a stand-by: load, wait for a run, become its process."""

from __future__ import annotations

import importlib
import socket
from contextlib import suppress

from parjanya_dagster.execution import run_start
from parjanya_dagster.execution.engines import KIND, name_of
from parjanya_dagster.execution.preload import preload
from parjanya_dagster.execution.stages.build import start_decoders
from parjanya_dagster.instance.process_names import set_short_name
from parjanya_dagster.instance.standby import wire
from parjanya_dagster.lines import get_logger
from parjanya_dagster.platform import shared_platform
from parjanya_dagster.settings import Settings
from parjanya_dagster.traces import spans

log = get_logger(__name__)
EMBEDDED = "embedded"
WAITING, RUNNING = "parjanya-wait", "parjanya-run"
"""Names of processes, as `top` and `ps -e` show them."""
LAZY = ("pandas", "pyarrow.parquet", "parjanya_dagster.execution.stages.curate")
"""What a run imports where it needs it. Some of it starts threads, so no fork may follow it."""


def live(control: socket.socket, warm: bool) -> None:
    """Load where it is to be `warm`, say so, wait for a run. Ends with the server, without one."""
    set_short_name(WAITING)
    with control:
        if warm:
            load()
            with suppress(OSError):  # it may have got its run meanwhile, and then nobody listens
                wire.send(control, {"ready": True})
        message = wire.receive(control)
    if message is not None:
        begin(str(message["command"]))


def load() -> None:
    """What a run would load. What cannot be loaded now is left to the run, which says why."""
    try:
        platform = shared_platform()
        spans.of_this_process()
        start_decoders(platform.settings)
        preload(platform.settings, preloaded(platform.settings), platform.clock)
        for module in LAZY:
            importlib.import_module(module)
        _open_storage()
    except Exception as error:
        log.warning("standby_not_warm", error=f"{type(error).__name__}: {error}")


def preloaded(settings: Settings) -> list[str]:
    """Stages whose models are loaded before there is a run: those of the embedded engines.

    Others are large. They may fill a GPU that a run needs, and their files may change on the disk.
    """
    engines = {stage: name_of(settings, stage) for stage in KIND}
    return [stage for stage, engine in engines.items() if engine.startswith(EMBEDDED)]


def _open_storage() -> None:
    """Dagster imports its storage, and what that needs, when an instance is first opened."""
    from dagster import DagsterInstance

    with DagsterInstance.get() as instance:
        instance.get_runs(limit=1)


def begin(command: str) -> None:
    """Run what Dagster's own command for it runs, in this process.

    `command`: Dagster's serialized ExecuteRunArgs.
    """
    from dagster._cli.api import execute_run_command

    set_short_name(RUNNING)
    run_start.taken_over()
    execute_run_command.main([command], standalone_mode=False)
